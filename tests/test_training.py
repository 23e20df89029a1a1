from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from films import easy_cohort
from lightning_fabric import Fabric
from sklearn.metrics import roc_auc_score

from helpers.augmentation import change, draw_changes
from helpers.cache import FilmCache
from helpers.cohorts import load_cohort, select_index_films
from helpers.imputation import impute_survival, save_labels
from helpers.models import RiskModel, build_resnet18
from helpers.radiographs import Radiographs, normalise
from helpers.splits import save_split, split_patients
from helpers.stages import Task, layer_groups
from helpers.training import CAREFUL, CARELESS, TrainingConfig, augment, fit, predict
from helpers.training_data import load_parts, mean_film, training_data_hash

QUICK = TrainingConfig(size=64, epochs=3, batch_size=8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep test films out of the project's store."""
    monkeypatch.setattr(
        "helpers.radiographs.FilmCache", lambda size: FilmCache(size, tmp_path / "cache")
    )


@pytest.fixture
def parts(tmp_path):
    sizes = {"train": 48, "validation": 18, "test": 24}
    return {
        name: easy_cohort(tmp_path / name, size, seed=seed)
        for seed, (name, size) in enumerate(sizes.items())
    }


def train(parts, config=QUICK, start=None):
    network = start or build_resnet18("random", seed=config.seed)
    return fit(network, parts["train"], parts["validation"], config, progress=False)


def test_an_easy_cohort_is_learned(parts):
    fitted = train(parts)
    model = RiskModel(fitted.network, 64)
    predictions = predict(model, parts["test"])
    assert roc_auc_score(predictions["died"].astype(bool), predictions["risk"]) > 0.95
    assert predictions["risk"].between(0, 1).all()
    assert fitted.history["validation_loss"].iloc[-1] < fitted.history["validation_loss"].iloc[0]


def test_same_seed_same_network_other_seed_another(parts):
    config = TrainingConfig(size=64, epochs=1, batch_size=8)
    first, second = train(parts, config).network, train(parts, config).network
    other = train(parts, TrainingConfig(size=64, epochs=1, batch_size=8, seed=1)).network
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    assert not torch.equal(first.fc.weight, other.fc.weight)


def test_the_network_given_is_left_alone_and_head_epochs_change_only_the_head(parts):
    start = build_resnet18("random")
    before = {name: value.clone() for name, value in start.state_dict().items()}
    fitted = train(parts, TrainingConfig(size=64, head_epochs=3, epochs=0), start)
    assert fitted.history["stage"].tolist() == ["head"] * 3
    after = fitted.network.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert all(torch.equal(before[name], value) for name, value in start.state_dict().items())


@pytest.mark.parametrize("epochs", [1, 6])
def test_the_head_learns_from_features_that_are_computed_once(parts, monkeypatch, epochs):
    monkeypatch.setattr("helpers.stages.PREDICTION_BATCH", 10)
    start, seen = build_resnet18("random"), []
    start.layer1.register_forward_hook(lambda module, given, found: seen.append(len(found)))
    train(parts, TrainingConfig(size=64, head_epochs=epochs, epochs=0), start)
    assert seen == [10] * 4 + [8] + [10, 8]  # 48 training and 18 validation films, once


def test_frozen_statistics_stay(parts):
    start = train(parts, TrainingConfig(size=64, epochs=1)).network
    config = TrainingConfig(size=64, epochs=1, freeze_statistics=True)
    network = fit(start, parts["train"], parts["validation"], config, progress=False).network
    assert torch.equal(start.bn1.running_mean, network.bn1.running_mean)
    assert not torch.equal(start.conv1.weight, network.conv1.weight)


def test_careful_fine_tuning_keeps_what_careless_training_destroys(parts):
    """The features of a start stay nearly the same one way, and not the other."""
    start = train(parts).network
    films = normalise(Radiographs(parts["test"], 64).batch(slice(None)))

    def features(network):
        with torch.inference_mode():
            return torch.nn.Sequential(*list(network.children())[:-1])(films).flatten(1)

    kept = {}
    for name, config in {"careful": CAREFUL, "careless": CARELESS}.items():
        config = replace(config, size=64, epochs=2, batch_size=8)
        trained = fit(start, parts["train"], parts["validation"], config, progress=False).network
        before, after = features(start), features(trained)
        kept[name] = torch.nn.functional.cosine_similarity(before, after).mean().item()
    assert kept["careful"] > 0.98
    assert 1 - kept["careless"] > 2 * (1 - kept["careful"])


def test_class_weights_raise_the_predicted_risk(parts):
    few = parts["train"][~parts["train"]["died"] | (parts["train"].index % 9 == 0)]
    risks = {}
    for weighted in (True, False):
        config = TrainingConfig(size=64, head_epochs=30, epochs=0, class_weights=weighted)
        network = fit(build_resnet18("random"), few, parts["validation"], config, progress=False)
        risks[weighted] = predict(RiskModel(network.network, 64), few)["risk"].mean()
    assert risks[True] > 1.5 * risks[False]


def test_training_stops_after_patience_at_the_best_epoch(parts):
    config = TrainingConfig(size=64, epochs=12, batch_size=8, patience=1, rate=3e-2)
    fitted = train(parts, config)
    losses = fitted.history["validation_loss"]
    assert len(losses) < 12
    films = Radiographs(parts["validation"], 64)
    with torch.inference_mode():
        logits = fitted.network(normalise(films.batch(slice(None))))[:, 0]
    weight = torch.tensor(2.0)  # two survivors a death
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, films.died, pos_weight=weight
    )
    assert loss.item() == pytest.approx(losses.min(), rel=1e-4)


def test_labels_are_checked(parts):
    unknown = parts["train"].assign(died=pd.array([pd.NA] * 48, "boolean"))
    with pytest.raises(ValueError, match="both outcomes and no missing one"):
        fit(build_resnet18("random"), unknown, parts["validation"], QUICK)
    imputed = parts["validation"].assign(label_source="imputed")
    with pytest.raises(ValueError, match="may teach, but never judge"):
        fit(build_resnet18("random"), parts["train"], imputed, QUICK)
    with pytest.raises(ValueError, match="patient"):
        fit(build_resnet18("random"), parts["train"], parts["train"], QUICK)


def test_augmentation_keeps_shape_and_changes_each_film_differently():
    film = torch.zeros(1, 1, 64, 64)
    film[..., 20:40, 10:30] = 1
    batch = augment(film.repeat(4, 1, 1, 1), torch.Generator().manual_seed(0))
    assert batch.shape == (4, 1, 64, 64)
    assert not torch.allclose(batch[0], batch[1])
    # The bright patch stays on its side: a mirrored film would put the heart on the right.
    assert (batch[..., :32].mean(dim=(1, 2, 3)) > batch[..., 32:].mean(dim=(1, 2, 3))).all()


def test_augmentation_changes_contrast_and_brightness_as_drawn():
    film = torch.linspace(-1, 1, 64).repeat(64, 1)[None, None]
    still = torch.zeros(1, 6)
    torch.testing.assert_close(change(film, still), film, atol=1e-5, rtol=0)
    still[0, 4:] = torch.tensor([0.2, 0.1])
    torch.testing.assert_close(change(film, still), film * 1.2 + 0.1, atol=1e-5, rtol=0)


def test_training_hash_follows_films_and_outcomes_not_order(parts):
    cohort = parts["train"]
    assert training_data_hash(cohort, 64) == training_data_hash(cohort[::-1], 64)
    flipped = cohort.assign(died=~cohort["died"])
    assert training_data_hash(cohort, 64) != training_data_hash(flipped, 64)


def test_mean_film_shows_the_common_shape(parts):
    means = np.array(mean_film(parts["train"][parts["train"]["died"]], 64))
    assert means.shape == (16, 16)
    assert means[9:15].mean() > means[1:7].mean()


def test_head_and_fine_tuning_keep_their_lowest_validation_loss(parts):
    config = TrainingConfig(size=64, head_epochs=25, head_rate=0.5, epochs=0)
    fitted = train(parts, config)
    films = Radiographs(parts["validation"], 64)
    with torch.inference_mode():
        logits = fitted.network(normalise(films.batch(slice(None))))[:, 0]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, films.died, pos_weight=torch.tensor(2.0)
    )
    assert loss.item() == pytest.approx(fitted.history["validation_loss"].min(), rel=1e-3)
    ruined = train(
        parts, TrainingConfig(size=64, head_epochs=25, head_rate=0.5, epochs=1, rate=5.0)
    )
    same = zip(fitted.network.parameters(), ruined.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)


def test_blocks_nearer_to_the_film_learn_more_slowly():
    groups = layer_groups(build_resnet18("random"), 0.08, 0.5)
    assert [group["lr"] for group in groups] == pytest.approx(
        [0.0025, 0.005, 0.01, 0.02, 0.04, 0.08]
    )
    network = build_resnet18("random")
    groups = layer_groups(network, 1.0, 0.5)
    grouped = [id(value) for group in groups for value in group["params"]]
    assert sorted(grouped) == sorted(map(id, network.parameters()))  # each once
    assert groups[0]["params"][0] is network.conv1.weight
    assert groups[-1]["params"][-1] is network.fc.bias


def test_with_rates_that_vanish_towards_the_film_only_the_head_moves(parts):
    start = build_resnet18("random")
    config = TrainingConfig(
        size=64, epochs=1, layer_decay=1e-9, weight_decay=0, freeze_statistics=True
    )
    trained = train(parts, config, start).network
    assert torch.allclose(start.layer4[1].conv2.weight, trained.layer4[1].conv2.weight, atol=1e-10)
    assert (start.fc.weight - trained.fc.weight).abs().mean() > 1e-4


def test_every_film_is_seen_once_an_epoch_in_batches_of_nearly_equal_size(parts):
    task = Task(
        build_resnet18("random"),
        Radiographs(parts["train"], 64),
        Radiographs(parts["validation"], 64),
        TrainingConfig(batch_size=9),
        Fabric(accelerator="cpu", devices=1),
    )
    batches = list(task.batches(torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [8] * 6  # not 9, 9, 9, 9, 9, 3
    assert sorted(torch.cat(batches).tolist()) == list(range(48))


def test_shares_of_a_batch_are_changed_as_the_whole_of_it_is():
    films = torch.rand(5, 1, 32, 32)
    changes = draw_changes(5, torch.Generator().manual_seed(0))
    whole = augment(films, torch.Generator().manual_seed(0))
    shares = [change(films[part], changes[part]) for part in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(torch.cat(shares), whole)


def test_weighted_deaths_cost_as_much_as_survivors(parts):
    """A logit of zero costs log 2 a film; weighted, the deaths' sum is that of the survivors."""
    films = Radiographs(parts["train"], 64)  # 16 of 48 died
    fabric = Fabric(accelerator="cpu", devices=1)
    for weighted, expected in ((True, 2 * 32), (False, 48)):
        config = TrainingConfig(class_weights=weighted)
        task = Task(build_resnet18("random"), films, films, config, fabric)
        loss = task.loss(torch.zeros(48, 1), films.died)
        assert loss.item() == pytest.approx(expected * np.log(2), rel=1e-5)


def test_parts_are_those_of_the_notebooks(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="ieee8023 and sbu; got 'hannover'"):
        load_parts("hannover")
    monkeypatch.setattr("helpers.paths.work_root", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="01_explore_the_cohorts"):
        load_parts("sbu")


def test_a_film_that_cannot_be_read_teaches_nothing_and_stops_nothing(
    phantom_root, monkeypatch, tmp_path
):
    cohort = load_cohort("sbu")
    split = save_split(split_patients(cohort, seed=0), tmp_path / "split.csv")
    cut = tmp_path / "cut.dcm"
    first = cohort.index[cohort["image_path"] == select_index_films(cohort)["image_path"].iloc[0]]
    cut.write_bytes(Path(cohort.loc[first[0], "image_path"]).read_bytes()[:-5000])
    cohort.loc[first, "image_path"] = str(cut)
    monkeypatch.setattr("helpers.training_data.load_cohort", {"sbu": cohort}.get)
    monkeypatch.setattr("helpers.training_data.work_file", lambda name, made_by: split)
    monkeypatch.setattr("helpers.cache.PROJECT", tmp_path)
    parts = load_parts("sbu", 64)
    assert str(cut) not in set(pd.concat(parts.values())["image_path"])
    assert sum(len(Radiographs(part, 64)) for part in parts.values()) > 10


def test_imputed_risks_teach_as_soft_targets_and_never_judge(phantom_root, monkeypatch, tmp_path):
    films = split_patients(load_cohort("ieee8023"), seed=0)
    labels = impute_survival(films, method="draws", seed=0)
    files = {
        "split.csv": save_split(films, tmp_path / "split.csv"),
        "labels.csv": save_labels(labels, tmp_path / "labels.csv"),
    }
    monkeypatch.setattr("helpers.training_data.work_file", lambda name, made_by: files[name])
    found = load_parts("ieee8023")
    risks = labels.set_index("patient_id")["risk"]
    learned = found["train"]
    np.testing.assert_allclose(
        learned["died"].astype(float), risks[learned["patient_id"].astype(str)].astype(float)
    )
    imputed = learned["label_source"] == "imputed"
    assert learned.loc[imputed, "died"].between(0.001, 0.999).any()
    assert learned.loc[~imputed, "died"].isin([0, 1]).all()
    for part in ("validation", "test"):
        assert found[part]["label_source"].eq("observed").all()
        assert found[part]["died"].dtype == "boolean" and found[part]["died"].notna().all()
