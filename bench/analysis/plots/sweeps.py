"""Error against an axis that a run sweeps: d, context rows, alpha, distance of the given graph."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.style import line, new_figure, plain_log, with_legend
from bench.analysis.stats import mean_se
from bench.analysis.table import in_order, metrics_of, scenarios_of

LABELS = {
    "d": "nodes d",
    "n_context": "context rows",
    "alpha": "alpha",
    "distance": "graph distance (SHD)",
}
LINEAR = ("distance",)


def sweep(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Mean and standard error by metric, scenario, method and value of an axis."""
    rows = frame[(frame["metric"] != "") & (frame["method"] != "truth")]
    groups = rows.groupby(["metric", "scenario", "method", axis], sort=False)["value"]
    found = [(*place, *mean_se(values), len(values)) for place, values in groups]
    names = ["metric", "scenario", "method", "x", "mean", "se", "n"]
    return pd.DataFrame(found, columns=names).assign(axis=axis)


def alpha_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """A scenario and shift a column; alpha 1 begins every line."""
    shifts = [shift for shift in frame["shift"].unique() if shift]
    parts = [frame[frame["shift"].isin(("", shift))] for shift in shifts]
    named = [
        part.assign(scenario=part["scenario"] + f", {shift}")
        for shift, part in zip(shifts, parts, strict=True)
    ]
    return sweep(pd.concat(named), "alpha")


def graph_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """By the structural Hamming distance of corrupted graphs; 0 is the true graph."""
    measured = frame[frame["metric"] == "graph_distance"]
    distance = measured.drop_duplicates("problem").set_index("problem")["value"]
    rows = frame[(frame["metric"] != "graph_distance") & (frame["metric"] != "")]
    rows = rows[~rows["given_graph"].str.startswith("inferred")]
    return sweep(rows.assign(distance=rows["problem"].map(distance).fillna(0)), "distance")


def draw_sweep(numbers: pd.DataFrame) -> Figure:
    """A row a metric, a column a scenario; bars are standard errors."""
    metrics, scenarios = metrics_of(numbers), scenarios_of(numbers)
    figure = new_figure(3.1 * len(scenarios), 2.4 * len(metrics) + 0.5)
    grid = figure.subplots(len(metrics), len(scenarios), sharex=True, squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        here = (numbers["metric"] == metrics[i]) & (numbers["scenario"] == scenarios[j])
        _lines(axes, numbers[here])
        axes.set_title(scenarios[j] if i == 0 else "")
        axes.set_ylabel(metrics[i] if j == 0 else "")
        axes.set_xlabel(LABELS[numbers["axis"].iloc[0]] if i == len(metrics) - 1 else "")
    return with_legend(figure, *grid.flat)


def _lines(axes: Axes, rows: pd.DataFrame) -> None:
    for method in in_order(rows["method"]):
        part = rows[rows["method"] == method].sort_values("x")
        axes.errorbar(part["x"], part["mean"], part["se"], label=method, **line(method))
    scale = "linear" if set(rows["axis"]) & set(LINEAR) else "log"
    axes.set(xscale=scale, yscale="log")
    ticks = sorted(set(rows["x"]))
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    plain_log(axes, "y")
