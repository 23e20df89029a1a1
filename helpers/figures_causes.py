"""A causal diagram, drawn in layers: causes left of their effects, no arrow through a name.

The layout is that of Sugiyama, Tagawa and Toda (1981, doi:10.1109/TSMC.1981.4308636) in small: an
arrow over several layers gets a place of its own in each of them, and the places of a layer are
ordered by the mean height of their neighbours.
"""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from helpers.curves import GREY, LINES, PALETTE

_SWEEPS = 20
_HALF_WIDTH, _HALF_HEIGHT = 0.29, 0.34  # of a name's box; layers and names are 1 apart
Edge = tuple[str, str]
Node = str | tuple[Edge, int]  # a variable, or the place of a long arrow in one layer


def plot_causal_diagram(
    edges: Iterable[Edge], ax: Axes | None = None, *, highlight: Sequence[str] = ()
) -> Axes:
    """Draw causes left of their effects, an arrow each.

    `highlight` names causes, each of which gets a colour and a line style of its own, on its box
    and on the arrows that leave it.

    Raises
    ------
    ValueError
        If an effect is among its own causes, or `highlight` names what is in no arrow.
    """
    edges = list(edges)
    depth = _depths(edges)
    if unknown := [name for name in highlight if name not in depth]:
        raise ValueError(f"Only what is in the diagram can be highlighted; got {unknown}.")
    routes = {edge: _route(edge, depth) for edge in edges}
    layers = _order(routes, depth)
    places = _places(layers)
    if ax is None:
        tallest = max(np.ptp([places[node][1] for node in layer]) for layer in layers)
        size = (2.1 * len(layers), 0.62 * (tallest + 1.5))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    leave, reach = _ports(routes, places, 0), _ports(routes, places, -1)
    colours = dict(zip(highlight, PALETTE[1:], strict=False))
    styles = dict(zip(highlight, LINES, strict=False))
    for edge, route in routes.items():
        cause = edge[0]
        # Level across the width of every layer passed, so that no name's corner is cut.
        sides = [
            (x + side, y)
            for x, y in (places[node] for node in route)
            for side in (-_HALF_WIDTH, _HALF_WIDTH)
        ]
        points = np.array(sides[1:-1])
        points[0, 1], points[-1, 1] = leave[edge], reach[edge]
        arrow = FancyArrowPatch(path=_smooth(points), arrowstyle="-|>", mutation_scale=10)
        ax.add_patch(arrow)
        arrow.set(
            color=colours.get(cause, GREY),
            linestyle=styles.get(cause, "-"),
            linewidth=2 if cause in colours else 1,
            zorder=1.5 if cause in colours else 1,
        )
    for name in depth:
        x, y = places[name]
        corner = (x - _HALF_WIDTH, y - _HALF_HEIGHT)
        box = FancyBboxPatch(
            corner, 2 * _HALF_WIDTH, 2 * _HALF_HEIGHT, "round,pad=0,rounding_size=0.06"
        )
        ax.add_patch(box)
        box.set(facecolor="white", edgecolor=colours.get(name, PALETTE[0]), zorder=2)
        box.set_linewidth(2.5 if name in colours else 1)
        ax.text(x, y, fill(name, 13), ha="center", va="center", fontsize=9, zorder=3)
    heights = [y for _, y in places.values()]
    ax.set(xlim=(-0.5, len(layers) - 0.5), ylim=(min(heights) - 0.8, max(heights) + 0.8))
    ax.set_axis_off()
    return ax


def _depths(edges: list[Edge]) -> dict[str, int]:
    """Layer of every variable: one to the right of its last cause."""
    causes: dict[str, set[str]] = {}
    for cause, effect in edges:
        causes.setdefault(cause, set())
        causes.setdefault(effect, set()).add(cause)
    try:
        order = list(TopologicalSorter(causes).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ValueError(f"Causes come before effects; these run in a circle: {circle}.") from error
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[cause] for cause in causes[name]), default=-1)
    return depth


def _route(edge: Edge, depth: dict[str, int]) -> list[Node]:
    cause, effect = edge
    between: list[Node] = [(edge, layer) for layer in range(depth[cause] + 1, depth[effect])]
    return [cause, *between, effect]


def _order(routes: dict[Edge, list[Node]], depth: dict[str, int]) -> list[list[Node]]:
    """Arrange each layer so that neighbours lie at similar heights, in sweeps."""
    layers: list[list[Node]] = [[] for _ in range(max(depth.values()) + 1)]
    neighbours: dict[Node, tuple[list[Node], list[Node]]] = {name: ([], []) for name in depth}
    for name, number in depth.items():
        layers[number].append(name)
    for route in routes.values():
        for node in route:
            if isinstance(node, tuple):  # a place of the arrow itself, between its two variables
                layers[node[1]].append(node)
                neighbours[node] = ([], [])
        for left, right in pairwise(route):
            neighbours[left][1].append(right)
            neighbours[right][0].append(left)
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for layer in layers[::-1] if side else layers:
            places = _places(layers)
            mean = {
                node: np.mean([places[n][1] for n in neighbours[node][side]] or [places[node][1]])
                for node in layer
            }
            layer[:] = [node for _, _, node in sorted((-mean[n], str(n), n) for n in layer)]
    return layers


def _places(layers: list[list[Node]]) -> dict[Node, tuple[float, float]]:
    """Set a layer's nodes below one another; an arrow passing by takes less room than a name."""
    places: dict[Node, tuple[float, float]] = {}
    for x, layer in enumerate(layers):
        room = np.array([1.0 if isinstance(node, str) else 0.6 for node in layer])
        heights = room.sum() / 2 - (np.cumsum(room) - room / 2)
        places |= {node: (float(x), float(y)) for node, y in zip(layer, heights, strict=True)}
    return places


def _ports(
    routes: dict[Edge, list[Node]], places: dict[Node, tuple[float, float]], end: int
) -> dict[Edge, float]:
    """Heights at which arrows leave their causes (end 0) or reach their effects (-1).

    Those of a box are apart, in the order of the places that they come from or go to next.
    """
    of_box: dict[str, list[Edge]] = {}
    for edge in routes:
        of_box.setdefault(edge[end], []).append(edge)
    heights: dict[Edge, float] = {}
    for name, edges in of_box.items():
        edges.sort(key=lambda edge: places[routes[edge][-2 if end else 1]][1])
        steps = np.linspace(-_HALF_HEIGHT, _HALF_HEIGHT, len(edges) + 2)[1:-1]
        heights |= dict(zip(edges, places[name][1] + steps, strict=True))
    return heights


def _smooth(points: np.ndarray) -> Path:
    """Join points, shape (n, 2), by curves that are level at each of them."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (x + to_x) / 2
        vertices += [np.array((middle, y)), np.array((middle, to_y)), np.array((to_x, to_y))]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
