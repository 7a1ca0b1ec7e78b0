"""Plots of a run: a kind says what it shows (a CSV file) and draws that; `PLOTS` at the foot."""

from functools import partial

import pandas as pd

from bench.analysis.plots import comparisons, errors, fits, problems, sweeps
from bench.analysis.plots.kind import Drawing, Kind, save
from bench.analysis.refit import can_remake
from bench.scm.prior import SCENARIOS

__all__ = ["PLOTS", "Drawing", "Kind", "kinds_for", "save"]


def _lorch(frame: pd.DataFrame) -> bool:
    return set(frame["scenario"]) <= set(SCENARIOS)


def _synthetic(frame: pd.DataFrame) -> bool:
    return _lorch(frame) and can_remake(frame)


def _floored(frame: pd.DataFrame) -> bool:
    return any(True for _ in errors.floor_pools(frame))


def _swept(frame: pd.DataFrame, axis: str) -> bool:
    return frame[axis].nunique() > 1


PLOTS: dict[str, Kind] = {
    "bars": Kind(
        "Mean error by method and scenario, all d together; whiskers are one standard error.",
        errors.mean_errors,
        errors.draw_bars,
        lambda frame: True,
    ),
    "d": Kind(
        "Error against the number of nodes; bars are standard errors.",
        partial(sweeps.sweep, axis="d"),
        sweeps.draw_sweep,
        lambda frame: _lorch(frame) and _swept(frame, "d"),
    ),
    "rows": Kind(
        "Error against the number of context rows; bars are standard errors.",
        partial(sweeps.sweep, axis="n_context"),
        sweeps.draw_sweep,
        partial(_swept, axis="n_context"),
    ),
    "alpha": Kind(
        "Error against the strength of a shift; bars are standard errors.",
        sweeps.alpha_numbers,
        sweeps.draw_sweep,
        partial(_swept, axis="alpha"),
    ),
    "graph": Kind(
        "Error against the distance of the given graph from the true one.",
        sweeps.graph_numbers,
        sweeps.draw_sweep,
        lambda frame: bool(set(frame["given_graph"]) - {"true"}),
    ),
    "heatmap": Kind(
        "Mean error, written; its colour is the ratio to the best method that is no control.",
        errors.mean_errors,
        errors.draw_heatmap,
        lambda frame: not _lorch(frame),
    ),
    "floor": Kind(
        "Geometric mean of error / floor over SCMs, with bootstrap intervals (95 %) over SCMs "
        "stratified by d; 1 is the floor.",
        errors.floor_ratios,
        errors.draw_floor,
        _floored,
    ),
    "runtime": Kind(
        "Error against time; the line joins the methods that no faster one matches.",
        errors.costs,
        errors.draw_runtime,
        lambda frame: True,
    ),
    "ranks": Kind(
        "Mean ranks over the problems that all methods have, 1 the best; bars join methods that "
        "Nemenyi's test does not tell apart at 5 %.",
        comparisons.rank_numbers,
        comparisons.draw_ranks,
        comparisons.can_rank,
    ),
    "profile": Kind(
        "Share of problems on which a method is within a factor of the best one there.",
        comparisons.profile_numbers,
        comparisons.draw_profile,
        comparisons.can_profile,
    ),
    "draws": Kind(
        "One problem of each kind: graph, data and F of one edge, quantiles of each node "
        "(2.5, 25, 50, 75, 97.5 %).",
        problems.problem_numbers,
        problems.draw_problems,
        _synthetic,
    ),
    "nodes": Kind(
        "Error of F by number of parents, of methods fitted again to one SCM a kind at the "
        "smallest d: median over nodes, whiskers from quarter to three quarters, in standard "
        "deviations of the node.",
        fits.node_numbers,
        fits.draw_nodes,
        lambda frame: _synthetic(frame) and bool(fits.node_methods(fits.one_a_kind(frame))),
        refits=True,
    ),
    "mechanism": Kind(
        "F of one node over one parent, true and predicted, other parents at their means.",
        fits.mechanism_numbers,
        fits.draw_mechanism,
        _synthetic,
        refits=True,
    ),
    "pairs": Kind(
        "Query rows and as many draws of the best method that fits fast, nodes with most edges.",
        fits.pair_numbers,
        fits.draw_pairs,
        lambda frame: can_remake(frame) and not _lorch(frame) and fits.can_pair(frame),
        refits=True,
    ),
}


def kinds_for(frame: pd.DataFrame, refits: bool = False) -> list[str]:
    """The kinds that say something about a run; those that fit methods again only if asked."""
    return [name for name, kind in PLOTS.items() if kind.refits <= refits and kind.fits(frame)]
