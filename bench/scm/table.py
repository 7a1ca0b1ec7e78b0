"""The five verbs over tables with named columns: what a truth and an estimate have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.scm.model import SCM
from bench.scm.plan import make_plan

if TYPE_CHECKING:
    import pandas as pd

Do = Mapping[str, float]
Mechanisms = Callable[[np.ndarray, Sequence[int]], np.ndarray]
NOISE_DRAWS = ("empirical", "gaussian")


def to_array(table: "pd.DataFrame | np.ndarray", names: Sequence[str]) -> np.ndarray:
    """The columns `names` of a table, in that order, as float64 [N, D].

    Raises:
        ValueError: a column is missing, or an array has another number of columns.
    """
    if not hasattr(table, "columns"):
        rows = np.asarray(table, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise ValueError(f"expected {len(names)} columns, got shape {rows.shape}")
        return rows
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(f"unknown columns: the table lacks {', '.join(map(str, missing))}")
    return table[list(names)].to_numpy(dtype=np.float64, copy=True)


class TableSCM:
    """x = F(x) + u over DataFrames; subclasses say how F is evaluated and noise drawn.

    All verbs answer with the columns `names` and the input's index, in the data's own units.
    """

    noise_space = "additive"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def mechanism(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """F(x): what each node would be without its noise, given its parents in `df`."""
        return self._answer(self._mechanisms(to_array(df, self.names)), df)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Abduction: u = x - F(x)."""
        x = to_array(df, self.names)
        return self._answer(x - self._mechanisms(x), df)

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """Solves x = F(x) + u, with the nodes of `do` clamped.

        Raises:
            ValueError: `do` names an unknown column or has a value that is no finite number.
        """
        return self._answer(self._generate(to_array(u, self.names), self._clamps(do)), u)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """The rows of `df` had the nodes of `do` been clamped: generate(noise(x), do)."""
        return self.generate(self.noise(df), do)

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """Draws n fresh rows.

        Args:
            n: number of rows. do: nodes to clamp. seed: of the draws.
            noise: "empirical" (the context's residuals) or "gaussian" (fitted to them).
        """
        if noise not in NOISE_DRAWS:
            raise ValueError(f"noise is one of {', '.join(NOISE_DRAWS)}, not {noise!r}")
        u = self._draw_noise(n, seed, noise)
        return self._answer(self._generate(u, self._clamps(do)), None)

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        raise NotImplementedError

    def _clamps(self, do: Do | None) -> np.ndarray:
        """One value for each node, NaN where it is free, [D]."""
        clamps = np.full(len(self.names), np.nan)
        for name, value in (do or {}).items():
            if name not in self.names:
                raise ValueError(f"do names an unknown column: {name}")
            if not np.isfinite(value):
                raise ValueError(f"do({name}) needs a finite number, not {value}")
            clamps[self.names.index(name)] = value
        return clamps

    def _answer(self, rows: np.ndarray, like: "pd.DataFrame | np.ndarray | None") -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(rows, columns=list(self.names), index=getattr(like, "index", None))


class TrueSCM(TableSCM):
    """A drawn SCM (batch of one, float64) over a table."""

    def __init__(self, names: Sequence[str], scm: SCM) -> None:
        super().__init__(names)
        self.scm = scm

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


class AdditiveSCM(TableSCM):
    """An estimated F with the context's residuals as its noise.

    Args:
        names: columns. adjacency: [D, D], row = parent.
        mechanisms: (x [N, D], nodes) -> F of these nodes, [N, len(nodes)]; reads parents only.
        context: rows whose residuals `sample` draws from, [N, D].
        noise_scale: the method's own estimate of each node's noise standard deviation, [D], to
            which residuals are scaled; None leaves them as they are.
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
        level = (
            make_plan(torch.from_numpy(np.asarray(adjacency, dtype=bool))[None]).level[0].numpy()
        )
        self.levels = [np.flatnonzero(level == k).tolist() for k in range(level.max() + 1)]
        self.mechanisms = mechanisms
        residuals = context - self._mechanisms(context)
        residuals = residuals - residuals.mean(0)
        spread = residuals.std(0, ddof=1) if len(residuals) > 1 else np.zeros(len(self.names))
        self.noise_scale = spread if noise_scale is None else noise_scale
        ratio = np.divide(self.noise_scale, spread, out=np.ones_like(spread), where=spread > 0)
        self.residuals = residuals * ratio

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        return self.mechanisms(x, range(x.shape[1]))

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        x = np.where(np.isnan(clamps), u, clamps)
        for nodes in self.levels:
            value = u[:, nodes] + self.mechanisms(x, nodes)
            x[:, nodes] = np.where(np.isnan(clamps[nodes]), value, clamps[nodes])
        return x

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if kind == "gaussian":
            return rng.standard_normal((n, len(self.names))) * self.noise_scale
        rows = rng.integers(len(self.residuals), size=(n, len(self.names)))
        return np.take_along_axis(self.residuals, rows, 0)
