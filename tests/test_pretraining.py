"""The start that phantoms teach: targets, films drawn by workers, resuming, the stored model."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import nn

from helpers import starts
from helpers.cache import FilmCache
from helpers.models import in_batches
from helpers.radiographs import Radiographs
from helpers.severity import (
    COLUMNS,
    DEVICES,
    SHARES,
    VIEWS,
    SeverityModel,
    equalise,
    split_outputs,
)
from helpers.starts import build_resnet18, resnet18
from helpers.training import predict_severity
from phantoms import fresh_films, pretraining
from phantoms.film import Film, render
from phantoms.fresh_films import TRAINING, UNSEEN, FreshFilms, draw_film
from phantoms.judging import loss, phantoms_version, r_squared
from phantoms.places import PLACED, Places, place_targets
from phantoms.pretraining import Pretrained, make_start, pretrain
from phantoms.pretraining_run import PretrainingConfig, plateau_file
from phantoms.randomisation import draw_patient
from phantoms.targets import dense_targets, split_lungs

TINY = PretrainingConfig(films=64, size=64, batch=8)
NAMES = [target.name for target in SHARES]


@pytest.fixture
def patient():
    drawn = draw_patient(np.random.default_rng(5))
    return replace(drawn, view="AP", devices=frozenset({"central line"}), heart=0.5)


@pytest.fixture
def film():
    """Two lungs of 30 × 90 px; the middle of the right and all of the left lower zone opaque."""
    lungs, lesions = np.zeros((120, 100), bool), np.zeros((120, 100), bool)
    lungs[10:100, 10:40] = lungs[10:100, 60:90] = True
    lesions[40:70, 10:25] = lesions[70:100, 60:90] = True
    return Film(np.zeros((120, 100), np.float32), lungs, lesions, lungs, lesions * np.float32(0.6))


def shares(film, patient):
    return dict(zip(NAMES, dense_targets(film, patient), strict=False))


def test_targets_are_what_the_masks_show(film, patient):
    found = shares(film, patient)
    assert found["opaque_share"] == pytest.approx((15 * 30 + 900) / 5400)
    assert found["lung_area"] == pytest.approx(5400 / 120**2)
    assert found["opaque_right_middle"] == pytest.approx(0.5)
    assert found["density_right_middle"] == pytest.approx(0.3)
    assert (found["opaque_left_lower"], found["opaque_right_lower"]) == (1, 0)
    assert found["density_left_lower"] == pytest.approx(0.6)
    assert found["heart_size"] == pytest.approx(0.54)  # an AP film magnifies
    rest = dense_targets(film, patient)[len(NAMES) :]
    assert rest.tolist() == [VIEWS.index("AP"), *(name == "central line" for name in DEVICES)]


def test_what_cannot_be_measured_is_nan(film, patient):
    lateral = shares(film, replace(patient, view="lateral"))
    assert np.isfinite(lateral["opaque_share"]) and np.isfinite(lateral["lung_area"])
    assert all(np.isnan(lateral[name]) for name in NAMES if "_right_" in name or "heart" in name)
    right_only = Film(*(layer[:, :60] for layer in film))
    found = shares(right_only, patient)
    assert found["opaque_right_middle"] == pytest.approx(0.5)
    assert np.isnan(found["opaque_left_lower"]) and np.isnan(found["heart_size"])
    nothing = film._replace(lungs=np.zeros_like(film.lungs))
    assert np.isnan(shares(nothing, patient)["opaque_share"])
    assert shares(nothing, patient)["lung_area"] == 0


def test_the_right_lung_is_on_the_left_of_the_picture(patient):
    lungs = render(patient, size=128).lungs
    sides = split_lungs(lungs)
    columns = {side: np.nonzero(lung)[1].mean() for side, lung in sides.items()}
    assert columns["right"] < columns["left"]
    assert (sides["right"] | sides["left"])[lungs].mean() > 0.95


def test_places_add_up_to_the_shares(film, patient):
    wide = Film(*(np.pad(layer, ((4, 4), (14, 14))) for layer in film))  # 128 px, as it is
    opaque, lungs = place_targets(wide, 128)
    assert lungs[0, 0] == pytest.approx((32 - 14) * (32 - 24) / 32**2)
    assert opaque[1, 0] == pytest.approx(8 * 20 / 32**2 / (5400 / 128**2))
    found = shares(wide, patient)
    assert opaque.mean() == pytest.approx(found["opaque_share"])
    assert lungs.mean() == pytest.approx(found["lung_area"])
    nothing = place_targets(wide._replace(lungs=np.zeros_like(wide.lungs)), 128)
    assert np.isnan(nothing[0]).all() and (nothing[1] == 0).all()


def test_the_outputs_are_the_mean_over_places():
    network = resnet18(3, seed=1).eval()
    films = torch.randn(2, 1, 96, 96)
    places = Places(network)(films)
    assert places.shape == (2, 3, 3, 3)
    torch.testing.assert_close(places.mean(dim=(1, 2)), network(films))


def test_the_loss_is_nothing_where_all_is_right():
    values = {"opaque_share": 0.4, "lung_area": 0.3}
    wanted = [values.get(target.name, target.centre) for target in SHARES]
    outputs = [
        (value - target.centre) / target.scale for value, target in zip(wanted, SHARES, strict=True)
    ]
    sure = [30.0, 0, 0, 0, 30, -30, -30, 30]
    places = torch.tensor([*outputs, *sure]).expand(1, 2, 2, -1)
    truths = torch.tensor([[*wanted, 0, 1, 0, 0, 1]])
    placed = (
        torch.tensor([values[name] for name in PLACED]).reshape(1, -1, 1, 1).expand(1, -1, 2, 2)
    )
    assert loss(places, truths, placed).item() == pytest.approx(0, abs=1e-6)
    moved = placed + torch.tensor([[[[0.1, -0.1], [0, 0]]], [[[0, 0], [0, 0]]]]).movedim(1, 0)
    assert loss(places, truths, moved).item() == pytest.approx(0.5 * (0.1 / 0.7) ** 2 / 2, rel=1e-4)


def test_nothing_is_learned_from_nan():
    truths = torch.tensor([[*[float("nan")] * len(NAMES), 1, 0, 1, 0, 0]])
    outputs = torch.randn(1, 2, 2, len(COLUMNS), requires_grad=True)
    error = loss(outputs, truths, torch.full((1, len(PLACED), 2, 2), float("nan")))
    error.backward()
    assert error.isfinite() and outputs.grad.isfinite().all()
    gradient = split_outputs(outputs.grad[0, 0])
    assert (gradient.shares == 0).all()
    assert (gradient.view != 0).all() and (gradient.devices != 0).all()


def test_r_squared_of_each_column():
    truth = np.array([[1.0, 1, 5], [2, np.nan, 5], [3, 3, 5]])
    predicted = np.array([[1.0, 2, 5], [2, 99, 5], [3, 2, 4]])
    np.testing.assert_allclose(r_squared(predicted, truth), [1, 0, np.nan])


def test_films_do_not_depend_on_workers_or_where_a_run_begins():
    def batches(first, workers):
        return list(FreshFilms(64, 3, 0, TRAINING).load(first, 4, workers))

    alone, shared, later = batches(0, 0), batches(0, 2), batches(2, 1)
    for pairs in (zip(alone, shared, strict=True), zip(alone[2:], later, strict=True)):
        for batch, other in pairs:
            for part, same_part in zip(batch, other, strict=True):
                np.testing.assert_array_equal(part, same_part)
    films = alone[0].films
    assert films.dtype == torch.uint8 and films.shape == (3, 64, 64)
    assert alone[0].places.shape == (3, len(PLACED), 2, 2)
    assert not torch.equal(films, FreshFilms(64, 3, 0, UNSEEN)[0].films)
    assert not torch.equal(films[0], films[1])


def test_workers_are_no_copies_of_a_process_whose_opencv_threads_run():
    films = FreshFilms(64, 2, 0, TRAINING)
    assert films.load(0, 2, 1).multiprocessing_context.get_start_method() == "spawn"
    assert films.load(0, 2, 0).multiprocessing_context is None


def draw_nothing(size, seed):
    """Fail, as a drawing function that workers can import."""
    raise ZeroDivisionError("no film today")


def test_a_worker_that_fails_is_heard():
    with pytest.raises(ZeroDivisionError, match="no film today"):
        next(iter(FreshFilms(64, 2, 0, TRAINING, draw_nothing).load(0, 2, 1)))


@pytest.fixture
def run(monkeypatch):
    """Train a small network on a processor, with a checkpoint after every second step."""
    monkeypatch.setattr("phantoms.pretraining_run.resnet18", small_network)
    monkeypatch.setattr(pretraining, "WINDOW", 2)
    monkeypatch.setattr(pretraining, "CHECKPOINT_EVERY", 0)

    def run(checkpoint, config=TINY, **options):
        fabric = Fabric(accelerator="cpu", devices=1)
        return pretrain(config, checkpoint, fabric=fabric, progress=False, **options)

    return run


def small_network(outputs, *, seed):
    torch.manual_seed(seed)
    trunk = [nn.Conv2d(1, 8, 5, stride=32), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Linear(8, outputs))


def power_failure(monkeypatch, at):
    def draw(size, seed):
        if seed[-1] == at:
            raise KeyboardInterrupt
        return draw_film(size, seed)

    monkeypatch.setattr(fresh_films, "draw_film", draw)


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_a_stopped_run_ends_as_if_it_had_not_been_stopped(run, tmp_path, monkeypatch):
    whole = run(tmp_path / "whole.pt")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        power_failure(patch, at=44)  # in the sixth batch; the checkpoint holds four
        run(tmp_path / "stopped.pt")
    resumed = run(tmp_path / "stopped.pt", resume=True)
    assert same(whole.network, resumed.network)
    assert not same(whole.network, small_network(len(COLUMNS), seed=0))
    assert resumed.history == whole.history
    assert [line["films"] for line in whole.history] == [16, 32, 48, 64]
    assert resumed.seconds > 0 and resumed.versions == [phantoms_version()]


def test_a_finished_run_can_be_made_longer(run, tmp_path):
    longer = replace(TINY, films=96)
    run(tmp_path / "short.pt")
    assert plateau_file(tmp_path / "short.pt").is_file()
    resumed = run(tmp_path / "short.pt", longer, resume=True)
    assert same(resumed.network, run(tmp_path / "long.pt", longer).network)


def test_a_run_goes_on_from_an_earlier_network(run, tmp_path):
    card = {"config": {"seed": 5}}
    earlier = SeverityModel(small_network(len(COLUMNS), seed=7), 64, card)
    still = replace(TINY, films=8, rate=0.0, start="7")
    found = run(tmp_path / "later.pt", still, start=earlier).network.state_dict()
    weights = {name for name in found if "running" not in name and "tracked" not in name}
    assert all(torch.equal(found[name], earlier.network.state_dict()[name]) for name in weights)
    with pytest.raises(ValueError, match="Resume with the same settings"):
        run(tmp_path / "later.pt", replace(still, start="8"), resume=True)
    with pytest.raises(ValueError, match="would see them again: choose another --seed"):
        run(tmp_path / "same.pt", replace(still, seed=5), start=earlier)


def test_checkpoints_are_not_mixed_up(run, tmp_path):
    config = replace(TINY, films=8)
    with pytest.raises(FileNotFoundError, match="start without --resume"):
        run(tmp_path / "run.pt", config, resume=True)
    run(tmp_path / "run.pt", config)
    with pytest.raises(FileExistsError, match="Go on from it with --resume"):
        run(tmp_path / "run.pt", config)
    with pytest.raises(ValueError, match="Resume with the same settings"):
        run(tmp_path / "run.pt", replace(config, seed=1), resume=True)
    with pytest.raises(ValueError, match="has seen 8 films, so it cannot end after 0"):
        run(tmp_path / "run.pt", replace(config, films=0), resume=True)


def test_the_rate_rises_stays_and_falls():
    config = PretrainingConfig(films=64_000, rate=1e-3)
    rates = [config.rate_at(step) for step in range(config.steps)]
    assert config.steps == 1000 and config.plateau_end == 700
    assert rates[0] == pytest.approx(5e-6) and rates[199:701] == [1e-3] * 502
    assert rates[850] == pytest.approx(5e-4) and rates[-1] == pytest.approx(1e-3 / 300)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A phantom start that has learned nothing, where the shipped one would be."""
    path = tmp_path / "weights" / "phantom-resnet18.safetensors"
    trained = Pretrained(resnet18(len(COLUMNS), seed=3).eval(), 1.0, [], [phantoms_version()])
    model = make_start(
        trained, TINY, unseen=16, workers=0, command="python -m phantoms.pretraining"
    )
    model.save(path)
    monkeypatch.setattr(starts, "PHANTOM_START", path)
    return path


def test_the_card_says_what_the_start_is(start):
    card = json.loads(start.with_suffix(".json").read_text())
    assert card["films"] == 64 and card["unseen_films"] == 16 and card["seconds"] == 1
    assert list(card["r_squared_of_places"]) == list(PLACED)
    assert list(card["r_squared"]) == NAMES and list(card["auroc"]) == DEVICES
    assert 0 <= card["view_accuracy"] <= 1
    assert card["phantoms_versions"] == [phantoms_version()] and card["size_px"] == 64
    assert "Not for clinical use" in card["notice"] and card["real_films"] is None
    assert {"preprocessing", "weights_sha256", "command", "config", "targets"} <= set(card)
    assert 20e6 < start.stat().st_size < 23e6
    assert sorted(file.name for file in start.parent.iterdir()) == [
        "phantom-resnet18.json",
        "phantom-resnet18.safetensors",
    ]


def test_severity_of_any_cohort(start, tmp_path, monkeypatch):
    cache = FilmCache(64, tmp_path / "cache")
    monkeypatch.setattr("helpers.radiographs.FilmCache", lambda size: cache)
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.png"))
        film, *_ = draw_film(128, [0, UNSEEN, number])
        Image.fromarray(film).save(paths[-1])
    cohort = pd.DataFrame({"image_path": paths, "died": pd.array([True, False, None], "boolean")})
    cohort.index = [7, 5, 3]
    read = predict_severity(cohort, size=64)
    assert read.columns.tolist() == ["image_path", "died", *COLUMNS]
    assert read.index.tolist() == [7, 5, 3]
    assert read[COLUMNS].to_numpy().min() >= 0 and read[COLUMNS].to_numpy().max() <= 1
    views = [name for name in COLUMNS if name.startswith("view_")]
    np.testing.assert_allclose(read[views].sum(axis=1), 1, rtol=1e-5)
    films = Radiographs(cohort, 64).images
    np.testing.assert_array_equal(read[COLUMNS], SeverityModel.load(start).predict(films))


def test_each_film_is_read_as_it_is_and_equalised():
    model = SeverityModel(resnet18(len(COLUMNS), seed=3), 64)
    films = np.stack([draw_film(64, [0, UNSEEN, number])[0] for number in range(4)])
    looks = [torch.cat(list(in_batches(model.network, look))) for look in (films, equalise(films))]
    assert not torch.equal(*looks)
    shares = split_outputs((looks[0] + looks[1]) / 2).shares
    expected = [
        (shares[:, number] * target.scale + target.centre).clip(0, 1)
        for number, target in enumerate(SHARES)
    ]
    found = model.predict(films)[[target.name for target in SHARES]].to_numpy()
    np.testing.assert_allclose(found, torch.stack(expected, dim=1), atol=1e-6)


def test_equalising_evens_out_contrast_and_leaves_films_as_they_were():
    faint = np.random.default_rng(0).integers(100, 120, (2, 64, 64)).astype(np.uint8)
    kept = faint.copy()
    even = equalise(faint)
    assert even.shape == faint.shape and even.dtype == np.uint8
    assert np.ptp(even) > 2 * np.ptp(faint)
    np.testing.assert_array_equal(faint, kept)
    assert equalise(faint[:0]).shape == (0, 64, 64)


def test_the_start_keeps_the_backbone_and_begins_with_the_opaque_share(start):
    model = SeverityModel.load(start)
    learned = model.network.state_dict()
    network = build_resnet18("phantom", seed=1).eval()
    state = network.state_dict()
    assert all(torch.equal(state[name], learned[name]) for name in state if "fc" not in name)
    images = torch.randn(3, 1, 64, 64)
    number = [target.name for target in SHARES].index("opaque_share")
    with torch.inference_mode():
        torch.testing.assert_close(network(images)[:, 0], model.network(images)[:, number])
    assert network.conv1.weight.dtype == torch.float32


def test_a_missing_or_foreign_start_is_explained(start):
    card_path = start.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card_path.write_text(json.dumps({**card, "targets": card["targets"][:-1]}))
    with pytest.raises(ValueError, match="learned other targets"):
        SeverityModel.load(start)
    card_path.write_text(json.dumps({**card, "preprocessing": "stretched"}))
    for load in (lambda: SeverityModel.load(start), lambda: build_resnet18("phantom")):
        with pytest.raises(ValueError, match="prepared as stretched"):
            load()
    card_path.write_text(json.dumps({**card, "weights_sha256": "0"}))
    with pytest.raises(ValueError, match="do not belong together"):
        build_resnet18("phantom")
    start.unlink()
    for load in (lambda: SeverityModel.load(start), lambda: build_resnet18("phantom")):
        with pytest.raises(FileNotFoundError, match=r"python -m phantoms\.pretraining"):
            load()
