"""Plots of a run: a kind says what it shows (a CSV file) and draws that; `PLOTS` at the foot."""

from functools import partial

import pandas as pd

from bench.analysis.plots import comparisons, errors, fits, over_reference, problems, sweeps
from bench.analysis.plots.kind import Drawing, Kind, save
from bench.analysis.published import SOURCE
from bench.analysis.refit import can_remake
from bench.analysis.results import axes_of

__all__ = ["PLOTS", "Drawing", "Kind", "kinds_for", "save"]

MANY = 6


def _known(frame: pd.DataFrame) -> bool:
    """Whether the problems can be made again and have a truth, which scores noise."""
    return can_remake(frame) and "noise" in set(frame["metric"])


def _again(frame: pd.DataFrame) -> list[str]:
    return fits.node_methods(fits.one_a_kind(fits.with_truth(frame)))


def _floored(frame: pd.DataFrame) -> bool:
    return any(True for _ in errors.floor_pools(frame))


def _swept(frame: pd.DataFrame, axis: str) -> bool:
    return axis in axes_of(frame) and frame[axis].nunique() > 1 and _scored(frame)


def _corrupted(frame: pd.DataFrame) -> bool:
    corrupted = "given" in axes_of(frame) and "corrupt" in set(frame["given"])
    return corrupted and "graph_distance" in set(frame["metric"]) and _scored(frame)


def _scored(frame: pd.DataFrame) -> bool:
    return len(errors.bar_numbers(frame)) > 0  # the truth alone has nothing to show


def _many(frame: pd.DataFrame) -> bool:
    return errors.bar_numbers(frame)["panel"].nunique() > MANY


PLOTS: dict[str, Kind] = {
    "bars": Kind(
        "Mean error by method and setting, all d together; whiskers are one standard error.",
        errors.bar_numbers,
        errors.draw_bars,
        _scored,
        needs="errors of a method",
    ),
    "d": Kind(
        "Error against the number of nodes; bars are standard errors.",
        partial(sweeps.sweep, axis="d"),
        sweeps.draw_sweep,
        partial(_swept, axis="d"),
        needs="several values of the axis d",
    ),
    "rows": Kind(
        "Error against the number of context rows; bars are standard errors. Hollow, dotted: the "
        f"paper's figures ({SOURCE}), over other SCMs.",
        sweeps.rows_numbers,
        sweeps.draw_sweep,
        partial(_swept, axis="n_context"),
        needs="several values of the axis n_context",
    ),
    "rows-over-reference": Kind(
        "Error over the best reference's against context rows: geometric mean over cells (scenario "
        "and d) of the ratio of means over SCMs; whiskers are 95 % intervals over SCMs. Hollow, "
        f"dotted: the paper's figures ({SOURCE}), over the reference on ours. The axis ends "
        "where ignoring the graph lies; numbers at its edge are of points above.",
        over_reference.numbers,
        over_reference.draw,
        lambda frame: _swept(frame, "n_context") and over_reference.has_reference(frame),
        needs="several values of the axis n_context and two references",
    ),
    "alpha": Kind(
        "Error against the strength of a shift; bars are standard errors.",
        sweeps.alpha_numbers,
        sweeps.draw_sweep,
        partial(_swept, axis="alpha"),
        needs="several values of the axis alpha",
    ),
    "reach": Kind(
        "Error under interventions that go beyond the data: at a quantile inside, at the edge, and "
        "so many deviations past it; shift adds one to each row's own value.",
        sweeps.reach_numbers,
        sweeps.draw_sweep,
        partial(_swept, axis="reach"),
        needs="several values of the axis reach",
    ),
    "graph": Kind(
        "Error against the distance of the given graph from the true one: a line for edits of it, "
        "points beside it for its order alone and for graphs that were found.",
        sweeps.graph_numbers,
        sweeps.draw_sweep,
        _corrupted,
        needs="corrupted graphs on the axis given, and their graph_distance",
    ),
    "axis": Kind(
        "Error against an axis of the suite's own; bars are standard errors.",
        sweeps.own_numbers,
        sweeps.draw_sweep,
        lambda frame: sweeps.own_axis(frame) is not None and _scored(frame),
        needs="an axis of numbers of its own with several values",
    ),
    "heatmap": Kind(
        "Mean error, written; its colour is the ratio to the best method that is no control.",
        errors.bar_numbers,
        errors.draw_heatmap,
        _many,
        needs="more than six panels of problems",
    ),
    "over-reference": Kind(
        "Geometric mean of error / best reference over SCMs, with bootstrap intervals (95 %) over "
        "SCMs within strata of the design; 1 is the reference.",
        errors.floor_ratios,
        errors.draw_floor,
        _floored,
        needs="errors beside those of a reference",
    ),
    "runtime": Kind(
        "Error against time; the line joins the methods that no faster one matches.",
        errors.costs,
        errors.draw_runtime,
        _scored,
        needs="errors of a method",
    ),
    "ranks": Kind(
        "Mean ranks over the SCMs that all methods have, 1 the best; bars join methods that "
        "Nemenyi's test does not tell apart at 5 %.",
        comparisons.rank_numbers,
        comparisons.draw_ranks,
        comparisons.can_rank,
        needs="three methods with SCMs in common",
    ),
    "profile": Kind(
        "Share of SCMs on which a method is within a factor of the best one there.",
        comparisons.profile_numbers,
        comparisons.draw_profile,
        comparisons.can_profile,
        needs="errors above zero of methods with SCMs in common",
    ),
    "draws": Kind(
        "One problem of each kind: graph, data and F of one edge, quantiles of each node "
        "(2.5, 25, 50, 75, 97.5 %).",
        problems.problem_numbers,
        problems.draw_problems,
        _known,
        needs="problems with a truth that can be made again",
    ),
    "nodes": Kind(
        "Error of F by number of parents, of methods fitted again to one SCM a kind at the "
        "smallest d: median over nodes, whiskers from quarter to three quarters, in the unit "
        "of the suite's errors.",
        fits.node_numbers,
        fits.draw_nodes,
        lambda frame: _known(frame) and bool(_again(frame)),
        refits=True,
        needs="problems with a truth, and a method that can be fitted again",
    ),
    "mechanism": Kind(
        "F of one node over one parent, true and predicted, other parents at their means.",
        fits.mechanism_numbers,
        fits.draw_mechanism,
        _known,
        refits=True,
        needs="problems with a truth that can be made again",
    ),
    "pairs": Kind(
        "Query rows and as many draws of the best method that fits fast, nodes with most edges.",
        fits.pair_numbers,
        fits.draw_pairs,
        lambda frame: can_remake(frame) and not _known(frame) and fits.can_pair(frame),
        refits=True,
        needs="real data, and a method that can be fitted again",
    ),
}


def kinds_for(frame: pd.DataFrame, refits: bool = False) -> list[str]:
    """The kinds that say something about a run; those that fit methods again only if asked."""
    return [name for name, kind in PLOTS.items() if kind.refits <= refits and kind.fits(frame)]
