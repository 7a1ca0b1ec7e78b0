"""Errors of an effect: metrics made from the scores of `bench.scm.contrast`."""

from collections.abc import Callable
from functools import partial
from weakref import ref

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


def of_drawn_effects(*scores: Score) -> tuple[Value, ...]:
    """Makes metrics of the effects that the estimate holds possible, [S, N].

    They share what was drawn for the last problem and estimate: draws are most of the time.
    """
    drawn = LastDrawn()

    def value(score: Score, problem: Problem, estimate: SCM) -> float:
        return score(*drawn.of(problem, estimate))

    return tuple(partial(value, score) for score in scores)


class LastDrawn:
    """The effects drawn last, for as long as their problem and estimate are the ones asked for."""

    def __init__(self) -> None:
        self.last: tuple[Callable, Callable, Contrast, np.ndarray] | None = None

    def of(self, problem: Problem, estimate: SCM) -> tuple[Contrast, np.ndarray]:
        """What is asked of some query rows, and the effects drawn of these, [S, N].

        Raises:
            ValueError: the estimate knows no interval, or its answer is none.
        """
        last = self.last
        if last is None or last[0]() is not problem or last[1]() is not estimate:
            rows, contrast = _asked(problem).thinned(problem.query)
            effects = contrast.drawn(estimate, rows)
            if effects is None:
                raise ValueError("the estimate knows no interval")
            self.last = last = ref(problem), ref(estimate), contrast, effects
        return last[2], last[3]


def _asked(problem: Problem) -> Contrast:
    if problem.contrast is None:
        raise ValueError("this problem asks for no effect")
    return problem.contrast
