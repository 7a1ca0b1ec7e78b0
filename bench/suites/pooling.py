"""Answers of several imputations as one (Rubin 1987, section 3.1)."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Measured = dict[str, dict[str, Any]]


def pool(answers: Sequence[Measured], level: float) -> Measured:
    """Means of all numbers; an interval holds what differs among the imputations too.

    Args:
        answers: of each imputation, under the same names. level: of the intervals.
    """
    pooled = {name: _mean([answer[name] for answer in answers]) for name in answers[0]}
    for name in answers[0]:
        *words, last = json.loads(name)
        ends = {end: json.dumps([*words, end], ensure_ascii=False) for end in ("low", "high")}
        if last == "effect" and all(end in answers[0] for end in ends.values()):
            wide = [_values(answers, end) for end in ends.values()]
            half = half_width(_values(answers, name), np.subtract(*wide[::-1]) / 2, level)
            middle = pooled[name].get("value", math.nan)
            if math.isfinite(half) and math.isfinite(middle):
                pooled[ends["low"]]["value"] = middle - half
                pooled[ends["high"]]["value"] = middle + half
    return pooled


def half_width(effects: np.ndarray, halves: np.ndarray, level: float) -> float:
    """Half of the pooled interval, of effects [M] with half-widths [M] of their own."""
    from scipy.stats import norm, t

    count = len(effects)
    within = np.square(halves / norm.ppf((1 + level) / 2)).mean()
    between = (1 + 1 / count) * effects.var(ddof=1)
    if between == 0:
        return float(halves.mean())
    freedom = (count - 1) * (1 + within / between) ** 2
    return float(t.ppf((1 + level) / 2, freedom) * (within + between) ** 0.5)


def _values(answers: Sequence[Measured], name: str) -> np.ndarray:
    return np.array([answer[name].get("value", math.nan) for answer in answers])


def _mean(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    missing = next((one for one in told if "missing" in one), None)
    if missing is not None:
        return dict(missing)
    return {**told[0], "value": float(np.mean([one["value"] for one in told]))}
