"""Errors of rows and of noise: estimates against the true noise, the query, the interventions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import member
from bench.scm.base import SCM
from bench.task import Problem, as_frame

if TYPE_CHECKING:
    import pandas as pd


def rmse(error: np.ndarray, scale: np.ndarray) -> float:
    """Mean over rows of the root of the mean over nodes of the squared error [N, D] / scale [D]."""
    return float(np.sqrt(np.square(error / scale).mean(1)).mean())


def noise(problem: Problem, estimate: SCM) -> float:
    """Noise abducted from query rows against the true noise."""
    return _noise_error(problem, estimate.noise(problem.query))


def noise_smoothed(problem: Problem, estimate: SCM) -> float:
    """Noise of query rows as their posterior mean, which may use the row's own value."""
    return _noise_error(problem, member(estimate, "noise_smoothed")(problem.query))


def noise_residual(problem: Problem, estimate: SCM) -> float:
    """x - E[x | parents] of a model whose own noise has other units, against the true noise."""
    return _noise_error(problem, member(estimate, "noise_residual")(problem.query))


def noise_published(problem: Problem, estimate: SCM) -> float:
    """Noise of the context's rows as published code logs it: told the rows, and the query's scale.

    Easier than `noise`, and the only one of these errors that the figures printed with Cond-FiP
    can stand beside.
    """
    both = as_frame(np.vstack([problem.data.rows, problem.query_rows]), problem.data.names)
    answer = checked(member(estimate, "noise_published")(both), both.to_numpy())
    true = problem.known_truth.noise(problem.context).to_numpy()
    return rmse(answer[: len(true)] - true, problem.scale)


def sample(problem: Problem, estimate: SCM) -> float:
    """Rows generated from the true query noise against the query rows."""
    return _error(problem, estimate.generate(problem.query_noise), problem.query_rows)


def intervention(problem: Problem, estimate: SCM) -> float:
    """Rows generated from the true query noise under interventions; their plain average."""
    noise = problem.query_noise
    return _average(problem, lambda do: estimate.generate(noise, do))


def counterfactual(problem: Problem, estimate: SCM) -> float:
    """Query rows under interventions, their noise abducted by the estimate; their plain average."""
    query = problem.query
    return _average(problem, lambda do: estimate.counterfactual(query, do))


def residual(problem: Problem, estimate: SCM) -> float:
    """How far query rows lie from F of their parents; the truth's own is the noise, not 0."""
    left = member(estimate, "noise_residual") or estimate.noise
    scored = _scored(problem)
    error = checked(left(problem.query), problem.query_rows)
    return rmse(error[:, scored], problem.scale[scored])


def node_residuals(problem: Problem, estimate: SCM) -> dict[str, float]:
    """How far query rows lie from F, node by node: root mean square in standard deviations.

    1 is no better than the mean; a noiseless truth would have 0. None where noise has other units
    and the estimate tells no residual.
    """
    left = member(estimate, "noise_residual")
    if left is None:
        if estimate.noise_space != "additive" or not member(estimate, "noise_metric"):
            return {}
        left = estimate.noise
    errors = checked(left(problem.query), problem.query_rows) / problem.scale
    spread = np.sqrt(np.square(errors).mean(0)).tolist()
    columns = zip(problem.data.names, spread, _scored(problem), strict=True)
    return {name: value for name, value, scored in columns if scored}


def _scored(problem: Problem) -> np.ndarray:
    """Whether a node's error counts: not where the query's values were set, [D]."""
    return np.array([name not in problem.given for name in problem.data.names])


def _average(problem: Problem, answer: Callable[[Any], "pd.DataFrame"]) -> float:
    errors = [_error(problem, answer(i.do), i.rows.to_numpy()) for i in problem.interventions]
    return float(np.mean(errors))


def _noise_error(problem: Problem, answer: "pd.DataFrame") -> float:
    if problem.query_noise_rows is None:
        raise ValueError("the true noise of this problem's query rows is not known")
    return _error(problem, answer, problem.query_noise_rows)


def _error(problem: Problem, answer: "pd.DataFrame", truth: np.ndarray) -> float:
    return rmse(checked(answer, truth) - truth, problem.scale)


def checked(answer: "pd.DataFrame", like: np.ndarray) -> np.ndarray:
    """The answer as an array, of the shape of `like` [N, D].

    Raises:
        ValueError: it has another shape, or a number that is not finite.
    """
    rows = np.asarray(answer, dtype=np.float64)
    if rows.shape != like.shape:
        raise ValueError(f"the method answered with shape {rows.shape}, expected {like.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("the method answered with NaN or infinity")
    return rows
