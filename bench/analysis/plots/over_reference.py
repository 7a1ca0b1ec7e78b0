"""Error over that of the best reference against context rows, all cells of the design pooled."""

from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.style import (
    clipped,
    line,
    panels,
    plain_log,
    roles,
    unique,
    with_legend,
)
from bench.analysis.published import Figure as Printed
from bench.analysis.published import beside
from bench.analysis.results import DRAWS, axes_of, errors_of, measured, methods_of, roles_of
from bench.analysis.stats import ROUNDING
from bench.analysis.table import SPREAD, place_of, split

X = "n_context"
COLUMNS = ["metric", "method", "role", "x", "reference", "ratio", "low", "high", "cells", "n"]
NORMAL = 1.96
HEADROOM = 2.2  # of the axis above the highest line
STEP = 0.012  # of the axis' decades, between methods at one number of rows

Cell = tuple[float, float]
"""The logarithm of a ratio of means in one cell of the design, and its variance."""


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over cells (all axes but rows) of mean error / mean error of the reference.

    Both means are over the SCMs that a method has; intervals (95 %) are over SCMs. The paper's
    figures are over the mean of the reference on our SCMs. Only cells that the reference has at
    every number of rows count, and only methods that have all of them.
    """
    found: list[tuple] = []
    for metric in errors_of(frame):
        rows = controls_as_asked(measured(frame, metric))
        reference = lowest_reference(rows)
        if reference is not None and {X} < set(axes_of(rows)):
            found += _points(rows, metric, reference)
    return pd.DataFrame(found, columns=COLUMNS)


def controls_as_asked(rows: pd.DataFrame) -> pd.DataFrame:
    """A control has one name, also where some cells call it a floor and others a reference."""
    if "asked" not in rows:
        return rows
    return rows.assign(method=rows["asked"].where(rows["role"] == "reference", rows["method"]))


def lowest_reference(rows: pd.DataFrame) -> str | None:
    """The reference with the lowest mean logarithm, where there are two: one alone says little."""
    known = rows[(rows["role"] == "reference") & (rows["value"] > 0)]
    means = np.log(known["value"]).groupby(known["method"]).mean()
    return str(means.idxmin()) if len(means) > 1 else None


def has_reference(frame: pd.DataFrame) -> bool:
    """Whether some error has two references."""
    parts = (controls_as_asked(measured(frame, metric)) for metric in errors_of(frame))
    return any(lowest_reference(part) is not None for part in parts)


def _points(rows: pd.DataFrame, metric: str, reference: str) -> Iterable[tuple]:
    design = [a for a in axes_of(rows) if a not in (*DRAWS, X) and rows[a].nunique() > 1]
    floor = _by_cell(rows[rows["method"] == reference], design)
    common = set.intersection(*map(set, floor.values()))
    known = roles_of(rows)
    for method in methods_of(rows[rows["role"] != "truth"]):
        for x, cells in _by_cell(rows[rows["method"] == method], design).items():
            if method != reference and x in floor and common <= set(cells):
                pairs = [pair for c in common if (pair := _log_ratio(cells[c], floor[x][c]))]
                if len(pairs) == len(common):
                    n = sum(len(cells[c]) for c in common)
                    place = metric, method, known[method], x, reference
                    yield *place, *_pool(pairs), len(common), n
    below = rows[rows["method"] == reference]
    for theirs, x, pairs in _printed(below, metric, design, common):
        name = f"{theirs} (paper)"
        yield metric, name, "paper", x, reference, *_pool(pairs), len(common), np.nan


def _by_cell(rows: pd.DataFrame, design: list[str]) -> dict[Any, dict[tuple, pd.Series]]:
    """{rows: {cell: errors by SCM}}."""
    found: dict[Any, dict[tuple, pd.Series]] = {}
    for (x, *cell), part in split(rows, [X, *design]):
        found.setdefault(x, {})[tuple(cell)] = part.groupby("scm")["value"].mean()
    return found


def _log_ratio(ours: pd.Series, floor: pd.Series) -> Cell | None:
    """Of the means over the SCMs of both, by the delta method."""
    both = pd.concat([ours, floor], axis=1, keys=["ours", "theirs"]).dropna()
    n = len(both)
    if n < 2 or len(both) < len(ours) or (both.mean() <= 0).any():
        return None
    residuals = both["ours"] / both["ours"].mean() - both["theirs"] / both["theirs"].mean()
    ratio = float(np.log(both["ours"].mean() / both["theirs"].mean()))
    return ratio, float((residuals**2).sum()) / (n * (n - 1))


def _pool(cells: list[Cell]) -> tuple[float, float, float]:
    middle = float(np.mean([ratio for ratio, _ in cells]))
    half = NORMAL * sum(variance for _, variance in cells) ** 0.5 / len(cells)
    ends = np.exp(np.clip([middle, middle - half, middle + half], -700, 700))
    return float(ends[0]), float(ends[1]), float(ends[2])


def _printed(
    floor: pd.DataFrame, metric: str, design: list[str], common: set[tuple]
) -> Iterable[tuple[str, Any, list[Cell]]]:
    """(method of the paper, rows, its cells) wherever it has a comparable figure in every cell."""
    found: dict[tuple[str, Any], list[Cell]] = {}
    for (x, *cell), part in split(floor, [X, *design]):
        errors = part.groupby("scm")["value"].mean()
        place = place_of(part)
        for method, by_scenario in beside(metric, part["scm"].iloc[0], place).items():
            figure = by_scenario.get(place.get(SPREAD, ""))
            if _usable(figure) and tuple(cell) in common and len(errors) > 1:
                spread = (errors.std() / errors.mean()) ** 2 / len(errors)
                printed = (figure.se**2 + ROUNDING**2) / figure.mean**2
                ratio = float(np.log(figure.mean / errors.mean()))
                found.setdefault((method, x), []).append((ratio, float(printed + spread)))
    for (method, x), cells in found.items():
        if len(cells) == len(common):
            yield method, x, cells


def _usable(figure: Printed | None) -> TypeGuard[Printed]:
    """Whether it is printed above 0.00 with an error, over problems that ours can be."""
    return figure is not None and figure.comparable and figure.mean > 0 <= figure.se


def draw(found: pd.DataFrame) -> Figure:
    """A panel a metric; it ends above the worst method, or where ignoring the graph lies if lower.

    Numbers at its upper edge are of what lies beyond.
    """
    metrics = unique(found["metric"])
    figure, axes = panels(len(metrics), width=2.5, height=3.1, columns=4)
    for k, (part, metric) in enumerate(zip(axes, metrics, strict=True)):
        rows = found[found["metric"] == metric]
        _panel(part, rows)
        part.set_title(metric, fontsize=10)
        part.set_xlabel("context rows")
        part.set_ylabel(f"error / {rows['reference'].iloc[0]}" if k % 4 == 0 else "")
    return with_legend(figure, *axes)


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    control = rows["role"] == "reference"
    limit = HEADROOM * min(
        rows.loc[side, "ratio"].max() for side in (control, ~control) if side.any()
    )
    known = roles(rows)
    for k, (method, role) in enumerate(known.items()):
        part = rows[rows["method"] == method].sort_values("x")
        aside = 10 ** (STEP * (k - (len(known) - 1) / 2))
        shown = part[part["ratio"] <= limit]
        bars = np.abs(shown[["low", "high"]].to_numpy().T - shown["ratio"].to_numpy())
        look = line(method, role) | {"label": method, "elinewidth": 0.8}
        axes.errorbar(shown["x"] * aside, shown["ratio"], yerr=bars, **look)
        for _, above in part[part["ratio"] > limit].iterrows():
            clipped(axes, above["x"] * aside, above["ratio"], limit, look["color"])
    axes.axhline(1, color="#777777", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(top=limit)
    ticks = sorted(set(rows["x"]))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.set_xticks([], minor=True)
    plain_log(axes, "y")
