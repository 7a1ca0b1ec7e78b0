"""Errors by scenario: grouped bars, a heat map, the ratio to the floor, and against run time."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.style import filling, new_figure, panels, plain_log, style, with_legend
from bench.analysis.stats import bootstrap_interval, log_ratio_to_floor, mean_se
from bench.analysis.table import in_order, metrics_of, scenarios_of
from bench.registry import CONTROLS


def variants_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Scenarios named with their variant where there are several, so that none are pooled."""
    if frame["variant"].nunique() == 1:
        return frame
    return frame.assign(scenario=frame["scenario"] + " (" + frame["variant"] + ")")


def mean_errors(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error by metric, scenario and method, all d together."""
    rows = variants_apart(frame)
    rows = rows[(rows["metric"] != "") & (rows["method"] != "truth")]
    groups = rows.groupby(["metric", "scenario", "method"], sort=False)["value"]
    found = [(*place, *mean_se(values), len(values)) for place, values in groups]
    return pd.DataFrame(found, columns=["metric", "scenario", "method", "mean", "se", "n"])


def draw_bars(numbers: pd.DataFrame) -> Figure:
    """A panel a metric, a group a scenario, a bar a method; whiskers are one standard error."""
    metrics = metrics_of(numbers)
    figure, axes = panels(len(metrics), width=6.5, height=3.2)
    for part, metric in zip(axes, metrics, strict=True):
        _grouped_bars(part, numbers[numbers["metric"] == metric])
        part.set(title=metric, ylabel="error")
    return with_legend(figure, *axes)


def _grouped_bars(axes: Axes, rows: pd.DataFrame) -> None:
    methods, scenarios = in_order(rows["method"]), scenarios_of(rows)
    width = min(0.85 / len(methods), 0.2)
    for k, method in enumerate(methods):
        cells = rows[rows["method"] == method].set_index("scenario").reindex(scenarios)
        x = np.arange(len(scenarios)) + (k - (len(methods) - 1) / 2) * width
        edge = {"edgecolor": "#222222", "linewidth": 0.4, "error_kw": {"linewidth": 0.8}}
        axes.bar(x, cells["mean"], width, yerr=cells["se"], label=method, **filling(method), **edge)
    crowded = len(scenarios) * max(map(len, scenarios)) > 60
    turned = {"rotation": 20 if len(scenarios) < 9 else 60, "ha": "right", "fontsize": 8}
    axes.set_xticks(range(len(scenarios)), scenarios, **(turned if crowded else {}))
    axes.set_xlim(-0.7, len(scenarios) - 0.3)


def draw_heatmap(numbers: pd.DataFrame) -> Figure:
    """Scenarios by methods: colour is the mean over the best method's, the mean is written."""
    numbers = numbers[numbers["metric"] != "graph_distance"]
    metrics, methods = metrics_of(numbers), in_order(numbers["method"])
    scenarios = scenarios_of(numbers)
    size = (0.62 * len(methods) + 2.2, 0.3 * len(scenarios) + 1.1)
    figure, axes = panels(len(metrics), *size)
    for part, metric in zip(axes, metrics, strict=True):
        rows = numbers[numbers["metric"] == metric]
        table = rows.pivot(index="scenario", columns="method", values="mean")
        _heat(part, table.reindex(index=scenarios, columns=methods))
        part.set_title(metric, fontsize=10)
    figure.tight_layout()
    return figure


def _heat(axes: Axes, table: pd.DataFrame) -> None:
    rivals = table.drop(columns=[c for c in CONTROLS if c in table])
    best = (rivals if len(rivals.columns) else table).min(axis=1)
    ratio = table.div(best, axis=0)
    axes.imshow(np.log2(ratio), cmap="cividis", vmin=-1, vmax=3, aspect="auto")
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(table)), table.index, fontsize=8)
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        if not np.isnan(value):
            colour = "white" if ratio.iloc[i, j] < 2.8 else "black"
            text = {"ha": "center", "va": "center", "fontsize": 7}
            axes.text(j, i, f"{value:.2g}", color=colour, **text)


def floor_pools(frame: pd.DataFrame) -> Iterable[tuple[str, str, pd.DataFrame, pd.Series]]:
    """(metric, scenario, errors of SCMs that all methods have, their d), all errors positive."""
    rows = variants_apart(frame)
    rows = rows[(rows["metric"] != "") & (rows["method"] != "truth")]
    for (metric, scenario), part in rows.groupby(["metric", "scenario"], sort=False):
        errors = part.pivot(index="problem", columns="method", values="value").dropna()
        if "floor" in errors and len(errors) and (errors > 0).all(axis=None):
            d = part.drop_duplicates("problem").set_index("problem")["d"]
            yield metric, scenario, errors, d.loc[errors.index]


def floor_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Geometric mean of error / floor over SCMs, by metric, scenario and method, with intervals.

    SCMs that some method lacks are left out. The interval is empty where a stratum has one SCM.
    """
    found = []
    for metric, scenario, errors, strata in floor_pools(frame):
        for method in errors.columns.drop("floor"):
            logs = log_ratio_to_floor(errors[method], errors["floor"])
            ends = np.exp(_interval(logs, strata))
            found.append((metric, scenario, method, np.exp(logs.mean()), *ends, len(logs)))
    return pd.DataFrame(
        found, columns=["metric", "scenario", "method", "ratio", "low", "high", "n"]
    )


def _interval(values: np.ndarray, strata: pd.Series) -> tuple[float, float]:
    if strata.value_counts().min() < 2:
        return np.nan, np.nan
    return bootstrap_interval(values, strata, np.random.default_rng(0))


def draw_floor(numbers: pd.DataFrame) -> Figure:
    """A row a metric, a column a scenario, a line a method; 1 is the floor."""
    metrics, scenarios = metrics_of(numbers), scenarios_of(numbers)
    methods = in_order(numbers["method"])[::-1]
    size = (2.6 * len(scenarios) + 1.2, (0.21 * len(methods) + 0.55) * len(metrics) + 0.2)
    figure = new_figure(*size)
    grid = figure.subplots(len(metrics), len(scenarios), sharex=True, sharey=True, squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        here = (numbers["metric"] == metrics[i]) & (numbers["scenario"] == scenarios[j])
        _ratios(axes, numbers[here].set_index("method"), methods)
        axes.set_title(f"{metrics[i]}, {scenarios[j]}", fontsize=9)
        axes.set_xlabel("error / floor" if i == len(metrics) - 1 else "")
    figure.tight_layout()
    return figure


def _ratios(axes: Axes, rows: pd.DataFrame, methods: list[str]) -> None:
    axes.axvline(1, color="#777777", linewidth=0.8, linestyle="--")
    for y, method in enumerate(methods):
        if method in rows.index:
            ratio, low, high = rows.loc[method, ["ratio", "low", "high"]]
            axes.plot((low, high), (y, y), color=style(method)["color"], linewidth=1.6)
            axes.plot(ratio, y, markersize=6, linestyle="", **style(method))
    axes.set(xscale="log", ylim=(-0.7, len(methods) - 0.3))
    axes.set_yticks(range(len(methods)), methods, fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    plain_log(axes, "x")


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds for fit and all queries, mean error of the first metric, Pareto optimality."""
    metric = metrics_of(frame)[0]
    rows = frame[(frame["metric"] == metric) & ~frame["method"].isin(("truth", "floor"))]
    rows = rows.assign(seconds=rows["fit_s"] + rows["query_s"])
    means = rows.groupby("method")[["seconds", "value"]].mean().rename(columns={"value": "error"})
    means = means.loc[in_order(means.index)]
    beaten = [
        bool(((means["seconds"] < s) & (means["error"] <= e)).any()) for s, e in means.to_numpy()
    ]
    return means.assign(pareto=~np.array(beaten), metric=metric).reset_index()


def draw_runtime(numbers: pd.DataFrame) -> Figure:
    """A point a method; the stairs join those that no faster method matches."""
    figure = new_figure(6.5, 4.4)
    axes = figure.subplots()
    front = numbers[numbers["pareto"]].sort_values("seconds")
    axes.step(front["seconds"], front["error"], where="post", color="#777777", linewidth=0.8)
    for row in numbers.itertuples():
        axes.plot(
            row.seconds,
            row.error,
            markersize=8,
            linestyle="",
            label=row.method,
            **style(row.method),
        )
    axes.set(xscale="log", yscale="log", ylabel=f"{numbers['metric'].iloc[0]} error")
    axes.set_xlabel("seconds per problem on one thread, fit and all queries")
    plain_log(axes, "x")
    plain_log(axes, "y")
    return with_legend(figure, axes)
