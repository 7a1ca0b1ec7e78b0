"""The five verbs over tables with named columns: what a truth and an estimate have in common."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.scm.do import Do, settle
from bench.scm.shown import parents_of, small_table

if TYPE_CHECKING:
    import pandas as pd

NOISE_DRAWS = ("empirical", "gaussian")


def to_array(table: "pd.DataFrame | np.ndarray", names: Sequence[str]) -> np.ndarray:
    """The columns `names` of a table, in that order, as float64 [N, D].

    Raises:
        ValueError: a column is missing, lacks a value, or holds dates or complex numbers; or an
            array has another number of columns or masked values.
    """
    _refuse_others(table)
    if isinstance(table, np.ndarray) or not hasattr(table, "columns"):
        rows = np.asarray(table, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise ValueError(f"expected {len(names)} columns, got shape {rows.shape}")
        return whole(rows, names)
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(f"unknown columns: the table lacks {', '.join(map(str, missing))}")
    return whole(table[list(names)].to_numpy(dtype=np.float64, na_value=np.nan, copy=True), names)


def _refuse_others(table: "pd.DataFrame | np.ndarray") -> None:
    """Raises where float64 would hold something else than the table does."""
    if np.ma.is_masked(table):
        raise ValueError("an array has masked values; fill them")
    dtypes = table.dtypes if hasattr(table, "dtypes") else [np.asarray(table).dtype]
    if odd := [dtype for dtype in dtypes if dtype.kind in "cMm"]:
        raise ValueError(f"expected numbers, got {odd[0]}")


def whole(rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Checks that rows [N, D] have no NaN, and returns them.

    Raises:
        ValueError: NaN, with the column that has it.
    """
    holes = np.isnan(rows)
    if holes.any():
        j = int(holes.any(0).argmax())
        count, first = int(holes[:, j].sum()), int(holes[:, j].argmax()) + 1
        raise ValueError(
            f"column {names[j]} has NaN in {count} of {len(rows)} rows (first: row {first}); "
            "drop these rows or fill them"
        )
    return rows


class SCM:
    """A structural causal model x = F(x) + u over tables, the truth or an estimate of it.

    F gives each node from its parents, u is the noise (Pearl, "Causality", 2009, chapter 7). All
    verbs take and give tables of N rows whose columns are the nodes, D of them, in the data's own
    units; answers have the columns `names` in their order and the index of what was asked about.

    Attributes:
        names: the nodes, which are the names of the columns, [D].
        noise_space: "additive" where noise is in its node's units, "base" where it has its own.
        method: the name of the method that estimated it, "" for a truth.

    Example:
        >>> from bench import load_method, load_suite
        >>> problem = load_suite("lorch", preset="smoke")[0].problem()
        >>> scm = load_method("linear").fit(problem.context, problem.graph)
        >>> u = scm.noise(problem.query)
        >>> bool((scm.generate(u) - problem.query).abs().max().max() < 1e-9)  # the same rows again
        True
        >>> scm.counterfactual(problem.query, {"x2": 1.5})["x2"].unique().tolist()
        [1.5]
        >>> scm.sample(3, do={"x2": 1.5}, seed=0).shape
        (3, 10)
    """

    noise_space = "additive"
    method = ""
    draws: "Callable[[int, int], Iterable[SCM]] | None" = None  # see `bench.method.Estimate`

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def __repr__(self) -> str:
        adjacency, columns = self._described()
        title = f"{self.method or type(self).__name__}: an SCM of {len(self.names)} nodes"
        parents = parents_of(self.names, adjacency)
        return small_table(title, {"node": [*map(str, self.names)], "parents": parents, **columns})

    def _described(self) -> tuple[np.ndarray | None, dict[str, list[str]]]:
        """The graph, where it is known, [D, D]; and further columns of the table of nodes."""
        return getattr(self, "adjacency", None), {}

    def mechanism(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Predicts each node from its parents: F(x), what it would be without its noise.

        Args:
            df: rows of all nodes, [N, D].

        Returns:
            F of every node, [N, D].

        Raises:
            ValueError: a column is missing, or the noise is not additive, so that there is no F.
        """
        return self._answer(self._mechanisms(to_array(df, self.names)), df)

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Abducts the noise of rows: u = x - F(x) where it is additive.

        Args:
            df: rows of all nodes, [N, D].

        Returns:
            The noise of every node, [N, D], in its units where `noise_space` is "additive".

        Raises:
            ValueError: a column is missing.
        """
        x = to_array(df, self.names)
        return self._answer(x - self._mechanisms(x), df)

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """Solves x = F(x) + u, with the nodes of `do` set.

        Args:
            u: noise of all nodes, [N, D].
            do: {node: number, one value a row [N], or a change as in `bench.scm.do`}. A change
                (Shift, Scale, a function) reads the value that its node would have here, all
                other nodes of `do` set.

        Returns:
            The rows that this noise gives, [N, D]; nodes that do not descend from those of `do`
            are what they are without it.

        Raises:
            ValueError: `do` names an unknown column or has a value of none of its kinds.
        """
        return self._answer(self._done(to_array(u, self.names), do), u)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """Says what rows would have been, had the nodes of `do` been set: generate(noise(x), do).

        Args:
            df: rows as they were observed, [N, D].
            do: what is set; see `generate`.

        Returns:
            The same rows under `do`, [N, D].

        Raises:
            ValueError: a column is missing; see `generate`.
        """
        return self.generate(self.noise(df), do)

    def sample(
        self, n: int, do: Do | None = None, seed: int = 0, noise: str = "empirical"
    ) -> "pd.DataFrame":
        """Draws fresh rows: noise, then what it generates.

        Args:
            n: number of rows.
            do: what is set, None for nothing; see `generate`.
            seed: of the draws; the same seed gives the same rows.
            noise: "empirical" for draws, node by node, from the context's residuals; "gaussian"
                for Gaussians fitted to them. Of a truth, its own noise and Gaussians of its
                deviations.

        Returns:
            Rows [n, D], numbered from 0.

        Raises:
            ValueError: another kind of noise; see `generate`.
        """
        if noise not in NOISE_DRAWS:
            raise ValueError(f"noise is one of {', '.join(NOISE_DRAWS)}, not {noise!r}")
        u = self._draw_noise(n, seed, noise)
        return self._answer(self._done(u, do, seed), None)

    @property
    def can_draw(self) -> bool:
        """Whether `drawn` knows SCMs that the data allow."""
        return self.draws is not None

    def drawn(
        self, verb: str, df: "pd.DataFrame", do: Do, count: int, seed: int
    ) -> np.ndarray | None:
        """Asks several SCMs that the data allow what holds under do.

        Args:
            verb: "generate" or "counterfactual".
            df: its rows, [N, D].
            do: what is set.
            count: number of SCMs.
            seed: of their draws; the same seed asks the same SCMs.

        Returns:
            Their answers, [count, N, D]; None where the estimate knows none.
        """
        if self.draws is None:
            return None
        answers = (getattr(scm, verb)(df, do) for scm in self.draws(count, seed))
        return np.stack([to_array(answer, self.names) for answer in answers])

    def _done(self, u: np.ndarray, do: Do | None, seed: int = 0) -> np.ndarray:
        """Rows of noise u [N, D] under `do`, whose draws have `seed`."""
        settled = settle(do, self.names, len(u), seed)
        return settled.solve(lambda clamps: self._generate(u, clamps))

    def _mechanisms(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows of noise u [N, D]; clamps [1 or N, D] are NaN in the columns that are free."""
        raise NotImplementedError

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        raise NotImplementedError

    def _answer(self, rows: np.ndarray, like: "pd.DataFrame | np.ndarray | None") -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(rows, columns=list(self.names), index=getattr(like, "index", None))
