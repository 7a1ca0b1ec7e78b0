"""Where rows stand to the context that an estimate was learnt from, and how F may go on beyond it.

The context's range is a box: the least and greatest value of each column. Rows in it may still be
far from any row of the context, which is not told here.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from bench.scm.base import AdditiveSCM, Drawn
from bench.scm.do import Do

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[np.ndarray, Sequence[int]], np.ndarray]

CONTINUATIONS = (None, "line")
EDGE = 0.05  # share of the context's rows in the outer parts of a column's range
BENT, STRAIGHT = 0.97, 0.99  # shares of variance between which F goes from bent to straight


@dataclass(frozen=True)
class Range:
    """The range of each column of a context [N, D].

    Attributes:
        low, high: least and greatest value.
        inner: quantiles between which `EDGE` of the rows are not, [2, D].
        deviation: standard deviation, all [D].
    """

    low: np.ndarray
    high: np.ndarray
    inner: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """The range of rows [N, D]."""
        inner = np.quantile(rows, [EDGE / 2, 1 - EDGE / 2], axis=0)
        return cls(rows.min(0), rows.max(0), inner, rows.std(0))

    def clip(self, x: np.ndarray) -> np.ndarray:
        """The nearest place in range of rows [N, D]."""
        return x.clip(self.low, self.high)

    def gap(self, x: np.ndarray) -> np.ndarray:
        """How far rows [N, D] are beyond the range, in deviations; infinite off a constant."""
        beyond = np.abs(x - self.clip(x))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(beyond > 0, beyond / self.deviation, 0.0)

    def edge(self, x: np.ndarray) -> np.ndarray:
        """Whether rows [N, D] are in the outer parts of the range, or beyond."""
        return (x < self.inner[0]) | (x > self.inner[1])


def support(
    scm: AdditiveSCM, df: "pd.DataFrame", do: Do | None = None
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Whether the parents of each node have values that the context tells about.

    Args:
        scm: an estimate. df: rows. do: if given, the rows are those that they had been under it.

    Returns:
        Two tables like `df`: "inside", "edge" (a parent has a value as the outer twentieth of the
        context has) or "outside" (a parent is beyond the context's range); and by how many of its
        standard deviations the farthest parent is beyond. A node without parents is inside.
    """
    import pandas as pd

    rows = scm.counterfactual(df, do) if do else df
    x = rows[list(scm.names)].to_numpy(dtype=np.float64)
    known = Range.of(scm.context)
    gap, edge = known.gap(x), known.edge(x)
    farthest, near = np.zeros_like(x), np.zeros(x.shape, dtype=bool)
    for j, parents in enumerate(scm.adjacency.T):
        if parents.any():
            farthest[:, j], near[:, j] = gap[:, parents].max(1), edge[:, parents].any(1)
    kinds = np.where(farthest > 0, "outside", np.where(near, "edge", "inside"))
    like: dict[str, Any] = {"columns": list(scm.names), "index": rows.index}
    return pd.DataFrame(kinds, **like), pd.DataFrame(farthest, **like)


def checked(continuation: str | None) -> bool:
    """Whether mechanisms are to be `Continued`.

    Raises:
        ValueError: it is none of `CONTINUATIONS`.
    """
    if continuation not in CONTINUATIONS:
        raise ValueError(f"continuation is None or 'line', not {continuation!r}")
    return continuation is not None


class Continued:
    """Mechanisms that go straight on beyond the context as far as they are lines within it.

    Beyond the range F(x) is a mean of F(x) itself and of F(clip x) + w . (x - clip x), where clip
    takes the nearest place in range and w is the least-squares line of F over the context. Its
    weight, the gate, rises from 0 to 1 while the share of F's variance that the line explains goes
    from `BENT` to `STRAIGHT`. Within the range nothing changes.

    Args:
        predict: (z [N, D], nodes) -> F of the nodes [N, len(nodes)]. z: the context [N, D].
        parents: of each node.
    """

    def __init__(self, predict: Predict, z: np.ndarray, parents: Sequence[np.ndarray]) -> None:
        self.predict, self.parents, self.range = predict, parents, Range.of(z)
        self.weights = np.zeros((z.shape[1], z.shape[1]))  # row = parent
        self.gate = np.zeros(z.shape[1])
        nodes = [j for j, its_parents in enumerate(parents) if len(its_parents)]
        for j, f in zip(nodes, predict(z, nodes).T, strict=True):
            self.weights[parents[j], j], share = straightness(z[:, parents[j]], f)
            self.gate[j] = gate_of(share)
        if hasattr(predict, "noise_scale"):
            self.noise_scale = predict.noise_scale

    @property
    def draw(self) -> "Callable[[np.random.Generator], Continued] | None":
        """(rng) -> a function of the posterior, continued alike, where the mechanisms can draw."""
        return self._draw if getattr(self.predict, "draw", None) else None

    def _draw(self, rng: np.random.Generator) -> "Continued":
        other = copy(self)
        other.predict = cast(Drawn, self.predict).draw(rng)
        return other

    @property
    def relearn(self) -> "Callable[[np.ndarray], Continued] | None":
        """(z) -> of other rows, where the mechanisms can relearn."""
        return self._relearn if getattr(self.predict, "relearn", None) else None

    def _relearn(self, z: np.ndarray) -> "Continued":
        return Continued(cast(Drawn, self.predict).relearn(z), z, self.parents)

    def __call__(self, z: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of `nodes` at rows z [N, D]: [N, len(nodes)]."""
        answer, near = self.predict(z, nodes), self.range.clip(z)
        for place, j in enumerate(nodes):
            out = ((z != near) & (self.weights[:, j] != 0)).any(1)
            if self.gate[j] and out.any():
                straight = self.predict(near[out], [j])[:, 0]
                straight = straight + (z - near)[out] @ self.weights[:, j]
                answer[out, place] += self.gate[j] * (straight - answer[out, place])
        return answer


def straightness(x: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, float]:
    """The least-squares line of f [N] over x [N, P], and the share of f's variance it explains."""
    centred, rest = x - x.mean(0), f - f.mean()
    weights = np.linalg.lstsq(centred, rest, rcond=None)[0]
    total = np.square(rest).sum()
    left = np.square(rest - centred @ weights).sum()
    return weights, 1.0 if total == 0 else float(1 - left / total)


def gate_of(share: float) -> float:
    """How much F goes straight on, of the share of its variance that a line explains."""
    return float(np.clip((share - BENT) / (STRAIGHT - BENT), 0, 1))
