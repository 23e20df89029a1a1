"""The figure of the delta analysis shows the rates that it is given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.figures_labels import plot_delta


def test_rates_are_drawn_in_per_cent_over_their_deltas_with_references():
    curve = pd.DataFrame(
        {"delta": [0.5, 1, 2], "rate": [0.1, 0.2, 0.3], "low": [0, 0.1, 0.2], "high": [0.2, 0.3, 1]}
    )
    curve.attrs["reference"] = {"complete cases": 0.25, "truth": 0.15}
    figure, ax = plt.subplots()
    assert plot_delta(curve, ax) is ax
    figure.canvas.draw()
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0.5, 10], [1, 20], [2, 30]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "1", "2"]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["draws", "complete cases (25%)", "truth (15%)"]
    assert ax.get_xlabel() and ax.get_ylabel()
    plt.close(figure)
