"""Pictures of a table of one's own: the graph with effects, mechanisms, do, draws; any theme."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from bench.analysis.answers import Answered, Told
from bench.analysis.plots.style import line, new_figure, panels, style, with_legend
from bench.scm.base import order
from bench.scm.columns import FLOAT, Column
from bench.task import Dataset

BINS = 30
NODES_MOST, POINTS_MOST, PANELS_MOST = 40, 400, 12
GREY = "#8A8F99"
UP, DOWN = "#D55E00", "#0072B2"  # of effects on the graph, told apart by colour-blind readers
Curves = Mapping[str, Sequence[Mapping[str, Any]]]  # of each method, one an edge


def draw_graph(data: Dataset, question: Answered | None, method: str) -> Figure:
    """The graph, causes left of effects; a node's colour is its effect, in its deviations.

    Args:
        question: whose effects are shown. method: whose answers these are.
    """
    shown = _shown(data, question)
    place = _places(data, shown)
    width = 2.1 * (1 + max(x for x, _ in place.values()))
    height = 0.85 * (1 + max(y for _, y in place.values()) - min(y for _, y in place.values()))
    figure = new_figure(max(width, 4), max(height, 1.6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for i, j in np.argwhere(data.adjacency):
        if i in place and j in place:
            _arrow(axes, place[int(i)], place[int(j)])
    for j, at in place.items():
        _node(axes, at, data, j, question, method)
    xs, ys = zip(*place.values(), strict=True)
    axes.set_xlim(min(xs) - 0.55, max(xs) + 0.55)
    axes.set_ylim(min(ys) - 0.6, max(ys) + 0.6)
    return figure


def _shown(data: Dataset, question: Answered | None) -> list[int]:
    """All nodes of a small graph; of a large one those that are set or answer, and parents."""
    if len(data.names) <= NODES_MOST or question is None:
        return list(range(min(len(data.names), NODES_MOST)))
    named = {*question.values, *question.nodes}
    core = [j for j, name in enumerate(data.names) if name in named]
    parents = [int(i) for i in np.flatnonzero(data.adjacency[:, core].any(1))]
    return list(dict.fromkeys([*core, *parents]))[:NODES_MOST]


def _places(data: Dataset, shown: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Columns by longest path; within one, near the mean height of the parents."""
    levels, _ = order(data.adjacency)
    place: dict[int, tuple[float, float]] = {}
    used = [[j for j in level if j in set(shown)] for level in levels]
    for x, level in enumerate(level for level in used if level):
        wish = {j: _height(data, place, j) for j in level}
        ranked = sorted(level, key=lambda j: (wish[j], j))
        middle = sum(wish.values()) / len(wish)
        for k, j in enumerate(ranked):
            place[j] = float(x), middle + (k - (len(ranked) - 1) / 2)
    return place


def _height(data: Dataset, place: Mapping[int, tuple[float, float]], j: int) -> float:
    heights = [place[int(i)][1] for i in np.flatnonzero(data.adjacency[:, j]) if int(i) in place]
    return sum(heights) / len(heights) if heights else 0.0


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    bend = 0.0 if end[0] - start[0] < 1.5 else 0.18
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=12,
            shrinkA=26,
            shrinkB=30,
            color=GREY,
            linewidth=1.1,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def _node(
    axes: Axes,
    at: tuple[float, float],
    data: Dataset,
    j: int,
    question: Answered | None,
    method: str,
) -> None:
    name, lines = data.names[j], [_short(data.names[j])]
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": GREY, "linewidth": 1.0}
    if question and name in question.values:
        low, high = question.values[name]
        if j in data.discrete and low == high:
            lines.append(f"set to {_short(data.columns[j].levels[int(low)])}")
        else:
            lines.append(f"set to {low:.4g}" if low == high else f"set to {low:.3g} .. {high:.3g}")
        look = {"facecolor": "#E6C229", "alpha": 0.55, "edgecolor": GREY, "linewidth": 2.0}
    told = question.nodes.get(name, {}).get(method) if question else None
    if told is not None:
        size = told.effect / max(float(data.rows[:, j].std(ddof=1)), 1e-300)
        lines.append(f"{told.effect:+.3g}{_interval(told)}")
        strength = min(abs(size), 2) / 2 * 0.6 + 0.08
        look |= {"facecolor": UP if size > 0 else DOWN, "alpha": strength}
    text = "\n".join(lines)
    box = {"boxstyle": "round,pad=0.4", **look}
    axes.text(*at, text, ha="center", va="center", fontsize=8, bbox=box, alpha=0, parse_math=False)
    axes.text(*at, text, ha="center", va="center", fontsize=8, color="black", parse_math=False)


def _interval(told: Told) -> str:
    return f"\n{told.low:.3g} to {told.high:.3g}" if math.isfinite(told.low) else ""


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 18 else f"{text[:17]}…"


def draw_mechanisms(data: Dataset, curves: Curves) -> Figure | None:
    """A panel an edge: the rows, and F of each method while this parent moves, with its band."""
    first = next((found for found in curves.values() if found), None)
    if first is None:
        return None
    edges = [(c["parent"], c["child"]) for c in first]
    figure, axes = panels(len(edges), width=3.4, height=2.5, columns=3)
    some = np.linspace(0, len(data.rows) - 1, min(len(data.rows), POINTS_MOST)).astype(int)
    for part, (parent, child) in zip(axes, edges, strict=True):
        i, j = data.names.index(parent), data.names.index(child)
        part.scatter(data.rows[some, i], data.rows[some, j], s=4, color=GREY, alpha=0.5, lw=0)
        for method, found in curves.items():
            for curve in (c for c in found if (c["parent"], c["child"]) == (parent, child)):
                look = line(method)
                part.plot(
                    curve["x"],
                    curve["f"],
                    label=method,
                    color=look["color"],
                    linestyle=look["linestyle"],
                )
                if "low" in curve:
                    part.fill_between(
                        curve["x"],
                        curve["low"],
                        curve["high"],
                        color=look["color"],
                        alpha=0.2,
                        lw=0,
                    )
        _name_axes(part, parent, child)
        _name_levels(part, _kind(data, parent))
    return with_legend(figure, *axes)


def draw_distributions(
    data: Dataset, rows: Mapping[str, pd.DataFrame], nodes: Sequence[str], label: str
) -> Figure | None:
    """A panel a node: its column in the data, filled, and each method's rows as an outline.

    Args:
        rows: of each method. nodes: to show. label: of the methods' rows.
    """
    nodes = [node for node in nodes if all(node in table for table in rows.values())][:PANELS_MOST]
    if not nodes or not rows:
        return None
    figure, axes = panels(len(nodes), width=3.4, height=2.3, columns=3)
    for part, node in zip(axes, nodes, strict=True):
        column = data.rows[:, data.names.index(node)]
        kind = _kind(data, node)
        tables = {m: _codes(kind, table[node]) for m, table in rows.items()}
        inside = np.concatenate([np.quantile(v, [0.005, 0.995]) for v in tables.values()])
        low, high = min(column.min(), inside.min()), max(column.max(), inside.max())
        bins = np.linspace(low, high if high > low else low + 1, BINS + 1).tolist()
        if kind.discrete:
            bins = (np.arange(len(kind.levels) + 1) - 0.5).tolist()
        _name_levels(part, kind)
        part.hist(column, bins, density=True, color=GREY, alpha=0.45, label="observed")
        for method, values in tables.items():
            colour = style(method)["color"]
            kept = values[(values >= bins[0]) & (values <= bins[-1])]
            if len(kept):
                told = f"{method}{label}"
                part.hist(
                    kept, bins, density=True, histtype="step", lw=1.4, color=colour, label=told
                )
        _name_axes(part, node, "")
        part.set_yticks([])
    return with_legend(figure, *axes)


def _kind(data: Dataset, node: str) -> Column:
    return data.columns[data.names.index(node)] if data.columns else FLOAT


def _name_levels(axes: Axes, kind: Column) -> None:
    """Names of levels in place of their codes."""
    if kind.discrete:
        axes.set_xticks(range(len(kind.levels)), [_short(level) for level in kind.levels])


def _codes(kind: Column, values: pd.Series) -> np.ndarray:
    """Values of a file as numbers, those of another type left out."""
    if kind.kind == "category":
        labels = {str(level): code for code, level in enumerate(kind.levels)}
        return values.astype(str).map(labels).dropna().to_numpy(dtype=float)
    return values.to_numpy(dtype=float)


def _name_axes(axes: Axes, x: object, y: object) -> None:
    axes.set_xlabel(_short(x), parse_math=False)
    axes.set_ylabel(_short(y), parse_math=False)
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
