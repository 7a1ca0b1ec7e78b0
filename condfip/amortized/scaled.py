"""An SCM whose noise may vary in size with the parents: x = F(x) + s(x) u, s of mean square 1."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.scm.base import AdditiveSCM, Mechanisms
from bench.scm.do import Do, settle
from bench.scm.verbs import NOISE_DRAWS

if TYPE_CHECKING:
    import pandas as pd


class Sizes(Protocol):
    """How large each node's noise is at given rows, relative to its mean size."""

    @property
    def varying(self) -> frozenset[int]:
        """The nodes whose noise is not alike everywhere."""

    def __call__(self, x: np.ndarray, f: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """Of `nodes` at rows x [N, D] where F of them is f, [N, len(nodes)]."""


class ScaledSCM(AdditiveSCM):
    """Samples and counterfactuals follow the rows' own noise; `noise` and `generate` are additive.

    Where no node's noise varies all is as in `AdditiveSCM`, to the bit.

    Attributes:
        sizes: see `Sizes`.
    """

    sizes: Sizes
    last: tuple[np.ndarray, dict[int, np.ndarray]] | None = None

    @property
    def additive(self) -> AdditiveSCM:
        """The same F for whoever takes noise to be alike everywhere."""
        return AdditiveSCM(
            self.names, self.adjacency, self.mechanisms, self.context, self.noise_scale
        )

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """See `SCM`."""
        if not self.sizes.varying:
            return super().sample(n, do, seed, noise)
        if noise not in NOISE_DRAWS:
            raise ValueError(f"noise is one of {', '.join(NOISE_DRAWS)}, not {noise!r}")
        u, settled = self._draw_noise(n, seed, noise), settle(do, self.names, n, seed)
        return self._answer(settled.solve(lambda clamps: self._scaled(u, clamps)), None)

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        """See `AdditiveSCM`; of mean size, where sizes vary."""
        if kind == "gaussian" or not self.sizes.varying:
            return super()._draw_noise(n, seed, kind)
        rows = np.random.default_rng(seed).integers(len(self.units), size=(n, len(self.names)))
        return np.take_along_axis(self.units, rows, 0)

    @cached_property
    def units(self) -> np.ndarray:
        """Residuals of the context over their own sizes, with the noise's deviation, [N, D]."""
        f = self._mechanisms(self.context)
        return self._units(self.context - f, self.sizes(self.context, f, range(f.shape[1])))

    def _units(self, residuals: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Residuals [N, D] over sizes, centred and of the noise's deviation."""
        unit = residuals / sizes
        unit = unit - unit.mean(0)
        spread = unit.std(0)
        return unit * np.divide(
            self.noise_scale, spread, out=np.ones_like(spread), where=spread > 0
        )

    def _at(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of nodes at rows x [N, D] that are asked about in series, [N, len(nodes)]."""
        known = self.last
        if known is None or not np.array_equal(known[0], x):
            known = self.last = x.copy(), {}
        for j in nodes:
            if j not in known[1]:
                known[1][j] = self.mechanisms(known[0], [j])[:, 0]
        return np.column_stack([known[1][j] for j in nodes])

    def _scaled(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows of unit noise u [N, D] with nodes clamped."""
        x = np.where(np.isnan(clamps), u, clamps)
        for nodes in ([j for j in level if np.isnan(clamps[0, j])] for level in self.levels):
            if nodes:
                f = self.mechanisms(x, nodes)
                x[:, nodes] = f + self.sizes(x, f, nodes) * u[:, nodes]
        return x

    def _moved(self, x: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """See `AdditiveSCM`; the noise of a row grows as its size does."""
        moved, changed = np.where(np.isnan(clamps), x, clamps), set(self._changed(clamps))
        for level in self.levels:
            if nodes := [j for j in level if j in changed]:
                new, old = self.mechanisms(moved, nodes), self._at(x, nodes)
                change = new - old
                if self.sizes.varying.intersection(nodes):
                    ratio = self.sizes(moved, new, nodes) / self.sizes(x, old, nodes)
                    change += (ratio - 1) * (x[:, nodes] - old)
                moved[:, nodes] = x[:, nodes] + change
        return moved

    def _with(self, mechanisms: Mechanisms, context: np.ndarray) -> "ScaledSCM":
        """See `AdditiveSCM`; sizes stay."""
        other = ScaledSCM.__new__(ScaledSCM)
        other.__dict__ |= vars(super()._with(mechanisms, context))
        other.sizes = self.sizes
        return other
