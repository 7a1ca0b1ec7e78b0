"""One colour, marker, line and hatch a method in every plot of every run; and figure layout.

Colours begin with Okabe and Ito's, which colour-blind readers tell apart; the others are Tol's
muted ones. Markers, lines and hatches tell methods apart in grey.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.registry import CONTROLS

LOOKS = {
    "linear": ("#0072B2", "o"),
    "additive": ("#E69F00", "s"),
    "boosting": ("#009E73", "^"),
    "gp": ("#D55E00", "D"),
    "mlp": ("#CC79A7", "v"),
    "condfip": ("#56B4E9", "P"),
    "condfip-incontext": ("#8C6D1F", "X"),
    "condfip-published": ("#6A5ACD", "*"),
    "fip": ("#882255", "<"),
    "fip-published": ("#44AA99", ">"),
    "fip-published-best": ("#117733", "4"),
    "deci": ("#999933", "p"),
    "causalnf": ("#A65E4E", "h"),
    "dowhy": ("#AA4499", "d"),
}
SPARE = (("#DDCC77", "H"), ("#5B8DB8", "8"), ("#7BAF41", "1"), ("#C24B6E", "2"))
CONTROL_LOOKS = {"truth": ("#9A9A9A", "|"), "floor": ("#777777", "x"), "marginal": ("#B5B5B5", "+")}
LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "|||")
CONTROL_LINE = (0, (2, 2))
RANKED = tuple(LOOKS)


def style(method: str) -> dict[str, str]:
    """The colour and marker of a method."""
    known = LOOKS | CONTROL_LOOKS
    colour, marker = known.get(method) or SPARE[sum(map(ord, method)) % len(SPARE)]
    return {"color": colour, "marker": marker}


def line(method: str) -> dict[str, Any]:
    """Colour, marker and line style; controls are dashed."""
    dashes = CONTROL_LINE if method in CONTROLS else LINES[_place(method) % len(LINES)]
    return {**style(method), "linestyle": dashes, "linewidth": 1.2, "markersize": 5}


def filling(method: str) -> dict[str, Any]:
    """Colour and hatch of a bar."""
    hatch = "" if method in CONTROLS else HATCHES[_place(method) % len(HATCHES)]
    return {"color": style(method)["color"], "hatch": hatch}


def _place(method: str) -> int:
    return RANKED.index(method) if method in RANKED else sum(map(ord, method))


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
        handles, names = part.get_legend_handles_labels()
        found |= {n: h for n, h in zip(names, handles, strict=True) if n not in found}
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
