"""Errors of an effect: metrics made from the scores of `bench.scm.contrast`."""

from collections.abc import Callable

import numpy as np

from bench.scm.base import SCM
from bench.scm.contrast import Contrast
from bench.task import Problem

Score = Callable[[Contrast, np.ndarray], float]
Value = Callable[[Problem, SCM], float]


def of_effects(score: Score) -> Value:
    """Makes a metric of the effect that the estimate tells of each query row, [N]."""

    def value(problem: Problem, estimate: SCM) -> float:
        contrast = _asked(problem)
        return score(contrast, contrast.of(estimate, problem.query))

    return value


def of_drawn_effects(score: Score) -> Value:
    """Makes a metric of the effects that the estimate holds possible, [S, N]."""

    def value(problem: Problem, estimate: SCM) -> float:
        rows, contrast = _asked(problem).thinned(problem.query)
        drawn = contrast.drawn(estimate, rows)
        if drawn is None:
            raise ValueError("the estimate knows no interval")
        return score(contrast, drawn)

    return value


def _asked(problem: Problem) -> Contrast:
    if problem.contrast is None:
        raise ValueError("this problem asks for no effect")
    return problem.contrast
