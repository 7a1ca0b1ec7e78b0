"""What methods learnt, node by node: errors against parents, one mechanism, draws against data."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.kind import in_panels
from bench.analysis.plots.style import (
    line,
    new_figure,
    panels,
    plain_log,
    roles,
    style,
    unique,
    with_legend,
)
from bench.analysis.refit import fast_methods, fits, method_seed, tasks_of
from bench.analysis.results import axes_of, baselines, measured, metrics_of, roles_of
from bench.task import Dataset, Problem

PARENTS = ((0, 0, "0"), (1, 1, "1"), (2, 2, "2"), (3, 4, "3-4"), (5, 8, "5-8"), (9, 99, "9+"))
CURVES = 5
PAIRED = 5


def one_a_kind(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first SCM of each panel and graph kind, at the smallest d, panels named."""
    rows = in_panels(frame[frame["index"] == frame["index"].min()])
    if "d" in axes_of(rows):
        rows = rows[rows["d"] == rows["d"].min()]
    kinds = ["panel", *(["graph_kind"] if "graph_kind" in rows else [])]
    kept = rows.drop_duplicates(kinds)["task"]
    return rows[rows["task"].isin(kept)]


def with_truth(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of problems whose truth is known, so that noise was scored."""
    return frame[frame["task"].isin(measured(frame, "noise")["task"])]


def node_methods(rows: pd.DataFrame) -> list[str]:
    """The methods to fit again: what competes, and the references that fit their parents."""
    known = roles_of(rows)
    fast = fast_methods(rows)
    worst = _worst_reference(rows)
    return [m for m in fast if known[m] != "truth" and m != worst]


def _worst_reference(rows: pd.DataFrame) -> str | None:
    """The reference with the largest errors, which ignores the parents, where it is not alone."""
    metric = next(iter(metrics_of(rows)), "")
    references = measured(rows[rows["role"] == "reference"], metric)
    means = references.groupby("method")["value"].mean()
    return means.idxmax() if len(means) > 1 else None


def node_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Error of F at query rows, node by node, of methods fitted again to one SCM a kind."""
    rows = one_a_kind(with_truth(frame))
    methods, known = node_methods(rows), roles_of(rows)
    panel_of = dict(zip(rows["task"], rows["panel"], strict=True))
    found = []
    for task in tasks_of(rows):
        problem = task.problem()
        truth = problem.known_truth.mechanism(problem.query).to_numpy()
        parents = [len(p) for p in problem.data.parents()]
        for method, estimate in fits(problem, task, methods):
            if estimate.noise_space != "additive":
                continue
            error = (estimate.mechanism(problem.query).to_numpy() - truth) / problem.scale
            sizes = np.sqrt(np.square(error).mean(0))
            found += [
                (task.name, panel_of[task.name], method, known[method], name, count, size)
                for name, count, size in zip(problem.data.names, parents, sizes, strict=True)
            ]
    return pd.DataFrame(
        found, columns=["task", "panel", "method", "role", "node", "parents", "error"]
    )


def draw_nodes(numbers: pd.DataFrame) -> Figure:
    """Median over nodes by number of parents, whiskers from quarter to three quarters."""
    names, methods = unique(numbers["panel"]), roles(numbers)
    figure, axes = panels(len(names), width=5, height=3.2)
    for part, name in zip(axes, names, strict=True):
        rows = numbers[numbers["panel"] == name]
        counted = [(label, rows[rows["parents"].between(*ends)]) for *ends, label in PARENTS]
        counted = [(label, group) for label, group in counted if len(group)]
        for k, (method, role) in enumerate(methods.items()):
            errors = [g[g["method"] == method]["error"] for _, g in counted]
            _medians(part, errors, k, method, line(method, role))
        nodes = [len(g.drop_duplicates(["task", "node"])) for _, g in counted]
        ticks = [f"{label}\n({n})" for (label, _), n in zip(counted, nodes, strict=True)]
        part.set_xticks(range(len(ticks)), ticks, fontsize=8)
        part.set(yscale="log", title=name, ylabel="error of F, median over nodes")
        part.set_xlabel("parents (nodes)")
        plain_log(part, "y")
    return with_legend(figure, *axes)


def _medians(axes: Axes, groups: list[pd.Series], place: int, label: str, look: dict) -> None:
    points = [(x, *g.quantile([0.5, 0.25, 0.75])) for x, g in enumerate(groups) if len(g)]
    x, middle, low, high = map(np.array, zip(*points, strict=True))
    shifted = x + 0.06 * (place % 7 - 3)
    axes.errorbar(shifted, middle, (middle - low, high - middle), label=label, **look)


def mechanism_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """F of one node over one parent in each panel, true and as the best methods predict it."""
    found = []
    small = one_a_kind(with_truth(frame))
    methods = _best_methods(small)
    for panel in unique(small["panel"]):
        rows = small[small["panel"] == panel]
        rows = rows[rows["task"] == rows["task"].iloc[0]]
        (task,) = tasks_of(rows)
        problem = task.problem()
        found += _curves(problem, panel, {"truth": problem.truth})
        found += _curves(problem, panel, dict(fits(problem, task, methods)))
    return pd.DataFrame(found, columns=["panel", "what", "parent", "node", "x", "y"])


def _best_methods(rows: pd.DataFrame) -> list[str]:
    metric = next(iter(metrics_of(rows)), "")
    errors = measured(baselines(rows), metric).groupby("method")["value"].mean()
    fast = [m for m in fast_methods(rows) if m in errors]
    return sorted(fast, key=errors.get)[:CURVES]


def shown_edge(data: Dataset) -> tuple[int, int]:
    """(parent, child): the first parent of the first node with the fewest parents.

    Raises:
        ValueError: the graph has no edge.
    """
    parents = data.parents()
    children = [j for j, p in enumerate(parents) if len(p)]
    if not children:
        raise ValueError("a graph without an edge has no mechanism to show")
    child = min(children, key=lambda j: len(parents[j]))
    return int(parents[child][0]), child


def _curves(problem: Problem, panel: str, scms: dict) -> list[tuple]:
    """The data (with the truth), and each SCM's F; other parents are held at their means."""
    rows, names = problem.data.rows, problem.data.names
    parent, child = shown_edge(problem.data)
    place = (names[parent], names[child])
    low, high = np.quantile(rows[:, parent], (0.005, 0.995))
    grid = np.tile(rows.mean(0), (80, 1))
    grid[:, parent] = np.linspace(low, high, 80)
    table = pd.DataFrame(grid, columns=list(names))
    found = []
    if "truth" in scms:
        found += [(panel, "data", *place, x, y) for x, y in rows[:, [parent, child]]]
    for name, scm in scms.items():
        if scm.noise_space == "additive":
            y = scm.mechanism(table).to_numpy()[:, child]
            pairs = zip(grid[:, parent], y, strict=True)
            found += [(panel, name, *place, *pair) for pair in pairs]
    return found


def draw_mechanism(numbers: pd.DataFrame) -> Figure:
    """Data in grey, the true F thick and black, estimates over it."""
    names = unique(numbers["panel"])
    figure, axes = panels(len(names), width=4.6, height=3.4)
    for part, name in zip(axes, names, strict=True):
        rows = numbers[numbers["panel"] == name]
        data, truth = (rows[rows["what"] == what] for what in ("data", "truth"))
        part.plot(
            data["x"], data["y"], ".", color="#BBBBBB", markersize=2, label="data", rasterized=True
        )
        part.plot(truth["x"], truth["y"], color="black", linewidth=3.5, alpha=0.45, label="truth")
        for method in [w for w in unique(rows["what"]) if w not in ("data", "truth")]:
            curve = rows[rows["what"] == method]
            part.plot(curve["x"], curve["y"], markevery=16, label=method, **line(method))
        part.set_title(name)
        part.set(xlabel=rows["parent"].iloc[0], ylabel=rows["node"].iloc[0])
    return with_legend(figure, *axes)


def can_pair(frame: pd.DataFrame) -> bool:
    """Whether a fast method solved the first problem."""
    return bool(_best_methods(frame[frame["task"] == frame["task"].iloc[0]]))


def pair_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Query rows and as many draws of the best fast method, of the nodes with most edges."""
    rows = frame[frame["task"] == frame["task"].iloc[0]]
    (task,) = tasks_of(rows)
    problem = task.problem()
    ((method, estimate),) = fits(problem, task, _best_methods(rows)[:1])
    edges = problem.data.adjacency.sum(0) + problem.data.adjacency.sum(1)
    chosen = [problem.data.names[j] for j in sorted(np.argsort(-edges, kind="stable")[:PAIRED])]
    draws = estimate.sample(len(problem.query_rows), seed=method_seed(task, method))
    parts = {"data": problem.query, method: draws}
    return pd.concat([t[chosen].assign(what=what) for what, t in parts.items()])


def draw_pairs(numbers: pd.DataFrame) -> Figure:
    """Below the diagonal pairs of columns, on it their histograms: data grey, draws in colour."""
    names = [c for c in numbers.columns if c != "what"]
    figure = new_figure(1.75 * len(names), 1.75 * len(names))
    grid = figure.subplots(len(names), len(names), squeeze=False)
    for (i, j), axes in np.ndenumerate(grid):
        axes.tick_params(labelsize=6)
        if j > i:
            axes.set_axis_off()
            continue
        _pair(axes, numbers, names[j], names[i])
        axes.set_xlabel(names[j] if i == len(names) - 1 else "", fontsize=9)
        axes.set_ylabel(names[i] if j == 0 else "", fontsize=9)
    return with_legend(figure, grid[-1, 0])


def _pair(axes: Axes, numbers: pd.DataFrame, x: str, y: str) -> None:
    limits = {name: np.quantile(numbers[name], (0.005, 0.995)) for name in (x, y)}
    axes.set_xlim(limits[x])
    for what, rows in numbers.groupby("what", sort=False):
        colour = "#777777" if what == "data" else style(what)["color"]
        if x == y:
            low, high = limits[x]
            bins = np.linspace(low, high, 30).tolist()
            axes.hist(rows[x], bins, histtype="step", color=colour, label=what, linewidth=1.2)
            axes.set_yticks([])
            continue
        mark = "o" if what == "data" else "+"
        look: dict[str, Any] = {"color": colour, "linewidth": 0.5, "rasterized": True}
        axes.scatter(rows[x], rows[y], s=5, marker=mark, label=what, **look)
        axes.set_ylim(limits[y])
