"""Methods against each other over the same SCMs: critical difference, performance profile."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.analysis.plots.style import (
    line,
    new_figure,
    panels,
    roles,
    style,
    unique,
    with_legend,
)
from bench.analysis.rankings import Friedman, friedman, performance_profile
from bench.analysis.results import baselines, errors_of, measured
from bench.analysis.stats import blocks_by_methods
from bench.metrics import OF_PROBLEMS

FACTORS = np.geomspace(1, 16, 61)


def rivals(frame: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """(metric, errors) of methods that are no controls over the SCMs that all of them have."""
    rows = baselines(frame)
    for metric in errors_of(rows):
        errors = measured(rows, metric)
        if errors["method"].nunique() > 2 and metric not in OF_PROBLEMS:
            try:
                common = blocks_by_methods(errors, "common")
            except ValueError:  # no SCM that all methods have
                continue
            if len(common) > 1:
                yield metric, common


def can_rank(frame: pd.DataFrame) -> bool:
    """Whether three methods share two SCMs in some metric."""
    return any(True for _ in rivals(frame))


def rank_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean ranks with Friedman's p and Nemenyi's critical difference, by metric."""
    found = []
    for metric, errors in rivals(frame):
        test = friedman(errors)
        shared = {"metric": metric, "n": test.n, "chi2": test.chi2, "p": test.p, "cd": test.cd}
        found += [
            {**shared, "method": m, "role": "baseline", "mean_rank": r}
            for m, r in test.mean_ranks.items()
        ]
    return pd.DataFrame(found)


def draw_ranks(numbers: pd.DataFrame) -> Figure:
    """Critical-difference diagrams (Demsar 2006), a panel a metric: bars join what may be equal."""
    tests = [(metric, _test(rows)) for metric, rows in numbers.groupby("metric", sort=False)]
    heights = [0.9 + 0.24 * -(-len(t.mean_ranks) // 2) + 0.09 * len(t.cliques()) for _, t in tests]
    figure = new_figure(7.5, sum(heights))
    grid = figure.subplots(len(tests), 1, squeeze=False, height_ratios=heights)
    for axes, (metric, test) in zip(grid[:, 0], tests, strict=True):
        _diagram(axes, metric, test)
    figure.tight_layout()
    return figure


def _test(rows: pd.DataFrame) -> Friedman:
    chi2, p, n, cd = rows.iloc[0][["chi2", "p", "n", "cd"]]
    return Friedman(rows.set_index("method")["mean_rank"], chi2, p, int(n), cd)


def _diagram(axes: Axes, metric: str, test: Friedman) -> None:
    k, cliques = len(test.mean_ranks), test.cliques()
    below = 0.35 * len(cliques) + 0.6
    depth = below + -(-k // 2)
    axes.set(xlim=(1 - 0.45 * k, k + 0.45 * k), ylim=(-depth, 1.2))
    axes.set_axis_off()
    axes.plot((1, k), (0, 0), color="black", linewidth=1)
    for rank in range(1, k + 1):
        axes.plot((rank, rank), (0, 0.2), color="black", linewidth=1)
        axes.text(rank, 0.35, str(rank), ha="center", va="bottom", fontsize=8)
    for step, clique in enumerate(cliques):
        ends = test.mean_ranks[list(clique)]
        y = -0.35 * (step + 1)
        axes.plot((ends.min() - 0.05, ends.max() + 0.05), (y, y), color="#555555", linewidth=3)
    _labels(axes, test.mean_ranks, below)
    axes.set_title(
        f"{metric}: mean rank over {test.n} SCMs, Friedman p = {test.p:.2g}, "
        f"critical difference {test.cd:.2f} at 5 %",
        fontsize=9,
    )


def _labels(axes: Axes, ranks: pd.Series, below: float) -> None:
    """The better half to the left, best on top; the worse half to the right, worst on top."""
    k, half = len(ranks), -(-len(ranks) // 2)
    for place, (method, rank) in enumerate(ranks.items()):
        left = place < half
        level = place if left else k - 1 - place
        y, x = -below - level, 1 - 0.06 * k if left else k + 0.06 * k
        colour = style(method)["color"]
        axes.plot((rank, rank, x), (0, y, y), color=colour, linewidth=0.9)
        axes.plot(rank, 0, markersize=5, linestyle="", **style(method))
        label = f"{method} {rank:.2f}" if left else f"{rank:.2f} {method}"
        beside = x - 0.08 if left else x + 0.08
        axes.text(beside, y, label, ha="right" if left else "left", va="center", fontsize=8.5)


def profile_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of SCMs on which a method is within a factor of the best, by metric."""
    found = []
    for metric, errors in rivals(frame):
        if (errors > 0).all(axis=None):
            long = performance_profile(errors, FACTORS).reset_index()
            long = long.melt("factor", var_name="method", value_name="share")
            found.append(long.assign(role="baseline", metric=metric, n=len(errors)))
    return pd.concat(found) if found else pd.DataFrame()


def can_profile(frame: pd.DataFrame) -> bool:
    """Whether some metric has positive errors of three methods."""
    return any((errors > 0).all(axis=None) for _, errors in rivals(frame))


def draw_profile(numbers: pd.DataFrame) -> Figure:
    """Performance profiles (Dolan and More 2002), a panel a metric: higher is better."""
    metrics = unique(numbers["metric"])
    figure, axes = panels(len(metrics), width=4.6, height=3.1)
    for part, metric in zip(axes, metrics, strict=True):
        rows = numbers[numbers["metric"] == metric]
        methods = roles(rows)
        for k, method in enumerate(methods):
            curve = rows[rows["method"] == method]
            look = line(method) | {"markevery": (4 * k % 20, 20)}
            part.plot(curve["factor"], curve["share"], label=method, **look)
        part.set(xscale="log", ylim=(-0.03, 1.03), title=f"{metric}, {rows['n'].iloc[0]} SCMs")
        part.set_xticks((1, 2, 4, 8, 16), ("1", "2", "4", "8", "16"))
        part.set_xticks([], minor=True)
        part.set(xlabel="within this factor of the best", ylabel="share of SCMs")
    return with_legend(figure, *axes)
