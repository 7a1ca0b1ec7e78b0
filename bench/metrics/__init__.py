"""Errors of an estimate: pure functions of (problem, estimate), in standardised units.

Errors are divided, for each node, by its standard deviation over context and query rows together,
as the published evaluation of Cond-FiP does. RMSE is the mean over rows of the square root of the
mean over nodes of the squared error. A clamped node counts in the mean over nodes with error 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.metrics.comparable import Pair, comparable
from bench.metrics.conditions import (
    Condition,
    additive_noise,
    clamped_draws_compared,
    draws_compared,
    effect_asked,
    effect_drawn,
    has_truth,
    other_graph_given,
    published_noise,
    real_data_residual,
    residual_noise,
    rows_compared,
    rows_rebuilt,
    scored_residual,
    smoothed_noise,
)
from bench.metrics.distances import energy, mmd, wasserstein
from bench.metrics.effects import of_drawn_effects, of_effects
from bench.metrics.errors import (
    checked,
    counterfactual,
    intervention,
    noise,
    noise_published,
    noise_residual,
    noise_smoothed,
    residual,
    sample,
)
from bench.metrics.graphs import graph_distance, graph_extra, graph_missing, graph_reversed
from bench.metrics.metric import DEVIATIONS, Metrics
from bench.metrics.metric import Metric as Metric
from bench.scm.base import SCM
from bench.scm.contrast import OUTSIDE, Contrast
from bench.task import Problem, as_frame, seed_of


def mmd_query(problem: Problem, estimate: SCM) -> float:
    """Rows generated from Gaussian noise fitted to the context's residuals against query rows."""
    pair = _pair(problem, _generated(problem, estimate), problem.query_rows)
    return mmd(pair.x, pair.y)


def mmd_intervention(problem: Problem, estimate: SCM) -> float:
    """Rows drawn under interventions, as those of `mmd_query`, against the true ones; average."""
    drawn = [(_generated(problem, estimate, i.do), i.rows) for i in problem.interventions]
    pairs = [_pair(problem, rows, true.to_numpy()) for rows, true in drawn]
    return float(np.mean([mmd(pair.x, pair.y) for pair in pairs]))


def mmd_query_unbiased(problem: Problem, estimate: SCM) -> float:
    """As `mmd_query`, by the unbiased U-statistic; 0 on average for a perfect model."""
    pair = _pair(problem, _generated(problem, estimate), problem.query_rows)
    return mmd(pair.x, pair.y, biased=False)


def energy_query(problem: Problem, estimate: SCM) -> float:
    """The rows of `mmd_query` against query rows by their energy distance."""
    pair = _pair(problem, _generated(problem, estimate), problem.query_rows)
    return energy(pair.x, pair.y)


def wasserstein_query(problem: Problem, estimate: SCM) -> float:
    """The rows of `mmd_query` against query rows, node by node; of a category the mass moved."""
    pair = _pair(problem, _generated(problem, estimate), problem.query_rows)
    return wasserstein(pair.x * pair.weight, pair.y * pair.weight)


def mmd_reconstruction(problem: Problem, estimate: SCM) -> float:
    """Context rows rebuilt from their inferred noise against query rows."""
    context = as_frame(problem.data.rows, problem.data.names)
    rows = estimate.generate(estimate.noise(context))
    pair = _pair(problem, checked(rows, problem.data.rows), problem.query_rows)
    return mmd(pair.x, pair.y)


def mmd_context(problem: Problem, _: SCM) -> float:
    """Context rows against query rows: what a perfect model would reach on average."""
    pair = _pair(problem, problem.data.rows, problem.query_rows)
    return mmd(pair.x, pair.y)


def _generated(problem: Problem, estimate: SCM, do: Any = None) -> np.ndarray:
    """As many rows as the query has, of the same noise for every metric that compares them.

    Seeded by the problem's name: its bytes differ between processors.
    """
    seed = seed_of(problem.name, "mmd")
    do = {**problem.given, **(do or {})} or None
    rows = estimate.sample(len(problem.query_rows), do, seed, noise="gaussian")
    return checked(rows, problem.query_rows)


def _pair(problem: Problem, rows: np.ndarray, true: np.ndarray) -> Pair:
    return comparable(rows, true, problem.data.columns)


def _of_draws(
    value: Callable[[Problem, SCM], float], about: str, applies: Condition, unit: str = ""
) -> Metric:
    """A metric of rows that it draws; in version 1 the problem's bytes seeded them."""
    return Metric(value, about, applies, version=2, digits=4, unit=unit)


OF_PROBLEMS = ("graph_distance", "graph_missing", "graph_extra", "graph_reversed", "mmd_context")
INTERVAL_SCORE, AVERAGE_OUTSIDE, ROWS_OUTSIDE = of_drawn_effects(
    Contrast.interval_score, Contrast.outside, Contrast.rows_outside
)
PAIRS, OUTCOME = "pairs of nodes", f"{DEVIATIONS} of the outcome"

OWN: dict[str, Metric] = {
    "noise": Metric(noise, "RMSE of the query rows' noise (residual abduction)", residual_noise),
    "sample": Metric(sample, "RMSE of rows generated from the true query noise", additive_noise),
    "intervention": Metric(
        intervention, "RMSE of interventional rows from the true noise", additive_noise
    ),
    "counterfactual": Metric(counterfactual, "RMSE of counterfactual query rows", has_truth),
    "noise_smoothed": Metric(noise_smoothed, "RMSE of the noise's posterior mean", smoothed_noise),
    "noise_published": Metric(
        noise_published,
        "RMSE of the context's smoothed noise, as published code logs it",
        published_noise,
    ),
    "noise_residual": Metric(
        noise_residual, "RMSE of x - E[x | parents] from the true noise", scored_residual
    ),
    "graph_distance": Metric(
        graph_distance,
        "Structural Hamming distance of the given graph",
        other_graph_given,
        digits=1,
        unit=PAIRS,
    ),
    "graph_missing": Metric(
        graph_missing,
        "Edges of the true graph that the given one lacks",
        other_graph_given,
        digits=1,
        unit=PAIRS,
    ),
    "graph_extra": Metric(
        graph_extra,
        "Edges of the given graph that the true one lacks",
        other_graph_given,
        digits=1,
        unit=PAIRS,
    ),
    "graph_reversed": Metric(
        graph_reversed,
        "Edges of the given graph that point the other way",
        other_graph_given,
        digits=1,
        unit=PAIRS,
    ),
    "residual": Metric(
        residual, "RMS distance of query rows from F, not 0 for the truth", real_data_residual
    ),
    "mmd_query": _of_draws(mmd_query, "MMD^2 of generated rows, Gaussian noise", draws_compared),
    "mmd_intervention": _of_draws(
        mmd_intervention, "MMD^2 of interventional rows", clamped_draws_compared
    ),
    "mmd_reconstruction": Metric(
        mmd_reconstruction, "MMD^2 of reconstructed context", rows_rebuilt, digits=4, unit=""
    ),
    "mmd_context": Metric(
        mmd_context, "MMD^2 of the context, for reference", rows_compared, digits=4, unit=""
    ),
    "mmd_query_unbiased": _of_draws(
        mmd_query_unbiased, "MMD^2 of generated rows, unbiased estimator", rows_compared
    ),
    "energy_query": _of_draws(energy_query, "Energy distance of generated rows", rows_compared),
    "wasserstein_query": _of_draws(
        wasserstein_query,
        "Wasserstein-1 distance by node of generated rows",
        rows_compared,
        unit=Metric.unit,
    ),
    "effect_average": Metric(
        of_effects(Contrast.average),
        "Error of the average effect of the treatment",
        effect_asked,
        unit=OUTCOME,
    ),
    "effect_bias": Metric(
        of_effects(Contrast.bias),
        "Error of the average effect with its sign",
        effect_asked,
        unit=OUTCOME,
        aim=0.0,
    ),
    "effect_relative": Metric(
        of_effects(Contrast.relative),
        "Error of the average effect over the true effect",
        effect_asked,
        unit="",
    ),
    "effect_individual": Metric(
        of_effects(Contrast.individual),
        "RMSE of the effects on single rows (PEHE)",
        effect_asked,
        unit=OUTCOME,
    ),
    "effect_interval": Metric(
        INTERVAL_SCORE,
        "Interval score of the average effect's 90 % interval: width and what it misses",
        effect_drawn,
        unit=OUTCOME,
    ),
    "effect_outside": Metric(
        AVERAGE_OUTSIDE,
        "Share of problems whose average effect lies outside its 90 % interval",
        effect_drawn,
        digits=2,
        unit="",
        aim=OUTSIDE,
    ),
    "effect_rows_outside": Metric(
        ROWS_OUTSIDE,
        "Share of rows whose effect lies outside its 90 % interval",
        effect_drawn,
        digits=2,
        unit="",
        aim=OUTSIDE,
    ),
}

METRICS: Metrics = Metrics(OWN)
"""Every metric by its name, in the order of tables.

`METRICS[name].value(problem, estimate)` is a number, lower is better or, where it has one, the
nearer to its `aim`; it has a meaning where `METRICS[name].applies(problem, estimate)`.

Example:
    >>> from bench import METRICS, load_method, load_suite
    >>> problem = load_suite("lorch", preset="smoke")[0].problem()
    >>> round(METRICS["noise"].value(problem, problem.truth), 9)
    0.0
    >>> estimate = load_method("linear").fit(problem.context, problem.graph)
    >>> METRICS["noise"].applies(problem, estimate)
    True
    >>> 0 < METRICS["noise"].value(problem, estimate) < 1
    True
"""
