"""Fits a method to a table of numbers and levels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.method import member
from bench.mixed.encode import Encoder
from bench.mixed.logistic import Logistic
from bench.mixed.scm import MixedSCM
from bench.scm.base import SCM
from bench.task import Dataset


def fit_mixed(method: Any, data: Dataset, seed: int, fit: Callable[[Dataset], SCM]) -> MixedSCM:
    """An estimate whose numbers are the method's, and whose levels are a classifier's.

    Args:
        method: additive; if it has `classify`, nodes with levels are its own too.
        data: with types. seed: of the method and of the noise of levels. fit: of numbers alone.

    Raises:
        ValueError: whatever the method raises.
    """
    encoder = Encoder(data)
    encoded = encoder.dataset(data)
    numbers = None
    if len(data.discrete) < len(data.names):
        numbers = fit(encoded)
    classify = member(method, "classify") or logistic
    classifiers = {}
    for j in data.discrete:
        parents = encoder.places(np.flatnonzero(data.adjacency[:, j]))
        count = len(data.columns[j].levels)
        classifiers[j] = classify(encoded.rows[:, parents], data.rows[:, j], count, seed)
    return MixedSCM(data, encoder, numbers, classifiers, seed)


def logistic(x: np.ndarray, codes: np.ndarray, count: int, seed: int) -> Logistic:
    """The classifier beside methods that bring none; nothing is drawn."""
    return Logistic(x, codes, count)


def why_not(method: Any, data: Dataset) -> str | None:
    """Why a method cannot take a table of numbers and levels, None where it can."""
    if member(method, "noise_space") != "additive":
        kinds = {column.kind for column in data.columns} - {"float"}
        what = f"{' and '.join(sorted(kinds))} columns" if kinds else "missing values"
        return f"it takes numbers only, not {what}"
    return member(method, "skip")(Encoder(data).dataset(data))
