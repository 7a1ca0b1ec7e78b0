"""Methods as scikit-learn regressors: one node, its parents the features."""

from numbers import Integral
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from bench.loaded import Completed, LoadedMethod
from bench.method import member
from bench.registry import load_method
from bench.scm.base import SCM, AdditiveSCM, to_array
from bench.task import Dataset, as_frame, column_names

TARGET = "y"


class Regressor(RegressorMixin, BaseEstimator):
    """The mechanism that a method learns for y, whose parents are the columns of X.

    It keeps scikit-learn's conventions (`check_estimator`), in float64: grids, pipelines, stacking
    and inspection take it. Features may have any order and unit.

    Args:
        method: a name as `load_method` takes it, or what that returns, for other settings. There
            is no default: a regressor without a method cannot be fitted.
        device: where to compute, for methods of a name that take one.
        random_state: the method's seed, an int.

    Attributes:
        scm_: the estimate, of nodes x0, x1, ... and y.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
    """

    def __init__(
        self,
        method: str | LoadedMethod = "",
        *,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.method, self.device, self.random_state = method, device, random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learns from rows X [N, P] and y [N].

        Raises:
            ValueError: NaN, text, shapes that do not match, no method or an unknown one, one that
                has no additive noise or cannot fit so few rows.
            bench.registry.Unavailable: the method's extra is not installed.
        """
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        method = self._loaded()
        names = column_names(X.shape[1])
        table = as_frame(np.column_stack([X, y]), [*names, TARGET])
        data = Dataset.of(table, [(name, TARGET) for name in names])
        if reason := method.skip(data):
            raise ValueError(f"{method.name} cannot fit these rows: {reason}")
        self.scm_ = method.fit(table, data.graph(), seed=int(self.random_state))
        return self

    def predict(
        self, X: Any, return_std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """E[y | X] of rows [M, P], [M]; with `return_std` also the standard deviation of y, [M].

        The deviation is that of a new y: what is unsure of F, and the noise.

        Raises:
            ValueError: another number or other names of features; a deviation is asked for and the
                method has none.
        """
        check_is_fitted(self)
        rows = self._rows(X)
        if not return_std:
            return mechanism_of(self.scm_, rows, rows.shape[1] - 1)
        if (predict := member(self.scm_, "predict_mechanism")) is None:
            name = getattr(self.method, "name", self.method)
            raise ValueError(f"{name} does not say how sure it is; predict without return_std")
        mean, deviation = (t[TARGET].to_numpy() for t in predict(as_frame(rows, self.scm_.names)))
        return mean, np.hypot(deviation, self._noise)

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of y [M], [M], which hold a new y with chance `level`.

        They are the method's own `intervals`, or those of a normal with the mean and the deviation
        of `predict`.

        Raises:
            ValueError: level is not between 0 and 1, or see `predict`.
        """
        if not 0 < level < 1:
            raise ValueError(f"level is a chance between 0 and 1, not {level}")
        check_is_fitted(self)
        if intervals := member(self.scm_, "intervals"):
            table = as_frame(self._rows(X), self.scm_.names)
            low, high = (ends[TARGET].to_numpy() for ends in intervals(table, level))
            return low, high
        mean, deviation = self.predict(X, return_std=True)
        reach = NormalDist().inv_cdf((1 + level) / 2) * deviation
        return mean - reach, mean + reach

    def _loaded(self) -> LoadedMethod:
        if isinstance(self.random_state, bool) or not isinstance(self.random_state, Integral):
            raise ValueError(f"random_state is an int, not {self.random_state!r}")
        if not self.method:
            raise ValueError('name a method, as in Regressor("linear"); `bench list` has them all')
        method = self.method
        if isinstance(method, str):
            method = load_method(method, device=self.device)
        if method.noise_space != "additive":
            raise ValueError(f"{method.name} has no additive noise, so no mean of y given X")
        return method

    def _rows(self, X: Any) -> np.ndarray:
        """Rows [M, P + 1] of the estimate's nodes; no mechanism of y reads the last."""
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.column_stack([X, np.zeros(len(X))])

    @property
    def _noise(self) -> float:
        """Standard deviation of y's noise, as the estimate or its context says."""
        scm: Any = self.scm_
        if isinstance(scm, Completed):
            return float(scm.noise(scm.data.frame())[TARGET].std())
        return float(scm.noise_scale[-1])


def mechanism_of(scm: SCM, rows: np.ndarray, node: int) -> np.ndarray:
    """F of one node of an estimate at rows [N, D], [N]; others are not asked where that can be."""
    if isinstance(scm, AdditiveSCM):
        return scm.mechanisms(rows, [node])[:, 0]
    return to_array(scm.mechanism(as_frame(rows, scm.names)), scm.names)[:, node]
