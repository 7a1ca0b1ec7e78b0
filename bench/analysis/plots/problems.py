"""What the problems look like: a graph, one mechanism with data, and the marginals."""

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.fits import one_a_kind, shown_edge, with_truth
from bench.analysis.plots.style import new_figure
from bench.analysis.refit import tasks_of
from bench.task import Problem

QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
MOST = 12  # problems
LEGIBLE = 30  # nodes that can have their numbers written


def problem_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Edges, data and F of one edge, and standardised quantiles, of one problem a kind."""
    found = []
    rows = one_a_kind(with_truth(frame)).drop_duplicates("task").head(MOST)
    for task, panel in zip(tasks_of(rows), rows["panel"], strict=True):
        kind = str(task.settings.get("graph_kind", ""))
        title = " ".join(filter(None, [panel, kind, f"d={task.size[0]}"]))
        found += [(title, *row) for row in _marks(task.problem())]
    return pd.DataFrame(found, columns=["problem", "part", "parent", "node", "x", "y"])


def _marks(problem: Problem) -> list[tuple]:
    """(part, parent, node, x, y): edges; points and curve of F; sd and quantiles of each node."""
    data = problem.data
    rows, (parent, child) = data.rows, shown_edge(data)
    nan = np.nan
    found: list[tuple] = [
        ("edge", int(i), int(j), nan, nan) for i, j in np.argwhere(data.adjacency)
    ]
    found += [("point", parent, child, *pair) for pair in rows[:, [parent, child]]]
    grid = np.tile(rows.mean(0), (80, 1))
    low, high = np.quantile(rows[:, parent], [0.005, 0.995])
    grid[:, parent] = np.linspace(low, high, 80)
    curve = problem.known_truth.mechanism(grid).to_numpy()[:, child]
    found += [("curve", parent, child, *p) for p in zip(grid[:, parent], curve, strict=True)]
    deviation = rows.std(0)
    levels = np.quantile((rows - rows.mean(0)) / deviation, QUANTILES, axis=0)
    for j, sd in enumerate(deviation):
        found.append(("sd", nan, j, nan, sd))
        found += [("quantile", nan, j, *q) for q in zip(QUANTILES, levels[:, j], strict=True)]
    return found


def draw_problems(numbers: pd.DataFrame) -> Figure:
    """Draws each problem in a row: its graph, one mechanism, and the columns' quantiles."""
    titles = list(dict.fromkeys(numbers["problem"]))
    figure = new_figure(9, 2.2 * len(titles))
    grid = figure.subplots(len(titles), 3, squeeze=False, width_ratios=(1, 1, 1.2))
    for axes, title in zip(grid, titles, strict=True):
        rows = numbers[numbers["problem"] == title]
        parts = {name: part for name, part in rows.groupby("part")}
        _graph(axes[0], parts)
        _mechanism(axes[1], parts)
        _marginals(axes[2], parts)
        axes[0].set_title(title, fontsize=9)
    figure.tight_layout()
    return figure


def _graph(axes: Axes, parts: dict[str, pd.DataFrame]) -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from(parts["sd"]["node"])
    graph.add_edges_from(parts["edge"][["parent", "node"]].astype(int).to_numpy().tolist())
    for level, nodes in enumerate(nx.topological_generations(graph)):
        for node in nodes:
            graph.nodes[node]["level"] = level
    place = nx.multipartite_layout(graph, subset_key="level")
    looks = {"node_color": "#D6E6F2", "edgecolors": "black", "linewidths": 0.4}
    few = len(graph) <= LEGIBLE
    looks |= {"node_size": 110, "width": 0.6} if few else {"node_size": 12, "width": 0.15}
    looks |= {"arrowsize": 6 if few else 3, "with_labels": few}
    nx.draw_networkx(graph, place, ax=axes, font_size=6, font_color="#222222", **looks)
    axes.set_axis_off()


def _mechanism(axes: Axes, parts: dict[str, pd.DataFrame]) -> None:
    point, curve = parts["point"], parts["curve"]
    axes.plot(point["x"], point["y"], ".", color="#9A9A9A", markersize=2, rasterized=True)
    axes.plot(curve["x"], curve["y"], color="#D55E00")
    child = point["node"].iloc[0]
    parents = (parts["edge"]["node"] == child).sum()
    axes.set_xlabel(f"x{point['parent'].iloc[0]:.0f}", fontsize=8, labelpad=1)
    axes.set_ylabel(f"x{child}, parents: {parents}", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)


def _marginals(axes: Axes, parts: dict[str, pd.DataFrame]) -> None:
    table = parts["quantile"].pivot(index="node", columns="x", values="y")
    low, first, middle, third, high = table.to_numpy().T
    x = np.arange(1, len(table) + 1)
    wide, step = min(5.0, 100 / len(x)), 1 if len(x) <= LEGIBLE else -(-len(x) // 15)
    for bottom, top, width in ((low, high, max(wide / 5, 0.5)), (first, third, wide)):
        ends = np.column_stack([bottom, top, np.full(len(x), np.nan)]).ravel()
        axes.plot(np.repeat(x, 3), ends, color="#7FA8C9", linewidth=width, solid_capstyle="butt")
    axes.plot(x, middle, "_", color="#D55E00", markersize=1.4 * wide)
    sd = [f"{s:.0f}" if s >= 10 else f"{s:.1f}" for s in parts["sd"]["y"]]
    ticks = [f"{j}\n{s}" for j, s in enumerate(sd)]
    size = 6 if len(ticks) <= 12 else 4.5
    axes.set_xticks(x[::step], ticks[::step], fontsize=size)
    axes.set_ylabel("standardised; sd below", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
