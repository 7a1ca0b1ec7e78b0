"""Error against an axis that a run sweeps: d, context rows, alpha, reach, the given graph."""

from collections.abc import Iterable, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.kind import in_panels, mean_errors
from bench.analysis.plots.style import (
    MARKERS,
    clipped,
    line,
    new_figure,
    plain_log,
    roles,
    top_of,
    unique,
    with_legend,
)
from bench.analysis.published import beside
from bench.analysis.results import DRAWS, axes_of, values_of
from bench.analysis.table import SPREAD
from bench.metrics import METRICS, OF_PROBLEMS

LABELS = {
    "d": "nodes d",
    "n_context": "context rows",
    "alpha": "alpha",
    "distance": "graph distance (SHD)",
    "reach": "reach of interventions",
}
INTERVENED = ("intervention", "counterfactual", "mmd_intervention")
APART = "shift"  # the reach that lies on no line with the others
ACROSS = 4  # panels beside each other
CROWDED = 5  # numbers along an axis that stand upright
NAMED = ("d", "n_context", "alpha", "edits", "n_query")


def sweep(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Mean and standard error by metric, panel, method and value of an axis."""
    return mean_errors(in_panels(frame), axis).assign(axis=axis)


def rows_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """By context rows, a panel for each d; the paper's figures for such problems are beside."""
    sizes = values_of(frame, "d") if "d" in frame else [None]
    parts = []
    for d in sizes:
        part = in_panels(frame if d is None else frame[frame["d"] == d])
        if len(sizes) > 1:
            part = part.assign(panel=part["panel"] + f", d = {d}")
        parts.append(part)
    rows = pd.concat(parts)
    ours = mean_errors(rows, "n_context")
    printed = [point for metric in unique(ours["metric"]) for point in _printed(rows, metric)]
    theirs = pd.DataFrame(printed, columns=[*ours.columns.drop("n")])
    return pd.concat([ours, theirs.drop_duplicates()] if printed else [ours]).assign(
        axis="n_context"
    )


def _printed(rows: pd.DataFrame, metric: str) -> Iterable[tuple]:
    """(metric, panel, method, role, x, mean, se) of every comparable figure of the paper."""
    measured = rows[(rows["metric"] == metric) & rows["value"].notna()]
    for first in measured.drop_duplicates(["panel", "n_context"]).to_dict("records"):
        for method, by_scenario in beside(metric, first["scm"], first).items():
            figure = by_scenario.get(first.get(SPREAD))
            if figure and figure.comparable:
                place = metric, first["panel"], f"{method} (paper)", "paper", first["n_context"]
                yield *place, figure.mean, figure.se


def own_axis(frame: pd.DataFrame) -> str | None:
    """The first axis of numbers that varies and has no kind of plot to itself."""
    for axis in axes_of(frame):
        if (
            axis not in (*NAMED, *DRAWS)
            and pd.api.types.is_numeric_dtype(frame[axis])
            and frame[axis].nunique() > 1
        ):
            return axis
    return None


def own_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers of errors against the axis that only this suite has; see `sweep`."""
    return sweep(frame, own_axis(frame) or "")


def alpha_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """A scenario and shift a column; alpha 1 begins every line."""
    shifts = [shift for shift in unique(frame["shift"]) if shift]
    parts = []
    for shift in shifts:
        part = in_panels(frame[frame["shift"].isin(("", shift))], but=("shift",))
        parts.append(part.assign(panel=part["panel"] + f", {shift}"))
    return mean_errors(pd.concat(parts), "alpha").assign(axis="alpha")


def reach_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Errors under interventions, by how far these go; x is the place of a reach, with its label.

    A number is so many deviations beyond the query's extremes.
    """
    reaches = values_of(frame, "reach")
    rows = in_panels(frame[frame["metric"].isin(INTERVENED)], but=("reach",))
    places = {reach: place for place, reach in enumerate(reaches)}
    found = mean_errors(rows.assign(reach=rows["reach"].map(places)), "reach")
    return found.assign(axis="reach", label=[str(reaches[place]) for place in found["x"]])


def graph_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """By the structural Hamming distance of corrupted graphs; 0 is the true graph.

    Column `found`: empty on that curve; else the finder, or `order`, at its mean distance.
    """
    measured = frame[frame["metric"] == "graph_distance"]
    distance = measured.drop_duplicates("task").set_index("task")["value"]
    rows = in_panels(frame[~frame["metric"].isin(OF_PROBLEMS)], but=("given", "discovery"))
    rows = rows.assign(distance=rows["task"].map(distance).fillna(0))
    name = rows["discovery"].where(rows["given"] == "inferred", rows["given"])
    curve = name.isin(("true", "corrupt"))
    parts = [mean_errors(rows[curve], "distance").assign(found="")]
    for found in unique(name[~curve]):
        part = rows[name == found]
        places = part.groupby("panel")["distance"].mean()
        numbers = mean_errors(part)
        parts.append(numbers.assign(x=numbers["panel"].map(places), found=found))
    return pd.concat(parts, ignore_index=True).assign(axis="distance")


def draw_sweep(numbers: pd.DataFrame) -> Figure:
    """A panel a metric and setting, rows of `ACROSS` at most; bars are standard errors."""
    metrics, names = unique(numbers["metric"]), unique(numbers["panel"])
    across = min(len(names), ACROSS)
    lines = -(-len(names) // across)  # of panels a metric
    figure = new_figure(3.1 * across, 2.4 * lines * len(metrics) + 0.5)
    grid = figure.subplots(lines * len(metrics), across, sharex=True, squeeze=False)
    axis, lowest, markers = numbers["axis"].iloc[0], dict[int, Axes](), _markers(numbers)
    for (i, j), axes in np.ndenumerate(grid):
        name = dict(enumerate(names)).get(i % lines * across + j)
        here = (numbers["metric"] == metrics[i // lines]) & (numbers["panel"] == name)
        if here.any():
            _lines(axes, numbers[here], markers)
            _ticks(axes, numbers)
            lowest[j] = axes
        else:
            axes.set_axis_off()
        axes.set_title(name if name and (i < lines or lines > 1) else "", fontsize=10)
        axes.set_ylabel(metrics[i // lines] if j == 0 else "")
    for name, marker in markers.items():  # for the legend
        grid[0, 0].plot([], [], marker, color="#777777", markersize=5, label=f"graph of {name}")
    for axes in lowest.values():
        axes.tick_params("x", labelbottom=True)
        axes.set_xlabel(LABELS.get(axis, axis))
    return with_legend(figure, *grid.flat)


def _lines(axes: Axes, rows: pd.DataFrame, markers: Mapping[str, str]) -> None:
    aim = METRICS[rows["metric"].iloc[0]].aim
    log = aim is None and (rows["mean"] > 0).all()  # unbiased estimators fall below 0
    limit = top_of(rows, log) or np.inf
    for method, role in roles(rows).items():
        part = rows[rows["method"] == method].sort_values("x")
        shown = part[~(part["mean"] > limit)]
        look = line(method, role)
        joined = _joined(shown)
        axes.errorbar(*shown[joined][["x", "mean", "se"]].to_numpy().T, label=method, **look)
        for _, point in shown[~joined].iterrows():
            apart = {
                **look,
                "linestyle": "",
                "marker": markers.get(point.get("found"), look["marker"]),
            }
            axes.errorbar(point["x"], point["mean"], point["se"], **apart)
        for _, above in part[~part.index.isin(shown.index)].iterrows():
            clipped(axes, above["x"], above["mean"], limit, look["color"])
    positive = (rows["x"] > 0).all() and rows["axis"].iloc[0] not in ("distance", "reach")
    axes.set(xscale="log" if positive else "linear", yscale="log" if log else "linear")
    if aim is not None:
        axes.axhline(aim, color="#777777", linestyle=":", linewidth=0.8)
    if limit < np.inf:
        axes.set_ylim(top=limit)
    if log:
        plain_log(axes, "y")


def _joined(points: pd.DataFrame) -> pd.Series:
    """Which points the line joins: not a reach apart, nor a graph that no edits made."""
    if "found" in points:
        return points["found"] == ""
    return points["label"] != APART if "label" in points else points["x"].notna()


def _markers(numbers: pd.DataFrame) -> dict[str, str]:
    """A marker for each found graph; colours tell methods apart."""
    found = [name for name in unique(numbers.get("found", ())) if name]
    return dict(zip(found, cycle(MARKERS), strict=False))


def _ticks(axes: Axes, numbers: pd.DataFrame) -> None:
    """Of all panels, which share the axis, so that one with fewer places hides none."""
    if "found" in numbers:
        return
    ticks = sorted(set(numbers["x"]))
    labels = dict(zip(numbers["x"], numbers["label"], strict=True)) if "label" in numbers else {}
    axes.set_xticks(ticks, [labels.get(t, f"{t:g}") for t in ticks])
    if labels or len(ticks) > CROWDED:
        axes.tick_params("x", labelrotation=35)
    axes.set_xticks([], minor=True)
