"""Figures: each takes data and an axis, returns the axis, and shows what the data say."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch
from sklearn.metrics import precision_recall_curve

from helpers import curves, figures
from helpers.evaluation import confusion, net_benefit

OBSERVED = {"label_source": "observed"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def patients():
    generator = np.random.default_rng(0)
    risk = generator.beta(1, 4, 200)
    died = pd.array(generator.random(200) < risk, dtype="boolean")
    table = pd.DataFrame({"risk": risk, "died": died, **OBSERVED})
    return table.assign(patient_id=range(200))


@pytest.fixture
def cohort():
    return pd.DataFrame(
        {
            "site": "sbu",
            "patient_id": ["1", "1", "2", "3", "4"],
            "view": ["PA", "AP", "AP", "AP", "PA"],
            "died": pd.array([True, True, False, pd.NA, False], dtype="boolean"),
            "age": [60, 60, np.nan, 50, np.nan],
        }
    )


FLOW = pd.DataFrame(
    [
        ("sbu", "published", 100, 50),
        ("sbu", "excluded: lateral view", 20, 5),
        ("sbu", "excluded: nothing", 0, 0),
        ("sbu", "excluded: view unknown", 3, 0),
        ("sbu", "in use", 77, 45),
    ],
    columns=["cohort", "step", "radiographs", "patients"],
)
HISTORY = pd.DataFrame(
    {
        "stage": ["head", "all layers", "all layers"],
        "train_loss": [0.9, 0.6, 0.4],
        "validation_loss": [0.9, 0.7, 0.8],
        "validation_auroc": [0.5, 0.7, 0.65],
    }
)
RATES = pd.DataFrame(
    {"name": ["a", "b"], "rate": [0.1, 0.4], "low": [np.nan, 0.3], "high": [np.nan, 0.5]}
)
INTERVALS = pd.DataFrame({"name": ["a"], "estimate": [0.7], "low": [0.6], "high": [0.8]})


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax, patients, cohort: figures.plot_roc({"one": patients, "two": patients}, ax),
        lambda ax, patients, cohort: figures.plot_precision_recall(patients, ax),
        lambda ax, patients, cohort: figures.plot_calibration(patients, ax),
        lambda ax, patients, cohort: figures.plot_risk_by_outcome(patients, ax, threshold=0.2),
        lambda ax, patients, cohort: figures.plot_confusion(patients, 0.2, ax),
        lambda ax, patients, cohort: figures.plot_net_benefit(
            net_benefit(patients["died"], patients["risk"], [0.1, 0.2, 0.3]), ax
        ),
        lambda ax, patients, cohort: figures.plot_learning_curves(HISTORY, ax),
        lambda ax, patients, cohort: figures.plot_intervals(INTERVALS, ax, xlabel="AUROC"),
        lambda ax, patients, cohort: figures.plot_missingness(cohort, ax),
        lambda ax, patients, cohort: figures.plot_participant_flow(FLOW, ax),
        lambda ax, patients, cohort: figures.plot_outcome_by(cohort, "view", ax),
        lambda ax, patients, cohort: figures.plot_imputed_rates(RATES, ax),
    ],
)
def test_a_figure_draws_on_the_given_axis_with_labels(draw, patients, cohort):
    figure, ax = plt.subplots()
    assert draw(ax, patients, cohort) is ax
    figure.canvas.draw()
    assert ax.get_xlabel()
    assert ax.get_ylabel() or any(label.get_text() for label in ax.get_yticklabels())


def test_without_an_axis_a_figure_makes_its_own(patients):
    assert figures.plot_roc(patients).figure is plt.gcf()


def test_curves_differ_in_more_than_colour(patients):
    ax = figures.plot_roc({"one": patients, "two": patients})
    styles = {line.get_linestyle() for line in ax.lines if line.get_label() in ("one", "two")}
    assert len(styles) == 2


def test_the_roc_curve_of_a_perfect_risk_touches_the_corner(patients):
    perfect = patients.assign(risk=patients["died"].astype(float))
    curve = figures.plot_roc(perfect).lines[0].get_xydata()
    assert (0, 1) in {tuple(point) for point in curve}


def test_the_band_of_net_benefit_lies_around_the_models_line(patients):
    curve = net_benefit(patients["died"], patients["risk"], [0.1, 0.2, 0.3])
    assert not figures.plot_net_benefit(curve).collections
    ax = figures.plot_net_benefit(curve, patients=patients)
    corners = ax.collections[0].get_paths()[0].vertices
    for threshold, value in zip(curve["threshold"], curve["model"], strict=True):
        heights = corners[np.isclose(corners[:, 0], threshold), 1]
        assert heights.min() <= value <= heights.max()


def test_the_precision_recall_band_is_a_step_like_its_curve(patients, monkeypatch):
    """Resampling that draws everybody once must give the curve itself."""
    monkeypatch.setattr(
        "helpers.curves.band", lambda curve, died, risk: (curve(died, risk), curve(died, risk))
    )
    ax = figures.plot_precision_recall(patients)
    precision, recall, _ = precision_recall_curve(patients["died"], patients["risk"])
    for at, height in ax.collections[0].get_paths()[0].vertices:
        assert height in precision[recall >= at - 1e-9]


def test_a_band_keeps_the_number_of_deaths_where_the_curve_takes_it_as_given(patients):
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    low, high = curves.band(lambda died, risk: [died.mean()], died, risk)
    assert low == high == died.mean()
    low, high = curves.band(lambda died, risk: [died.mean()], died, risk, keep_deaths=False)
    assert low < died.mean() < high


def test_a_band_reaches_as_far_as_the_rarer_outcome_asks(patients, monkeypatch):
    asked = []
    monkeypatch.setattr(curves, "percentile_tail", lambda rarer: asked.append(rarer) or 0.5)
    died, risk = patients["died"].to_numpy(bool), patients["risk"].to_numpy()
    low, high = curves.band(lambda died, risk: [risk.mean()], died, risk)
    assert asked == [min(died.sum(), (~died).sum())] and low == high


def test_a_constant_risk_can_be_drawn(patients):
    constant = patients.assign(risk=0.2)
    assert [tuple(point) for point in figures.plot_roc(constant).lines[0].get_xydata()][-1] == (
        1,
        1,
    )
    ax = figures.plot_risk_by_outcome(constant)
    assert {path.get_label().split(" (")[0] for path in ax.patches} >= {"died", "survived"}
    for draw in (figures.plot_roc, figures.plot_calibration, figures.plot_risk_by_outcome):
        draw(constant).figure.canvas.draw()


def test_patients_not_films_are_counted(cohort):
    ax = figures.plot_outcome_by(cohort, "view")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["AP (n = 2)", "PA (n = 2)"]


def test_missingness_is_in_per_cent(cohort):
    ax = figures.plot_missingness(cohort, columns=["age", "view"])
    assert [patch.get_width() for patch in ax.patches] == pytest.approx([40, 0])


def test_the_flow_leaves_out_steps_that_exclude_nothing():
    ax = figures.plot_participant_flow(FLOW)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "published",
        "lateral view",
        "view unknown",
        "in use",
    ]
    assert [text.get_text().strip() for text in ax.texts] == [
        "100 pictures, 50 patients",
        "−20 pictures, −5 patients",
        "−3 pictures, 0 patients",
        "77 pictures, 45 patients",
    ]
    with pytest.raises(ValueError, match="one cohort; got 2"):
        figures.plot_participant_flow(pd.concat([FLOW, FLOW.assign(cohort="hannover")]))


def test_films_fill_a_grid_and_the_rest_stays_empty():
    film = np.zeros((20, 16), np.float32)
    figure = figures.plot_films([film] * 5, list("abcde"), columns=3)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == list("abcde") and len(figure.axes) == 6
    assert {ax.images[0].get_clim() for ax in shown} == {(0, 1)}
    eight_bit = figures.plot_films([film.astype(np.uint8)], ["a"])
    assert eight_bit.axes[0].images[0].get_clim() == (0, 255)


EDGES = [
    ("age", "severity"),
    ("severity", "death"),
    ("age", "death"),
    ("severity", "film"),
    ("film", "recording"),
    ("age", "recording"),
    ("site", "recording"),
]


def test_no_arrow_of_a_causal_diagram_crosses_a_name():
    ax = figures.plot_causal_diagram(EDGES)
    names = {text.get_text(): text.get_position() for text in ax.texts}
    assert set(names) == {name for edge in EDGES for name in edge}
    for cause, effect in EDGES:
        assert names[cause][0] < names[effect][0]
    boxes = [patch for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    arrows = [patch for patch in ax.patches if not hasattr(patch, "get_boxstyle")]
    assert len(boxes) == len(names) and len(arrows) == len(EDGES)
    for arrow in arrows:
        line = arrow._path_original.interpolated(1).to_polygons(closed_only=False)[0][1:-1]
        for box in boxes:
            x, y, width, height = box.get_x(), box.get_y(), box.get_width(), box.get_height()
            inside = (line[:, 0] > x + 1e-6) & (line[:, 0] < x + width - 1e-6)
            inside &= (line[:, 1] > y) & (line[:, 1] < y + height)
            assert not inside.any()


def test_arrows_of_one_box_leave_and_reach_it_apart():
    ax = figures.plot_causal_diagram(EDGES)
    arrows = [patch for patch in ax.patches if not hasattr(patch, "get_boxstyle")]
    for end in (0, -1):
        points = [tuple(arrow._path_original.vertices[end].round(6)) for arrow in arrows]
        assert len(set(points)) == len(EDGES)


def test_a_circle_of_causes_is_refused():
    with pytest.raises(ValueError, match="run in a circle: "):
        figures.plot_causal_diagram([("a", "b"), ("b", "a")])


def test_arrows_of_a_highlighted_cause_stand_out_and_no_others():
    ax = figures.plot_causal_diagram([("a", "b"), ("a", "c"), ("b", "c")], highlight=("a",))
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    looks = [(to_hex(arrow.get_edgecolor()), arrow.get_linewidth()) for arrow in arrows]
    assert looks[0] == looks[1] != looks[2] and looks[0][1] > looks[2][1]
    with pytest.raises(ValueError, match="got \\['nobody'\\]"):
        figures.plot_causal_diagram([("a", "b")], highlight=("a", "nobody"))


def test_masks_of_another_size_are_outlined_where_they_lie():
    lungs, lesions = np.zeros((2, 40, 30), bool)
    lungs[10:30, 6:24], lesions[20:30, 6:12] = True, True
    left, right = figures.plot_masks(np.zeros((80, 60)), lungs, lesions).axes
    assert not left.collections
    outline = right.collections[0].get_paths()[0].get_extents()
    assert (outline.x0, outline.x1) == pytest.approx((11.5, 47.5), abs=1)
    assert (outline.y0, outline.y1) == pytest.approx((19.5, 59.5), abs=1)
    assert len(right.collections) == 2
    assert len(figures.plot_masks(np.zeros((80, 60)), lungs, lesions & False).axes) == 2


def test_the_confusion_matrix_shows_every_patient_once(patients):
    ax = figures.plot_confusion(patients, 0.2)
    counts = confusion(patients["died"], patients["risk"], 0.2)
    shown = [int(text.get_text().split()[0]) for text in ax.texts]
    assert shown == [counts.true_positive, counts.false_negative,
                     counts.false_positive, counts.true_negative]  # fmt: skip


def test_the_calibration_curve_of_a_right_risk_lies_on_the_diagonal():
    generator = np.random.default_rng(1)
    risk = generator.uniform(0.05, 0.95, 4000)
    right = pd.DataFrame({"risk": risk, "died": generator.random(4000) < risk, **OBSERVED})
    right["patient_id"] = np.arange(4000)
    ax = figures.plot_calibration(right)
    curve = next(line for line in ax.lines if line.get_label() == "model")
    assert np.abs(curve.get_ydata() - curve.get_xdata()).max() < 0.08
    band = ax.collections[0].get_paths()[0].vertices
    assert np.ptp(band[:, 1][np.abs(band[:, 0] - 0.5) < 0.01]) > 0.01  # the band has a width
