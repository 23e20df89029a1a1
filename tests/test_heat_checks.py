"""Deletion, repeatability, shuffled labels, blacked-out films, other methods: known cases."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers import cam_methods, probing
from helpers.deletion import area_under, deletion_curve
from helpers.metrics import auroc
from helpers.models import build_resnet18, in_batches
from helpers.randomization import shuffle_labels
from helpers.repeatability import pairwise_agreement


class Corner(nn.Module):
    """Looks at nothing but the top left square of 16 px: its logit is the square's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def forward(self, films):
        return films[:, 0, :16, :16].mean((1, 2))[:, None]


@pytest.fixture
def films() -> torch.Tensor:
    films = torch.zeros(2, 1, 64, 64)
    films[:, :, :16, :16] = 8.0
    return films


def heat(row: int, column: int) -> np.ndarray:
    maps = np.zeros((2, 64, 64), np.float32)
    maps[:, row : row + 16, column : column + 16] = 1
    return maps


def test_deleting_what_counts_first_lets_the_logit_fall_at_once(films):
    network = Corner().eval()
    right = deletion_curve(network, films, heat(0, 0))
    late = deletion_curve(network, films, -heat(0, 0))
    assert right.shape == (2, 17)
    assert right[0, 0] == late[0, 0] == pytest.approx(8)
    assert right[0, 1] == right[0, -1] == late[0, -1] < 6
    assert np.all(late[0, :16] == 8)
    assert np.all(area_under(right) < area_under(late))


def test_inserting_what_counts_first_lets_it_rise_at_once(films):
    network = Corner().eval()
    right = deletion_curve(network, films, heat(0, 0), insert=True)
    assert right[0, 0] < 6 and right[0, 1] == right[0, -1] == pytest.approx(8)
    assert np.all(area_under(right) > area_under(deletion_curve(network, films, heat(0, 0))))


def test_all_squares_go_whatever_the_number_of_steps(films):
    curve = deletion_curve(Corner().eval(), films, -heat(0, 0), steps=5)
    assert curve.shape == (2, 6) and curve[0, 4] == 8 and curve[0, 5] < 6


def test_area_is_the_mean_height():
    np.testing.assert_allclose(area_under(np.array([[1.0, 0.5, 0.0], [2, 2, 2]])), [0.5, 2])


def test_deletion_refuses_sizes_that_do_not_fit(films):
    with pytest.raises(ValueError, match="multiples of 24"):
        deletion_curve(Corner().eval(), films, heat(0, 0), cell=24)
    with pytest.raises(ValueError, match=r"shape \(2, 32, 32\)"):
        deletion_curve(Corner().eval(), films, heat(0, 0)[:, :32, :32])


def test_equal_maps_agree_and_inverted_ones_do_not():
    rng = np.random.default_rng(0)
    smooth = rng.random((3, 32, 32)).cumsum(axis=1).cumsum(axis=2).astype(np.float32)
    table = pairwise_agreement(np.stack([smooth, smooth * 3 + 1, -smooth]))
    assert len(table) == 9
    same = table[(table["first"] == 0) & (table["second"] == 1)]
    np.testing.assert_allclose(same[["ssim", "rank_correlation"]], 1, atol=1e-5)
    turned = table[table["second"] == 2]
    np.testing.assert_allclose(turned["rank_correlation"], -1, atol=1e-6)
    assert turned["ssim"].max() < 0.5


def test_a_flat_map_has_no_ranks_and_one_network_no_pairs():
    maps = np.zeros((2, 1, 16, 16), np.float32)
    maps[0, 0, :8] = 1
    assert pairwise_agreement(maps)["rank_correlation"].isna().all()
    with pytest.raises(ValueError, match="two networks"):
        pairwise_agreement(maps[:1])


@pytest.fixture
def cohort() -> pd.DataFrame:
    parts = ["train"] * 60 + ["validation"] * 40 + ["test"] * 40
    died = np.arange(140) % 4 == 0
    return pd.DataFrame(
        {
            "patient_id": [str(number) for number in range(140)],
            "part": parts,
            "died": pd.array(died, dtype="boolean"),
            "label_source": "observed",
        }
    )


def test_shuffled_labels_keep_the_deaths_of_each_part_and_nothing_else(cohort):
    shuffled = shuffle_labels(cohort, seed=0)
    assert (shuffled.groupby("part")["died"].sum() == cohort.groupby("part")["died"].sum()).all()
    agree = (shuffled["died"] == cohort["died"]).mean()
    assert agree == pytest.approx(0.25**2 + 0.75**2, abs=0.1)
    assert shuffled["died"].dtype == "boolean"
    assert shuffled["died"].equals(shuffle_labels(cohort, seed=0)["died"])
    assert not shuffled["died"].equals(shuffle_labels(cohort, seed=1)["died"])
    with pytest.raises(ValueError, match="one film a patient"):
        shuffle_labels(pd.concat([cohort, cohort]), seed=0)


def test_what_learned_shuffled_labels_is_a_coin_on_average(cohort):
    rng = np.random.default_rng(0)
    died = cohort["died"].to_numpy(bool)
    seen = rng.normal(size=(len(cohort), 8)).astype(np.float32)
    seen[:, 0] += 4 * died  # the true labels are easy to learn
    tested = (cohort["part"] == "test").to_numpy()

    def area(labels: pd.DataFrame) -> float:
        head = probing.fit_head(seen, labels).requires_grad_(False)
        return auroc(died[tested], head(torch.from_numpy(seen[tested]))[:, 0].sigmoid())

    assert area(cohort) > 0.95
    lots = np.array([area(shuffle_labels(cohort, seed=seed)) for seed in range(60)])
    assert abs(lots.mean() - 0.5) < 3 * lots.std(ddof=1) / np.sqrt(len(lots))
    assert lots.std(ddof=1) < 0.25


def test_centre_and_border_share_the_film():
    films = np.full((1, 100, 100), 9, np.uint8)
    frame, border = probing.black_out_centre(films, 0.7), probing.only_border(films, 0.1)
    assert (frame == 0).mean() == pytest.approx(0.49)
    assert (border == 0).mean() == pytest.approx(0.64)
    assert np.all(frame[0, :15] == 9) and np.all(border[0, 10:90, 10:90] == 0)
    for nothing in (probing.only_border(films, 0), probing.black_out_centre(films, 1)):
        assert np.all(nothing == 0)
    assert np.all(films == 9)


def test_a_probe_finds_what_is_left_on_the_film_and_nothing_where_nothing_is(cohort):
    rng = np.random.default_rng(0)
    films = rng.integers(0, 60, (len(cohort), 64, 64), np.uint8)
    films[cohort["died"].to_numpy(bool), :6] = 255  # death shows at the upper edge only
    network = build_resnet18("random").eval()
    seen = probing.probe(probing.features(network, probing.only_border(films)), cohort)
    assert list(seen["part"].unique()) == ["test"] and len(seen) == 40
    assert seen.groupby("died")["risk"].mean().diff().iloc[-1] > 0.5
    hidden = probing.probe(probing.features(network, films[:, 16:48, 16:48]), cohort)
    assert abs(hidden.groupby("died")["risk"].mean().diff().iloc[-1]) < 0.15


def test_the_new_head_is_the_logistic_regression(cohort):
    rng = np.random.default_rng(0)
    films = rng.integers(0, 255, (len(cohort), 64, 64), np.uint8)
    network = build_resnet18("random").eval()
    seen = probing.features(network, films)
    changed = probing.with_head(network, probing.fit_head(seen, cohort))
    logits = torch.cat(list(in_batches(changed, films)))[:, 0]
    risk = probing.probe(seen, cohort)["risk"].to_numpy()
    np.testing.assert_allclose(logits.sigmoid().numpy()[100:], risk, atol=1e-5)
    assert network.fc.weight.data_ptr() != changed.fc.weight.data_ptr()


def test_a_probe_says_what_is_missing(cohort):
    with pytest.raises(ValueError, match="140 films"):
        probing.probe(np.zeros((3, 512), np.float32), cohort)
    some = cohort[cohort["part"] != "validation"]
    with pytest.raises(ValueError, match="validation"):
        probing.probe(np.zeros((100, 512), np.float32), some)


def test_a_probe_takes_imputed_outcomes_as_lessons_and_imputed_risks_for_nothing(cohort):
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(len(cohort), 8)).astype(np.float32)
    train = cohort["part"].eq("train")
    guessed = cohort.assign(label_source=np.where(train, "imputed", "observed"))
    assert len(probing.probe(seen, guessed)) == 40
    soft = guessed.assign(died=guessed["died"].astype("Float64"))
    soft.loc[train, "died"] = rng.uniform(0.1, 0.4, train.sum())  # as bools, all of them deaths
    with pytest.raises(ValueError, match="Expected outcomes as bool or 0 and 1; found 0"):
        probing.fit_head(seen, soft)
    unknown = guessed.assign(died=guessed["died"].mask(guessed.index == 0))
    with pytest.raises(ValueError, match="an outcome for every patient"):
        probing.fit_head(seen, unknown)
    for part in ("validation", "test"):
        judged = guessed["label_source"].where(cohort["part"] != part, "imputed")
        with pytest.raises(ValueError, match="40 of 80 rows are imputed or unknown"):
            probing.fit_head(seen, guessed.assign(label_source=judged))


@pytest.mark.parametrize("method", list(cam_methods.METHODS))
def test_the_package_draws_a_map_on_a_scale_of_its_own(method):
    network = build_resnet18("random").eval()
    films = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = cam_methods.package_maps(network, films, method)
    assert maps.shape == (2, 32, 32)
    assert maps.min() >= 0 and maps.max() <= 1


def test_road_prefers_the_map_that_knows_what_counts(films):
    network = Corner().eval()
    inside = torch.linspace(1, 2, 64)[None, None, :, None] * torch.ones(2, 1, 64, 64)
    films = inside + films
    smooth = np.maximum(heat(0, 0), 1e-3 * np.random.default_rng(0).random((2, 64, 64)))
    right = cam_methods.road(network, films, smooth)
    wrong = cam_methods.road(network, films, 1 - smooth)
    assert right.shape == (2,) and np.all(right > wrong)
    again = cam_methods.road(network, films, smooth)
    np.testing.assert_array_equal(right, again)
    with pytest.raises(ValueError, match="2 flat ones"):
        cam_methods.road(network, films, np.zeros((2, 64, 64)))
