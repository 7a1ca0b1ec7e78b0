"""Errors by panel: grouped bars, a heat map, the ratio to the floor, and against run time."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.kind import in_panels, mean_errors
from bench.analysis.plots.style import (
    clipped,
    filling,
    new_figure,
    panels,
    plain_log,
    roles,
    style,
    top_of,
    unique,
    with_legend,
)
from bench.analysis.results import errors_of, measured, metrics_of, of_shared_tasks, roles_of
from bench.analysis.stats import bootstrap_interval, by_task, log_ratio_to_floor, mean_by_scm
from bench.analysis.summary import floor_of, strata_of
from bench.metrics import METRICS


def bar_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error by metric, panel and method, all d together."""
    return mean_errors(in_panels(frame))


def draw_bars(numbers: pd.DataFrame) -> Figure:
    """A panel a metric, a group a setting, a bar a method; whiskers are one standard error."""
    metrics = unique(numbers["metric"])
    figure, axes = panels(len(metrics), width=6.5, height=3.2)
    for part, metric in zip(axes, metrics, strict=True):
        _grouped_bars(part, numbers[numbers["metric"] == metric])
        aim = METRICS[metric].aim
        part.set(title=metric, ylabel="share" if aim else "error")
        if aim:
            part.axhline(aim, color="#777777", linestyle=":", linewidth=0.8)
    return with_legend(figure, *axes)


def _grouped_bars(axes: Axes, rows: pd.DataFrame) -> None:
    known, groups, limit = roles(rows), unique(rows["panel"]), top_of(rows) or np.inf
    width = min(0.85 / len(known), 0.2)
    for k, (method, role) in enumerate(known.items()):
        cells = rows[rows["method"] == method].set_index("panel").reindex(groups)
        x = np.arange(len(groups)) + (k - (len(known) - 1) / 2) * width
        look = filling(method, role)
        above = cells["mean"] > limit
        look |= {"edgecolor": "#222222", "linewidth": 0.4, "error_kw": {"linewidth": 0.8}}
        heights, errors = cells["mean"].where(~above, limit), cells["se"].where(~above)
        axes.bar(x, heights, width, yerr=errors, label=method, **look)
        for place in np.flatnonzero(above):
            clipped(axes, x[place], cells["mean"].iloc[place], limit, "#222222")
    crowded = len(groups) * max(map(len, groups)) > 60
    turned: dict[str, Any] = {}
    if crowded:
        turned = {"rotation": 20 if len(groups) < 9 else 60, "ha": "right", "fontsize": 8}
    axes.set_xticks(range(len(groups)), groups, **turned)
    axes.set_xlim(-0.7, len(groups) - 0.3)
    if limit < np.inf:
        axes.set_ylim(0, limit)


def draw_heatmap(numbers: pd.DataFrame) -> Figure:
    """Panels by methods: colour is the mean over the best method's, the mean is written."""
    apart = [m for m in METRICS if m.startswith("graph_") or not METRICS[m].is_error]
    numbers = numbers[~numbers["metric"].isin(apart)]
    metrics, known, groups = unique(numbers["metric"]), roles(numbers), unique(numbers["panel"])
    size = (0.62 * len(known) + 2.2, 0.3 * len(groups) + 1.1)
    figure, axes = panels(len(metrics), *size)
    for part, metric in zip(axes, metrics, strict=True):
        rows = numbers[numbers["metric"] == metric]
        table = rows.pivot(index="panel", columns="method", values="mean")
        _heat(part, table.reindex(index=groups, columns=list(known)), known)
        part.set_title(metric, fontsize=10)
    figure.tight_layout()
    return figure


def _heat(axes: Axes, table: pd.DataFrame, known: dict[str, str]) -> None:
    rivals = table[[m for m in table if known[m] == "baseline"]].dropna(axis=1, how="all")
    best = (rivals if len(rivals.columns) else table).min(axis=1)
    ratio = table.div(best, axis=0)
    ratio = ratio.where(ratio > 0)  # an unbiased distance may be below 0, and has no ratio
    axes.imshow(np.log2(ratio), cmap="cividis", vmin=-1, vmax=3, aspect="auto")
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(table)), table.index, fontsize=8)
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        if not np.isnan(value):
            colour = "white" if ratio.iloc[i, j] < 2.8 else "black"
            text = f"{value:.2g}"
            axes.text(j, i, text, color=colour, ha="center", va="center", fontsize=7)


Pool = tuple[str, str, str, pd.DataFrame, pd.DataFrame]


def floor_pools(frame: pd.DataFrame) -> Iterable[Pool]:
    """(metric, panel, reference, errors by task that all methods have, rows); errors positive."""
    for metric in errors_of(frame):
        rows = in_panels(measured(frame, metric))
        rows = rows[rows["role"] != "truth"]
        for panel, part in rows.groupby("panel", sort=False):
            try:
                errors = by_task(part, "common")
            except ValueError:  # no task that all methods have
                continue
            floor = floor_of(errors, roles_of(part))
            if floor:
                yield metric, panel, floor, errors, part


def floor_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Geometric mean of error / reference over SCMs, by metric, panel and method, with intervals.

    Settings of one SCM are averaged; what some method lacks is left out. The interval is empty
    where a stratum has one SCM.
    """
    found = []
    for metric, panel, floor, errors, rows in floor_pools(frame):
        strata, known = strata_of(rows), roles_of(rows)
        for method in errors.columns.drop(floor):
            logs = pd.Series(log_ratio_to_floor(errors[method], errors[floor]), errors.index)
            logs = mean_by_scm(logs, rows)
            ends = np.exp(_interval(logs.to_numpy(), strata.loc[logs.index]))
            place = (metric, panel, method, known[method], floor)
            found.append((*place, np.exp(logs.mean()), *ends, len(logs)))
    names = ["metric", "panel", "method", "role", "reference", "ratio", "low", "high", "n"]
    return pd.DataFrame(found, columns=names)


def _interval(values: np.ndarray, strata: pd.Series) -> tuple[float, float]:
    if strata.value_counts().min() < 2:
        return np.nan, np.nan
    return bootstrap_interval(values, strata.to_numpy(), np.random.default_rng(0))


def draw_floor(numbers: pd.DataFrame) -> Figure:
    """A row a metric, a column a panel, a line a method; 1 is the reference."""
    metrics, columns = unique(numbers["metric"]), unique(numbers["panel"])
    known = dict(reversed(roles(numbers).items()))
    size = (2.6 * len(columns) + 1.2, (0.21 * len(known) + 0.7) * len(metrics) + 0.2)
    figure = new_figure(*size)
    grid = figure.subplots(len(metrics), len(columns), sharex=True, sharey=True, squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        here = (numbers["metric"] == metrics[i]) & (numbers["panel"] == columns[j])
        _ratios(axes, numbers[here].set_index("method"), known)
        measure = " or ".join(unique(numbers["reference"][here]))
        axes.set_title(f"{metrics[i]}, {columns[j]}", fontsize=9)
        axes.set_xlabel(f"error / {measure}" if here.any() else "", fontsize=8)
    figure.tight_layout()
    return figure


def _ratios(axes: Axes, rows: pd.DataFrame, known: dict[str, str]) -> None:
    axes.axvline(1, color="#777777", linewidth=0.8, linestyle="--")
    for y, (method, role) in enumerate(known.items()):
        if method in rows.index:
            ratio, low, high = rows.loc[method, ["ratio", "low", "high"]]
            axes.plot((low, high), (y, y), color=style(method, role)["color"], linewidth=1.6)
            axes.plot(ratio, y, markersize=6, linestyle="", **style(method, role))
    axes.set(xscale="log", ylim=(-0.7, len(known) - 0.3))
    axes.set_yticks(range(len(known)), list(known), fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    plain_log(axes, "x")


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds for fit and all queries, mean error of the first metric, Pareto optimality.

    Over the problems that all methods have, where there are such. The truth and the reference that
    is the floor cost nothing that a method could pay.
    """
    metric = metrics_of(frame)[0]
    rows, known = measured(frame, metric), roles_of(frame)
    try:
        floor = floor_of(by_task(rows[rows["role"] != "truth"], "common"), known)
    except ValueError:
        floor = None
    rows = rows[(rows["role"] != "truth") & (rows["method"] != floor)]
    rows = rows.assign(seconds=rows["fit_s"] + rows["query_s"])
    groups = of_shared_tasks(rows).groupby("method", sort=False)[["seconds", "value"]]
    means = groups.mean().rename(columns={"value": "error"}).assign(problems=groups.size())
    beaten = [
        bool(((means["seconds"] < s) & (means["error"] <= e)).any())
        for s, e in means[["seconds", "error"]].to_numpy()
    ]
    means = means.assign(pareto=~np.array(beaten, dtype=bool), metric=metric).reset_index()
    return means.assign(role=means["method"].map(known))


def draw_runtime(numbers: pd.DataFrame) -> Figure:
    """A point a method; the stairs join those that no faster method matches."""
    figure = new_figure(6.5, 4.4)
    axes = figure.subplots()
    limit = top_of(numbers.rename(columns={"error": "mean"}))
    front = numbers[numbers["pareto"]].sort_values("seconds")
    axes.step(front["seconds"], front["error"], where="post", color="#777777", linewidth=0.8)
    for row in numbers.itertuples():
        look = style(row.method, row.role)
        if limit and row.error > limit:
            clipped(axes, row.seconds, row.error, limit, look["color"])
            axes.plot([], [], markersize=8, linestyle="", label=row.method, **look)
            continue
        axes.plot(row.seconds, row.error, markersize=8, linestyle="", label=row.method, **look)
    axes.set(xscale="log", yscale="log", ylabel=f"{numbers['metric'].iloc[0]} error")
    problems = numbers["problems"]
    same = f", {problems.iloc[0]} problems" if problems.nunique() == 1 else ""
    axes.set_xlabel(f"seconds per problem on one thread, fit and all queries{same}")
    if limit:
        axes.set_ylim(top=limit)
    plain_log(axes, "x")
    plain_log(axes, "y")
    return with_legend(figure, axes)
