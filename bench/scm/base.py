"""The truth and the estimate of additive noise, over tables with named columns."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch

from bench.scm.batched import BatchedSCM
from bench.scm.do import Do, settle
from bench.scm.plan import make_plan
from bench.scm.shown import rounded
from bench.scm.verbs import SCM as SCM
from bench.scm.verbs import to_array as to_array
from bench.scm.verbs import whole as whole

if TYPE_CHECKING:
    import pandas as pd

Mechanisms = Callable[[np.ndarray, Sequence[int]], np.ndarray]
SHOWN_NUMBERS = 100_000  # of a context, up to which a printed estimate computes its residuals


class Drawn(Protocol):
    """What mechanisms may have besides; whoever uses it has looked whether it is there."""

    def draw(self, rng: np.random.Generator) -> Mechanisms:
        """Mechanisms that the data allow."""

    def relearn(self, rows: np.ndarray) -> Mechanisms:
        """Mechanisms of other rows [N, D], hyper-parameters kept."""

    def deviation(self, rows: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Standard deviations of F of `nodes` at rows [N, D], [N, len(nodes)]."""


class TrueSCM(SCM):
    """A drawn SCM (batch of one, float64) over a table."""

    def __init__(self, names: Sequence[str], scm: BatchedSCM) -> None:
        super().__init__(names)
        self.scm = scm

    def _described(self) -> tuple[np.ndarray | None, dict[str, list[str]]]:
        deviations = self.scm.noise_model.variance[0].sqrt().tolist()
        return self.scm.adjacency[0].numpy(), {"noise sd": rounded(deviations)}

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        return self.scm.mechanisms(torch.from_numpy(x)[None])[0].numpy()

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        return self.scm.generate(torch.from_numpy(u)[None], torch.from_numpy(clamps)[None])[
            0
        ].numpy()

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        if kind == "gaussian":
            draws = torch.randn(n, len(self.names), generator=generator, dtype=torch.float64)
            return (draws * self.scm.noise_model.variance[0].sqrt()).numpy()
        return self.scm.noise_model.draw(n, generator)[0].numpy()


class AdditiveSCM(SCM):
    """An estimated F with the context's residuals as its noise.

    Verbs evaluate only the nodes that `do` can change. The last solution without `do` is kept,
    since interventions are asked for in series.

    Args:
        names: columns. adjacency: [D, D], row = parent.
        mechanisms: (x [N, D], nodes) -> F of these nodes, [N, len(nodes)]; reads parents only.
        context: rows whose residuals `sample` draws from, [N, D].
        noise_scale: the method's own estimate of each node's noise standard deviation, [D], to
            which residuals are scaled; None leaves them as they are.

    Raises:
        ValueError: the graph has a cycle.
    """

    def __init__(
        self,
        names: Sequence[str],
        adjacency: np.ndarray,
        mechanisms: Mechanisms,
        context: np.ndarray,
        noise_scale: np.ndarray | None = None,
    ) -> None:
        super().__init__(names)
        self.adjacency = np.asarray(adjacency, dtype=bool)
        self.levels, self.below = order(self.adjacency)
        self.mechanisms, self.context = mechanisms, context
        self.free: tuple[np.ndarray, np.ndarray] | None = None
        if noise_scale is not None:
            self.noise_scale = noise_scale

    def _described(self) -> tuple[np.ndarray | None, dict[str, list[str]]]:
        columns = {"noise sd": rounded(self.noise_scale)}
        if self.context.size <= SHOWN_NUMBERS or "centred" in vars(self):
            total = self.context.var(0)
            left = np.divide(self.centred.var(0), total, out=np.ones_like(total), where=total > 0)
            columns["explained"] = [f"{round(100 * (1 - share))} %" for share in left.tolist()]
        return self.adjacency, columns

    @cached_property
    def centred(self) -> np.ndarray:
        """Residuals of the context, with mean zero, [N, D]."""
        residuals = self.context - self._mechanisms(self.context)
        return residuals - residuals.mean(0)

    @cached_property
    def noise_scale(self) -> np.ndarray:
        """Standard deviation of each node's noise, [D], as the method says it."""
        return self._spread()

    @cached_property
    def residuals(self) -> np.ndarray:
        """What `sample` draws from, [N, D]."""
        spread = self._spread()
        ratio = np.divide(self.noise_scale, spread, out=np.ones_like(spread), where=spread > 0)
        return self.centred * ratio

    def _spread(self) -> np.ndarray:
        alone = len(self.centred) == 1
        return np.zeros(len(self.names)) if alone else self.centred.std(0, ddof=1)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """See `SCM`; x + (F(new parents) - F(old parents)): what nothing moves stays to the bit."""
        x = to_array(df, self.names)
        settled = settle(do, self.names, len(x))
        return self._answer(settled.solve(lambda clamps: self._moved(x, clamps)), df)

    @property
    def draws(self) -> "Callable[[int, int], Iterator[AdditiveSCM]] | None":  # type: ignore[override]
        """(n, seed) -> n SCMs that the data allow, where the mechanisms have `draw`; else None."""
        return self._draws if getattr(self.mechanisms, "draw", None) else None

    def _draws(self, n: int, seed: int = 0) -> "Iterator[AdditiveSCM]":
        for k in range(n):
            drawn = cast(Drawn, self.mechanisms).draw(np.random.default_rng([seed, k]))
            yield self._with(drawn, self.context)

    @property
    def predict_mechanism(self) -> "Callable[[pd.DataFrame], tuple[pd.DataFrame, ...]] | None":
        """(df) -> mean and standard deviation of F, where the mechanisms have `deviation`."""
        return self._predicted if getattr(self.mechanisms, "deviation", None) else None

    def _predicted(self, df: "pd.DataFrame") -> "tuple[pd.DataFrame, ...]":
        x = to_array(df, self.names)
        deviation = cast(Drawn, self.mechanisms).deviation(x, range(x.shape[1]))
        return self._answer(self._mechanisms(x), df), self._answer(deviation, df)

    @property
    def refit(self) -> "Callable[[pd.DataFrame], AdditiveSCM] | None":
        """(df) -> the estimate of other rows, where the mechanisms have `relearn`; else None."""
        return self._refit if getattr(self.mechanisms, "relearn", None) else None

    def _refit(self, df: "pd.DataFrame") -> "AdditiveSCM":
        rows = to_array(df, self.names)
        return self._with(cast(Drawn, self.mechanisms).relearn(rows), rows)

    def _with(self, mechanisms: Mechanisms, context: np.ndarray) -> "AdditiveSCM":
        other = AdditiveSCM.__new__(AdditiveSCM)
        other.names, other.levels, other.below = self.names, self.levels, self.below
        other.adjacency, other.method = self.adjacency, self.method
        other.mechanisms, other.context, other.free = mechanisms, context, None
        return other

    def _moved(self, x: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows x [N, D] with nodes clamped, and what follows moved as F moves."""
        moved, changed = np.where(np.isnan(clamps), x, clamps), set(self._changed(clamps))
        for level in self.levels:
            if nodes := [j for j in level if j in changed]:  # asked alike: equal to the bit
                change = self.mechanisms(moved, nodes) - self.mechanisms(x, nodes)
                moved[:, nodes] = x[:, nodes] + change
        return moved

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        return self.mechanisms(x, range(x.shape[1]))

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        if self.free is None or not np.array_equal(self.free[0], u):
            x = u.copy()
            for nodes in self.levels:
                x[:, nodes] = u[:, nodes] + self.mechanisms(x, nodes)
            self.free = u.copy(), x
        return self._clamped(self.free[1], u, clamps)

    def _clamped(self, x: np.ndarray, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows `x`, a solution for noise `u`, with nodes clamped and what follows solved again."""
        x, changed = np.where(np.isnan(clamps), x, clamps), set(self._changed(clamps))
        for level in self.levels:
            if nodes := [j for j in level if j in changed]:
                x[:, nodes] = u[:, nodes] + self.mechanisms(x, nodes)
        return x

    def _changed(self, clamps: np.ndarray) -> list[int]:
        clamped = ~np.isnan(clamps[0])
        return np.flatnonzero(self.below[clamped].any(0) & ~clamped).tolist()

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if kind == "gaussian":
            return rng.standard_normal((n, len(self.names))) * self.noise_scale
        rows = rng.integers(len(self.residuals), size=(n, len(self.names)))
        return np.take_along_axis(self.residuals, rows, 0)


def order(adjacency: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    """Nodes by their longest path from a root, and who descends from whom [D, D].

    Raises:
        ValueError: the graph has a cycle.
    """
    level = make_plan(torch.from_numpy(adjacency)[None]).level[0].numpy()
    levels = [np.flatnonzero(level == k).tolist() for k in range(level.max() + 1)]
    below = adjacency.copy()
    for node in (j for nodes in reversed(levels) for j in nodes):
        below[node] |= below[adjacency[node]].any(0)
    return levels, below
