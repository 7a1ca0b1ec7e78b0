"""Plots of a run: each kind is one function of the result rows that returns a figure."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from bench.registry import CONTROLS
from bench.scm.families import SCENARIOS
from bench.stats import mean_se
from bench.tables import in_order, metrics_of, scenarios_of

# Okabe and Ito's colours, told apart by colour-blind readers; markers tell them apart in grey
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D1F", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
CONTROL_STYLE = {"truth": "#FFFFFF", "floor": "#777777", "marginal": "#BBBBBB"}
RANKED = (
    "linear", "additive", "boosting", "gp", "mlp", "condfip", "condfip-incontext",
    "condfip-published", "fip", "fip-published", "deci", "causalnf", "dowhy",
)  # fmt: skip

SWEEPS = {
    "d": "nodes d",
    "n_context": "context rows",
    "alpha": "alpha",
    "distance": "graph distance (SHD)",
}
LINEAR = ("distance",)


def style(method: str) -> dict[str, str]:
    """The colour and marker of a method, the same in every plot of every run."""
    if method in CONTROL_STYLE:
        return {"color": CONTROL_STYLE[method], "marker": "x"}
    place = RANKED.index(method) if method in RANKED else sum(map(ord, method))
    colour, marker = place % len(COLOURS), (place + place // len(COLOURS)) % len(MARKERS)
    return {"color": COLOURS[colour], "marker": MARKERS[marker]}


def bars(frame: pd.DataFrame) -> Figure:
    """Error by method and scenario, a panel a metric, all d together; bars end at one SE."""
    frame = _variants_apart(frame)
    metrics = metrics_of(frame)
    figure, panels = _panels(len(metrics), width=6.5, height=3.2)
    for axes, metric in zip(panels, metrics, strict=True):
        rows = frame[(frame["metric"] == metric) & (frame["method"] != "truth")]
        _grouped_bars(axes, rows)
        axes.set_title(metric)
        axes.set_ylabel("error")
    return _finished(figure, panels[0])


def _grouped_bars(axes: Axes, rows: pd.DataFrame) -> None:
    methods, scenarios = in_order(rows["method"]), scenarios_of(rows)
    width = 0.85 / len(methods)
    for k, method in enumerate(methods):
        cells = [rows[(rows["method"] == method) & (rows["scenario"] == s)] for s in scenarios]
        means, errors = zip(*(_mean_se(c["value"]) for c in cells), strict=True)
        x = np.arange(len(scenarios)) + (k - (len(methods) - 1) / 2) * width
        axes.bar(
            x,
            means,
            width,
            yerr=errors,
            label=method,
            color=style(method)["color"],
            edgecolor="black",
            linewidth=0.4,
            error_kw={"linewidth": 0.8},
        )
    axes.set_xticks(range(len(scenarios)), scenarios)


def _mean_se(values: pd.Series) -> tuple[float, float]:
    return mean_se(values) if len(values) else (np.nan, np.nan)


def against(frame: pd.DataFrame, axis: str) -> Figure:
    """Error against an axis of a sweep, a row a metric, a column a scenario; bars are SE."""
    metrics, scenarios = metrics_of(frame), scenarios_of(frame)
    figure = _figure(3.1 * len(scenarios), 2.4 * len(metrics))
    grid = figure.subplots(len(metrics), len(scenarios), sharex=True, squeeze=False)
    for i, metric in enumerate(metrics):
        for j, scenario in enumerate(scenarios):
            part = frame[(frame["metric"] == metric) & (frame["scenario"] == scenario)]
            _lines(grid[i, j], part, axis)
            grid[0, j].set_title(scenario)
            grid[-1, j].set_xlabel(SWEEPS[axis])
        grid[i, 0].set_ylabel(metric)
    return _finished(figure, grid[0, 0])


def _lines(axes: Axes, rows: pd.DataFrame, axis: str) -> None:
    for method in in_order(rows["method"]):
        if method == "truth":
            continue
        groups = rows[rows["method"] == method].groupby(axis)["value"]
        points = [(x, *mean_se(values)) for x, values in groups]
        x, mean, error = map(np.array, zip(*points, strict=True))
        line = {"linestyle": "--" if method in CONTROLS else "-", "linewidth": 1.2}
        axes.errorbar(x, mean, error, label=method, markersize=5, **line, **style(method))
    axes.set(xscale="linear" if axis in LINEAR else "log", yscale="log")
    ticks = sorted(set(rows[axis]))
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def against_alpha(frame: pd.DataFrame) -> Figure:
    """Error against alpha, a column for each scenario and shift; alpha 1 begins every line."""
    shifts = [shift for shift in frame["shift"].unique() if shift]
    parts = [frame[frame["shift"].isin(("", shift))] for shift in shifts]
    named = [
        part.assign(scenario=part["scenario"] + f", {shift}")
        for shift, part in zip(shifts, parts, strict=True)
    ]
    return against(pd.concat(named), "alpha")


def against_graph(frame: pd.DataFrame) -> Figure:
    """Error against the structural Hamming distance of corrupted graphs; 0 is the true graph."""
    measured = frame[frame["metric"] == "graph_distance"]
    distance = measured.drop_duplicates("problem").set_index("problem")["value"]
    rows = frame[(frame["metric"] != "graph_distance") & (frame["metric"] != "")]
    rows = rows[~rows["given_graph"].str.startswith("inferred")]
    return against(rows.assign(distance=rows["problem"].map(distance).fillna(0)), "distance")


def _variants_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Scenarios named with their variant where there are several, so that none are pooled."""
    if frame["variant"].nunique() == 1:
        return frame
    return frame.assign(scenario=frame["scenario"] + " (" + frame["variant"] + ")")


def heatmap(frame: pd.DataFrame) -> Figure:
    """Scenarios by methods: mean error over the best method's, a panel a metric, errors written."""
    frame = _variants_apart(frame)
    metrics = [m for m in metrics_of(frame) if m != "graph_distance"]
    rows = frame[(frame["method"] != "truth") & (frame["metric"] != "")]
    methods, scenarios = in_order(rows["method"]), scenarios_of(rows)
    size = (0.62 * len(methods) + 2.2, 0.3 * len(scenarios) + 1.1)
    figure, panels = _panels(len(metrics), *size)
    for axes, metric in zip(panels, metrics, strict=True):
        part = rows[rows["metric"] == metric]
        table = part.pivot_table(index="scenario", columns="method", values="value", sort=False)
        _heat(axes, table.reindex(index=scenarios, columns=methods))
        axes.set_title(metric, fontsize=10)
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
            dark = ratio.iloc[i, j] < 2.8
            axes.text(
                j,
                i,
                f"{value:.2g}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )


def runtime(frame: pd.DataFrame) -> Figure:
    """Seconds for fit and all queries against noise error (or the first metric), means of all."""
    metric = metrics_of(frame)[0]
    rows = frame[(frame["metric"] == metric) & ~frame["method"].isin(("truth", "floor"))]
    figure = _figure(6.5, 4.2)
    axes = figure.subplots()
    for method in in_order(rows["method"]):
        part = rows[rows["method"] == method]
        seconds = (part["fit_s"] + part["query_s"]).mean()
        axes.scatter(
            seconds,
            part["value"].mean(),
            s=60,
            label=method,
            **style(method),
        )
    axes.set_xscale("log")
    axes.set_xlabel("seconds per problem on one thread, fit and all queries")
    axes.set_ylabel(f"{metric} error")
    return _finished(figure, axes)


def draws(frame: pd.DataFrame) -> Figure:
    """What the problems look like: a graph, one mechanism with data, and the marginals."""
    from bench.registry import find_suite

    kinds = frame.drop_duplicates(["scenario", "graph_kind"])
    suite = find_suite(kinds["suite"].iloc[0])
    figure = _figure(9, 2.2 * len(kinds))
    grid = figure.subplots(len(kinds), 3, squeeze=False, width_ratios=(1, 1, 1.2))
    for panels, (_, row) in zip(grid, kinds.iterrows(), strict=True):
        axes = {a: row[a] for a in ("variant", "scenario", "graph_kind", "d", "n_context")}
        task = suite.tasks("quick", seed=int(row["seed"]), **axes)[0]
        problem = task.problem()
        _draw_graph(panels[0], problem.data.adjacency)
        _draw_mechanism(panels[1], problem)
        _draw_marginals(panels[2], problem.data.rows)
        panels[0].set_title(f"{task.scenario} {task.graph_kind} d={task.d}", fontsize=9)
    figure.tight_layout()
    return figure


def _draw_graph(axes: Axes, adjacency: np.ndarray) -> None:
    import networkx as nx

    graph = nx.from_numpy_array(adjacency, create_using=nx.DiGraph)
    for level, nodes in enumerate(nx.topological_generations(graph)):
        for node in nodes:
            graph.nodes[node]["level"] = level
    place = nx.multipartite_layout(graph, subset_key="level")
    nx.draw_networkx(
        graph,
        place,
        ax=axes,
        node_size=110,
        font_size=6,
        width=0.6,
        arrowsize=6,
        node_color="#D6E6F2",
        edgecolors="black",
        linewidths=0.4,
    )
    axes.set_axis_off()


def _draw_mechanism(axes: Axes, problem: "object") -> None:
    """Data and F of the node with the fewest parents, over its first parent, the others at 0."""
    data = problem.data
    parents = data.parents()
    child = min((j for j, p in enumerate(parents) if len(p)), key=lambda j: len(parents[j]))
    parent = parents[child][0]
    axes.plot(data.rows[:, parent], data.rows[:, child], ".", color="#9A9A9A", markersize=2)
    x = np.tile(data.rows.mean(0), (200, 1))
    x[:, parent] = np.linspace(*np.quantile(data.rows[:, parent], (0.005, 0.995)), 200)
    value = problem.truth.mechanism(x).to_numpy()[:, child]
    axes.plot(x[:, parent], value, color="#D55E00")
    axes.set_xlabel(f"x{parent}", fontsize=8, labelpad=1)
    axes.set_ylabel(f"x{child}, parents: {len(parents[child])}", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)


def _draw_marginals(axes: Axes, rows: np.ndarray) -> None:
    scaled = (rows - rows.mean(0)) / rows.std(0)
    axes.violinplot(list(scaled.T), showextrema=False, widths=0.9)
    deviation = rows.std(0)
    ticks = [f"{j}\n{s:.0f}" if s >= 10 else f"{j}\n{s:.1f}" for j, s in enumerate(deviation)]
    axes.set_xticks(range(1, rows.shape[1] + 1), ticks, fontsize=6)
    axes.set_ylabel("standardised; sd below", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)


def _figure(width: float, height: float) -> Figure:
    matplotlib.use("Agg")
    return Figure(figsize=(width, height))


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    rows = -(-count // 2)
    columns = min(count, 2)
    figure = _figure(width * columns, height * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.set_axis_off()
    return figure, panels[:count]


def _finished(figure: Figure, first: Axes) -> Figure:
    """One legend above all panels, in as many lines as its labels need."""
    handles, labels = first.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (0.075 * max(map(len, labels)) + 0.55)))
    lines = -(-len(labels) // columns)
    figure.tight_layout(rect=(0, 0, 1, 1 - (0.2 * lines + 0.15) / height))
    figure.legend(handles, labels, loc="upper center", ncols=columns, frameon=False, fontsize=9)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0], dpi=130)
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths


PLOTS: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "bars": bars,
    "d": partial(against, axis="d"),
    "rows": partial(against, axis="n_context"),
    "alpha": against_alpha,
    "graph": against_graph,
    "heatmap": heatmap,
    "runtime": runtime,
    "draws": draws,
}


def kinds_for(frame: pd.DataFrame) -> list[str]:
    """The kinds that say something about a run: sweeps need an axis that varies, draws a suite."""
    swept = {"d": "d", "rows": "n_context", "alpha": "alpha"}
    kinds = [kind for kind in PLOTS if kind not in swept or frame[swept[kind]].nunique() > 1]
    lorch, graphs = set(frame["scenario"]) <= set(SCENARIOS), set(frame["given_graph"]) - {"true"}
    unfit = {"draws": not lorch, "d": not lorch, "heatmap": lorch, "graph": not graphs}
    return [kind for kind in kinds if not unfit.get(kind)]
