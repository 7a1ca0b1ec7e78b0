"""One colour, marker, line and hatch a method in every plot of every run; and figure layout.

What a method looks like follows from its role and its name: registered methods take the looks in
their order, others by a hash of their names. Colours begin with Okabe and Ito's, which colour-blind
readers tell apart; the others are Tol's muted ones. Markers, lines and hatches tell methods apart
in grey.
"""

import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.analysis.published import namesakes
from bench.metrics import METRICS
from bench.registry import METHODS, names

COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D1F", "#6A5ACD"),
    *("#882255", "#44AA99", "#117733", "#999933", "#A65E4E", "#AA4499", "#DDCC77", "#5B8DB8"),
    *("#7BAF41", "#C24B6E", "#332288", "#B07AA1", "#4E9F50", "#E15759", "#2F6F7E"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "H", "8")  # hollow too
GREYS = ("#777777", "#B5B5B5", "#5A5A5A")
THIN = ("x", "+", "3")
TRUTH = {"color": "#9A9A9A", "marker": "|"}
LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "|||")
CONTROL_LINE = (0, (2, 2))
EXPLODES, EXPLODES_LOG = 10.0, 100.0  # times the worst reference: a number at the edge above


def style(method: str, role: str = "baseline") -> dict[str, Any]:
    """The colour and marker of a method."""
    if role == "truth":
        return TRUTH
    place = 0 if method == role else _place(method)  # a control that is called by its role
    if role == "reference":
        return {"color": GREYS[place % len(GREYS)], "marker": THIN[place % len(THIN)]}
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def line(method: str, role: str = "baseline") -> dict[str, Any]:
    """Colour, marker and line style; controls are dashed, the paper's figures hollow and dotted.

    A method of the paper, "NAME (paper)", has the looks of the method that implements it.
    """
    if role == "paper":
        name = method.removesuffix(" (paper)")
        twin = next((ours for ours, theirs in namesakes().items() if theirs == name), method)
        return {**line(twin), "linestyle": ":", "markerfacecolor": "white", "markersize": 7}
    dashes = LINES[_place(method) % len(LINES)] if role == "baseline" else CONTROL_LINE
    return {**style(method, role), "linestyle": dashes, "linewidth": 1.2, "markersize": 5}


def filling(method: str, role: str = "baseline") -> dict[str, Any]:
    """Colour and hatch of a bar."""
    hatch = HATCHES[_place(method) % len(HATCHES)] if role == "baseline" else ""
    return {"color": style(method, role)["color"], "hatch": hatch}


@cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(names(METHODS))}


def _place(method: str) -> int:
    known = _places()
    return known[method] if method in known else len(known) + zlib.crc32(method.encode()) % 1000


def roles(numbers: pd.DataFrame) -> dict[str, str]:
    """{method: role} of a plot's numbers, methods in order."""
    return dict(zip(numbers["method"], numbers["role"], strict=True))


def unique(values: Iterable) -> list:
    """Each value once, in the order of first appearance."""
    return list(dict.fromkeys(values))


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches, apart from any window or global state."""
    return Figure(figsize=(width, height))


def panels(count: int, width: float, height: float, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of a size in inches, `columns` a row; spare places are blank."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def with_legend(figure: Figure, *axes: Axes) -> Figure:
    """One legend of all axes above all panels, in as many lines as its labels need."""
    found: dict[str, Any] = {}
    for part in axes:
        handles, labels = part.get_legend_handles_labels()
        found |= {n: h for n, h in zip(labels, handles, strict=True) if n not in found}
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (0.075 * max(map(len, found)) + 0.55)))
    lines = -(-len(found) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.2 * lines + 0.15) / height))
    figure.legend(
        found.values(), found, loc="upper center", ncols=columns, frameon=False, fontsize=9
    )
    return figure


def plain_log(axes: Axes, which: str) -> None:
    """Log ticks at 1, 2, 5 written as plain numbers on the axis "x" or "y"."""
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def top_of(rows: pd.DataFrame, log: bool = False) -> float | None:
    """Where an axis of errors ends so that one explosion does not hide the rest; None: no limit.

    Shares, which have a value to aim at, do not explode.

    Args:
        rows: columns mean, role and metric. log: whether the axis is, so that it holds more.
    """
    if METRICS[rows["metric"].iloc[0]].aim:
        return None
    worst = rows.loc[rows["role"] == "reference", "mean"].max()
    if worst != worst:  # no reference: the middle method
        worst = rows["mean"].median()
    shown = rows["mean"][rows["mean"] <= (EXPLODES_LOG if log else EXPLODES) * worst]
    return float(1.3 * shown.max()) if len(shown) < rows["mean"].count() and len(shown) else None


def clipped(axes: Axes, x: float, value: float, limit: float, colour: str) -> None:
    """An arrow at the upper edge for a value above it, with its number."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    look: dict[str, Any] = {"color": colour, "fontsize": 7, "rotation": 90, "bbox": box}
    arrow: dict[str, Any] = {
        "marker": r"$\uparrow$",
        "color": colour,
        "markersize": 6,
        "linestyle": "",
    }
    axes.plot(x, limit, clip_on=False, **arrow)
    text = f"{value:.1e}" if value >= 1e4 else f"{value:.3g}"
    axes.annotate(
        text, (x, limit), (0, -6), textcoords="offset points", ha="center", va="top", **look
    )
