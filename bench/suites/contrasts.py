"""How suites choose an effect to ask about: a treatment, an outcome that it moves, two values."""

import numpy as np

from bench.scm.base import SCM, to_array
from bench.scm.contrast import Contrast
from bench.task import as_frame

QUARTER = 0.6745  # deviations from the mean to the quartile of a normal distribution
ENOUGH = 0.1  # average effect of an outcome that may be asked about, in its deviations


def choose_effect(
    scm: SCM, below: np.ndarray, rows: np.ndarray, seed: int
) -> tuple[int, int, float, float]:
    """A treatment and an outcome that it moves on average, and two values of the treatment.

    Args:
        scm: tells which outcomes move. below: who descends from whom, [D, D]. rows: a population
            [N, D], whose quartiles (if normal) are the values. seed: of the choice.

    Returns:
        Column numbers of cause and outcome; the low and the high value. Where no node moves another
        enough, the pair of the largest effect; where there is no edge, a pair without effect.
    """
    rng, table = np.random.default_rng(seed), as_frame(rows, scm.names)
    mean, unit = rows.mean(0), rows.std(0, ddof=1)
    low, high = mean - QUARTER * unit, mean + QUARTER * unit
    largest, found = -1.0, (0, 1)
    for cause in rng.permutation(len(unit)):
        outcomes = rng.permutation(np.flatnonzero(below[cause]))
        if not len(outcomes):
            continue
        ends = [_means(scm, table, cause, value) for value in (low[cause], high[cause])]
        moved = np.abs(ends[1] - ends[0])[outcomes] / unit[outcomes]
        if (moved >= ENOUGH).any():
            found = cause, outcomes[np.argmax(moved >= ENOUGH)]
            break
        if moved.max() > largest:
            largest, found = moved.max(), (cause, outcomes[moved.argmax()])
    cause, outcome = map(int, found)
    return cause, outcome, float(low[cause]), float(high[cause])


def _means(scm: SCM, table: "object", cause: int, value: float) -> np.ndarray:
    answer = scm.counterfactual(table, {scm.names[cause]: float(value)})
    return to_array(answer, scm.names).mean(0)


def contrast_of(
    truth: SCM, query: np.ndarray, effect: tuple[int, int, float, float], unit: np.ndarray
) -> Contrast:
    """The effect with the truth about each query row [N, D]; unit [D] is that of errors."""
    cause, outcome, low, high = effect
    names, table = truth.names, as_frame(query, truth.names)
    ends = [to_array(truth.counterfactual(table, {names[cause]: v}), names) for v in (low, high)]
    true = (ends[1] - ends[0])[:, outcome]
    return Contrast(names[cause], names[outcome], low, high, true, float(unit[outcome]))
