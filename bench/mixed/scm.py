"""The five verbs over a table of numbers and levels.

Numbers have additive noise in their units. A count is what is nearest to its number. The noise of
a node with levels is one uniform number u a row, and its value the first level, in the order of
the categories, whose cumulative probability given its parents exceeds u.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import member
from bench.mixed.encode import Encoder
from bench.mixed.logistic import LEAST
from bench.scm.base import SCM, AdditiveSCM, order, to_array, whole
from bench.scm.columns import FLOAT, code_do, codes_of, table_of
from bench.scm.do import Do, settle
from bench.task import Dataset, as_frame

if TYPE_CHECKING:
    import pandas as pd

EDGE = 1e-6  # of an interval of noise, that no draw comes nearer to its ends


class MixedSCM(SCM):
    """An additive estimate of the numbers beside a classifier for each node with levels.

    Args:
        data: the context. encoder: of parents. numbers: fitted to `encoder.dataset(data)`, None
            where no column is a number.
        classifiers: of each node with levels, by column number: encoded parents -> probabilities.
        seed: of the draws by which a level's noise is told.
    """

    noise_space = "base"

    def __init__(
        self,
        data: Dataset,
        encoder: Encoder,
        numbers: SCM | None,
        classifiers: dict[int, Any],
        seed: int,
    ) -> None:
        super().__init__(data.names)
        self.columns, self.context, self.adjacency = data.columns, data.rows, data.adjacency
        self.encoder, self.numbers, self.classifiers = encoder, numbers, classifiers
        self.seed, self.seen = seed % 2**63, data.columns
        self.levels, self.below = order(data.adjacency)
        if not classifiers:
            self.noise_space = "additive"

    # tables

    def coded(self) -> "MixedSCM":
        """The same over tables of codes, all float64, as `Dataset.rows` has them."""
        other = self._with(self.numbers, self.classifiers)
        other.seen = (FLOAT,) * len(self.names)
        return other

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """See `SCM`; of a level drawn from its interval, of a count within half a unit."""
        return self._told(self._abduct(self._codes(df)), df)

    def noise_residual(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """x - E[x | parents]; of a category what the probabilities miss, 0 where they are sure.

        Of a category it is the root of the Brier score in the units of its codes, so that who knows
        the shares only leaves its deviation.
        """
        x = self._codes(df)
        left = x - self.expected(x, range(len(self.names)))
        for j in (j for j in self.classifiers if self.columns[j].kind == "category"):
            left[:, j] = self._brier(x, j) * self._unit(j)
        return self._told(left, df)

    def mechanism(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """E[x | parents], of yes and no the probability.

        Raises:
            ValueError: a category, which has none.
        """
        for j in self.classifiers:
            if self.columns[j].kind == "category":
                raise ValueError(f"{self.names[j]} is a category, which has no mean")
        return self._told(self.expected(self._codes(df), range(len(self.names))), df)

    def generate(self, u: "pd.DataFrame", do: Do | None = None) -> "pd.DataFrame":
        """See `SCM`."""
        return self._answer(self._done(to_array(u, self.names), do), u)

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """See `SCM`; what nothing moves stays to the bit."""
        x = self._codes(df)
        u = self._abduct(x)
        settled = settle(self._do(do), self.names, len(x))
        return self._answer(settled.solve(lambda clamps: self._moved(x, u, clamps)), df)

    def _codes(self, df: "pd.DataFrame") -> np.ndarray:
        if self.seen is not self.columns:
            return to_array(df, self.names)
        return whole(codes_of(df, self.names, self.columns), self.names)

    def _do(self, do: Do | None) -> dict[str, Any]:
        return code_do(do, self.names, self.columns, self.seen is not self.columns)

    def _told(self, rows: np.ndarray, like: "pd.DataFrame") -> "pd.DataFrame":
        return as_frame(rows, self.names).set_axis(like.index, axis=0)

    def _answer(self, rows: np.ndarray, like: "pd.DataFrame | None") -> "pd.DataFrame":
        if self.seen is not self.columns:
            return super()._answer(rows, like)
        return table_of(rows, self.names, self.columns, getattr(like, "index", None))

    # numbers

    def _done(self, u: np.ndarray, do: Do | None, seed: int = 0) -> np.ndarray:
        settled = settle(self._do(do), self.names, len(u), seed)
        return settled.solve(lambda clamps: self._generate(u, clamps))

    def expected(self, x: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """E[x | parents] of nodes at rows x [N, D], of a category that of its codes."""
        answer, encoded = np.empty((len(x), len(nodes))), self.encoder(x)
        places = [k for k, j in enumerate(nodes) if j not in self.classifiers]
        if places:
            answer[:, places] = self._f(encoded, [nodes[k] for k in places])
        for k, j in enumerate(nodes):
            if j in self.classifiers:
                p = self.probabilities(encoded, j)
                answer[:, k] = p @ np.arange(p.shape[1])
        return answer

    def _f(self, encoded: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """F of numbers."""
        places = self.encoder.places(nodes)
        if isinstance(self.numbers, AdditiveSCM):
            return self.numbers.mechanisms(encoded, places.tolist())
        assert self.numbers is not None, "a node without a classifier is a number"
        frame = as_frame(encoded, self.numbers.names)
        return encoded[:, places] - np.asarray(self.numbers.noise(frame))[:, places]

    def probabilities(self, encoded: np.ndarray, j: int) -> np.ndarray:
        """Of the levels of node j at encoded rows, [N, K]."""
        parents = self.encoder.places(np.flatnonzero(self.adjacency[:, j]))
        p = self.classifiers[j](encoded[:, parents])
        return (1 - LEAST) * p + LEAST / p.shape[1]

    def _ends(self, encoded: np.ndarray, j: int) -> np.ndarray:
        """Cumulative probabilities of the levels of node j but the last, [N, K - 1]."""
        return self.probabilities(encoded, j).cumsum(1)[:, :-1]

    def _abduct(self, x: np.ndarray) -> np.ndarray:
        """Noise of rows x [N, D]."""
        u, encoded = np.empty_like(x), self.encoder(x)
        numbers = [j for j in range(x.shape[1]) if j not in self.classifiers]
        if numbers:
            u[:, numbers] = x[:, numbers] - self._f(encoded, numbers)
        for j, column in enumerate(self.columns):
            if column.kind == "count":
                u[:, j] += self._uniform(j, len(x)) - 0.5
            if j in self.classifiers:
                ends = self._ends(encoded, j)
                ends = np.column_stack([np.zeros(len(x)), ends, np.ones(len(x))])
                code = x[:, [j]].astype(int)
                low, high = (np.take_along_axis(ends, code + k, 1)[:, 0] for k in (0, 1))
                u[:, j] = low + self._uniform(j, len(x)) * (high - low)
        return u

    def _uniform(self, j: int, n: int) -> np.ndarray:
        drawn = np.random.default_rng([self.seed, j]).random(n)
        return drawn.clip(EDGE, 1 - EDGE)

    def _generate(self, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        return self._solved(np.zeros_like(u), clamps, set(range(u.shape[1])), u)

    def _moved(self, x: np.ndarray, u: np.ndarray, clamps: np.ndarray) -> np.ndarray:
        """Rows x of noise u with nodes clamped, and what follows moved."""
        clamped = ~np.isnan(clamps[0])
        changed = set(np.flatnonzero(self.below[clamped].any(0) & ~clamped).tolist())
        return self._solved(x, clamps, changed, u, moves=True)

    def _solved(
        self,
        x: np.ndarray,
        clamps: np.ndarray,
        changed: set[int],
        u: np.ndarray,
        moves: bool = False,
    ) -> np.ndarray:
        """Rows x [N, D], clamped, with the nodes that change solved by level.

        If `moves`, a number is x + (F(new parents) - F(old parents)), in place of F + u.
        """
        new, old = np.where(np.isnan(clamps), x, clamps), self.encoder(x)
        for level in self.levels:
            nodes = [j for j in level if j in changed and np.isnan(clamps[0, j])]
            if not nodes:
                continue
            encoded = self.encoder(new)
            numbers = [j for j in nodes if j not in self.classifiers]
            if numbers:
                f = self._f(encoded, numbers)
                before = self._f(old, numbers) if moves else np.zeros_like(f)
                for k, j in enumerate(numbers):
                    new[:, j] = self._value(j, x, u, f[:, k], before[:, k], moves)
            for j in (j for j in nodes if j in self.classifiers):
                new[:, j] = (u[:, [j]] >= self._ends(encoded, j)).sum(1)
        return new

    def _value(
        self, j: int, x: np.ndarray, u: np.ndarray, f: np.ndarray, before: np.ndarray, moves: bool
    ) -> np.ndarray:
        column = self.columns[j]
        if not moves:
            return column.keep(f + u[:, j])
        if column.kind == "count":
            within = self._uniform(j, len(x)) - 0.5
            return np.where(f == before, x[:, j], column.keep(x[:, j] + within + (f - before)))
        return x[:, j] + (f - before)

    def _draw_noise(self, n: int, seed: int, kind: str) -> np.ndarray:
        u = np.empty((n, len(self.names)))
        numbers = [j for j in range(len(self.names)) if j not in self.classifiers]
        if self.numbers is not None:
            drawn = self.numbers._draw_noise(n, seed, kind)
            u[:, numbers] = drawn[:, self.encoder.places(numbers)]
        rng = np.random.default_rng([seed, 1])
        for j in self.classifiers:
            u[:, j] = rng.random(n)
        return u

    def _brier(self, x: np.ndarray, j: int) -> np.ndarray:
        p = self.probabilities(self.encoder(x), j)
        hit = np.arange(p.shape[1]) == x[:, [j]]
        return np.sqrt(np.square(hit - p).sum(1) / 2)

    def _unit(self, j: int) -> float:
        """A category's deviation over the Brier score of its shares."""
        codes = self.context[:, j]
        shares = np.bincount(codes.astype(int)) / len(codes)
        gini = (1 - np.square(shares).sum()) / 2
        return float(codes.std(ddof=1) / gini**0.5) if gini > 0 else 0.0

    # what else the data allow

    @property
    def draws(self) -> Callable[[int, int], Iterator["MixedSCM"]] | None:  # type: ignore[override]
        """(n, seed) -> n SCMs that the data allow, where all parts can draw; else None."""
        know = self.numbers is None or member(self.numbers, "draws") is not None
        know = know and all(hasattr(c, "draw") for c in self.classifiers.values())
        return self._draws if know else None

    def _draws(self, n: int, seed: int = 0) -> Iterator["MixedSCM"]:
        drawn = iter(member(self.numbers, "draws")(n, seed)) if self.numbers else iter([None] * n)
        for k, numbers in enumerate(drawn):
            rng = np.random.default_rng([seed, k, 1])
            yield self._with(numbers, {j: c.draw(rng) for j, c in self.classifiers.items()})

    @property
    def refit(self) -> "Callable[[pd.DataFrame], MixedSCM] | None":
        """(df) -> the estimate of other rows, hyper-parameters kept, where all parts can."""
        can = self.numbers is None or member(self.numbers, "refit") is not None
        can = can and all(hasattr(c, "relearn") for c in self.classifiers.values())
        return self._refit if can else None

    def _refit(self, df: "pd.DataFrame") -> "MixedSCM":
        x = self._codes(df)
        encoded = self.encoder(x)
        numbers = self.numbers and member(self.numbers, "refit")(
            as_frame(encoded, self.numbers.names)
        )
        other = self._with(numbers, {})
        other.context = x
        for j, classifier in self.classifiers.items():
            parents = self.encoder.places(np.flatnonzero(self.adjacency[:, j]))
            other.classifiers[j] = classifier.relearn(encoded[:, parents], x[:, j])
        return other

    def _with(self, numbers: SCM | None, classifiers: dict[int, Any]) -> "MixedSCM":
        other = object.__new__(MixedSCM)
        vars(other).update(vars(self))
        other.numbers, other.classifiers = numbers, classifiers
        return other
