"""Conditions: where a metric has a meaning, as functions of (problem, estimate)."""

from collections.abc import Callable

from bench.method import member
from bench.scm.base import SCM
from bench.task import Problem

Condition = Callable[[Problem, SCM], bool]


def has_truth(problem: Problem, _: SCM) -> bool:
    """The true SCM is known, as of every synthetic problem."""
    return problem.truth is not None


def additive_noise(problem: Problem, estimate: SCM) -> bool:
    """The truth is known and the estimate's noise is in the nodes' units, as the truth's is."""
    return has_truth(problem, estimate) and estimate.noise_space == "additive"


def residual_noise(problem: Problem, estimate: SCM) -> bool:
    """As `additive_noise`, and the noise is what F leaves, not a smoothed one."""
    return additive_noise(problem, estimate) and member(estimate, "noise_metric")


def smoothed_noise(problem: Problem, estimate: SCM) -> bool:
    """The truth is known and the estimate has a posterior mean of the noise."""
    return has_truth(problem, estimate) and member(estimate, "noise_smoothed") is not None


def published_noise(problem: Problem, estimate: SCM) -> bool:
    """The truth is known and the estimate logs noise as published code does."""
    return has_truth(problem, estimate) and member(estimate, "noise_published") is not None


def scored_residual(problem: Problem, estimate: SCM) -> bool:
    """The truth is known and the estimate, whose own noise has other units, has residuals too."""
    return has_truth(problem, estimate) and member(estimate, "noise_residual") is not None


def real_data(problem: Problem) -> bool:
    """Nothing is known but rows: neither the true SCM nor an effect."""
    return problem.truth is None and problem.contrast is None


def effect_asked(problem: Problem, _: SCM) -> bool:
    """The truth about an effect is known."""
    return problem.contrast is not None


def effect_drawn(problem: Problem, estimate: SCM) -> bool:
    """As `effect_asked`, and the estimate can say which effects the data allow."""
    return effect_asked(problem, estimate) and estimate.can_draw


def real_data_residual(problem: Problem, estimate: SCM) -> bool:
    """Of real data the estimate says what F leaves: smoothed noise would be smaller."""
    additive = estimate.noise_space == "additive"
    in_units = additive or member(estimate, "noise_residual") is not None
    return real_data(problem) and in_units and member(estimate, "noise_metric")


def other_graph_given(problem: Problem, _: SCM) -> bool:
    """Methods are given another graph than the true one, or may be."""
    return problem.true_adjacency is not None


def rows_compared(problem: Problem, estimate: SCM) -> bool:
    """Generated rows are compared with query rows: real data, or where the problem says so."""
    return real_data(problem) or problem.compare_rows


def rows_rebuilt(problem: Problem, estimate: SCM) -> bool:
    """As `rows_compared`, of queries that were drawn under no intervention."""
    return rows_compared(problem, estimate) and not problem.given


def draws_compared(problem: Problem, estimate: SCM) -> bool:
    """As `rows_compared`, and for noise that cannot be paired with the true one."""
    return rows_compared(problem, estimate) or estimate.noise_space == "base"


def clamped_draws_compared(problem: Problem, estimate: SCM) -> bool:
    """The truth is known and the estimate's noise cannot be paired with the true one."""
    return has_truth(problem, estimate) and estimate.noise_space == "base"
