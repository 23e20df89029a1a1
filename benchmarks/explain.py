"""What a heat map costs beside the prediction, and beside two packages. Prints a table.

    .venv/bin/python -m benchmarks.explain [--rounds 60] [--sizes 128 224]

Every method draws the map of one film at a time, as the panel does. All run in one process, in
turns, in an order that is drawn anew each round, so that whatever else the machine does strikes
them alike. The ratios are taken within rounds.

The packages are used as their own front pages show them: the network as it was loaded, all its
parameters trainable, GradCAM with its default target and the map that it returns; Captum's
LayerGradCam with its upsampling. The package's map is checked to be ours before any is timed.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerAttribution, LayerGradCam
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from helpers.activation import class_activation, to_own_range
from helpers.fine_grid import fine_activation
from helpers.models import build_resnet18
from helpers.reporting import markdown_table

ALONE, OURS, FINE = "prediction alone", "prediction + map (ours)", "finer map alone (ours, 8 px)"
PACKAGE, CAPTUM = "grad-cam package: GradCAM", "Captum: LayerGradCam"
MOST, LEAST = 1.10, 2.5  # aims: ours over the prediction alone, the package over ours
WARM_UP = 5  # rounds


def main() -> None:
    """Measure at the size asked for, and say which aims hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 224], help="px")
    options = parser.parse_args()
    network = build_resnet18("phantom").eval()
    print(f"One film at a time, {torch.get_num_threads()} threads, {options.rounds} rounds.")
    for size in options.sizes:
        films = torch.randn(8, 1, size, size, generator=torch.Generator().manual_seed(0))
        check_equal(network, films)
        seconds = measure(methods(network), films, options.rounds)
        print(f"\n{size} px\n\n{markdown_table(table(seconds))}\n\n{verdict(seconds)}")


def methods(network: nn.Module) -> dict[str, Callable[[Tensor], object]]:
    """Say what each method does with one film, (1, 1, side, side)."""
    last = network.get_submodule("layer4")[-1]
    package, captum = GradCAM(model=network, target_layers=[last]), LayerGradCam(network, last)

    def alone(film: Tensor) -> Tensor:
        with torch.inference_mode():
            return network(film)

    def by_captum(film: Tensor) -> Tensor:
        heat = captum.attribute(film, target=0, relu_attributions=True)
        return LayerAttribution.interpolate(heat, film.shape[-2:], "bilinear")

    return {
        ALONE: alone,
        OURS: lambda film: class_activation(network, film),
        PACKAGE: lambda film: package(input_tensor=film, targets=None),
        CAPTUM: by_captum,
        FINE: lambda film: fine_activation(network, film),
    }


def check_equal(network: nn.Module, films: Tensor) -> None:
    """Refuse to time maps that are not the same map."""
    ran = methods(network)
    ours = to_own_range(class_activation(network, films)[1].numpy())
    theirs = np.concatenate([np.asarray(ran[PACKAGE](film[None])) for film in films])
    captum = torch.cat([ran[CAPTUM](film[None])[:, 0] for film in films]).detach().numpy()
    for name, maps in {PACKAGE: theirs, CAPTUM: to_own_range(captum)}.items():
        apart = np.abs(maps - ours).max()
        if apart > 1e-3:
            raise SystemExit(f"{name} draws another map: up to {apart:.1e} of 1 apart.")


def measure(ran: dict[str, Callable], films: Tensor, rounds: int) -> pd.DataFrame:
    """Seconds a film, a row a round, a column a method."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(WARM_UP + rounds):
        film = films[number % len(films)][None]
        row = {}
        for name in generator.permutation(list(ran)):
            start = time.perf_counter()
            ran[name](film)
            row[name] = time.perf_counter() - start
        rows.append(row)
    return pd.DataFrame(rows[WARM_UP:])[list(ran)]


def table(seconds: pd.DataFrame) -> pd.DataFrame:
    """Medians, and medians of the ratios within rounds with their quartiles."""
    return pd.DataFrame(
        {
            "method": list(seconds),
            "ms, median": [f"{1000 * seconds[name].median():.1f}" for name in seconds],
            "over the prediction alone": [ratio(seconds[n], seconds[ALONE]) for n in seconds],
            "over ours": [ratio(seconds[name], seconds[OURS]) for name in seconds],
        }
    )


def ratio(above: pd.Series, below: pd.Series) -> str:
    low, middle, high = (above / below).quantile([0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def verdict(seconds: pd.DataFrame) -> str:
    """Say of each aim whether it holds, with an interval of the median ratio over the rounds."""
    lines = []
    for words, above, below, aim, holds in (
        ("ours over the prediction alone, at most", OURS, ALONE, MOST, np.less_equal),
        ("the grad-cam package over ours, at least", PACKAGE, OURS, LEAST, np.greater_equal),
    ):
        ratios = (seconds[above] / seconds[below]).to_numpy()
        drawn = np.random.default_rng(0).choice(ratios, (1000, len(ratios)))
        low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
        middle = np.median(ratios)
        word = "holds" if holds(middle, aim) else "does not hold"
        lines.append(f"* {words} {aim:.2f}: {middle:.2f} ({low:.2f}–{high:.2f}), **{word}**")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
