"""Effects in Python: an estimate in this very process, asked as a run asks one in another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench.loaded import LoadedMethod
from bench.method import member
from bench.mixed.impute import holed, impute
from bench.mixed.scm import MixedSCM
from bench.scm.base import SCM, to_array
from bench.scm.columns import code_do
from bench.scm.do import Do
from bench.suites.answers import answer, read_answers
from bench.suites.asked import Asked
from bench.suites.outcomes import observed
from bench.task import Dataset, Problem

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

COLUMNS = ("mean under do", "effect", "low", "high")


class Here:
    """See `bench.suites.asked.Estimate`; for an SCM at hand, over tables of numbers."""

    def __init__(
        self,
        scm: SCM,
        data: Dataset | None = None,
        label: str = "estimate",
        imputed: Sequence[tuple[SCM, np.ndarray]] = (),
    ) -> None:
        self.imputed, self.imputations = imputed, len(imputed)
        self.scm, self.label, self.noise_space = scm, label, scm.noise_space
        self.data = data
        self.can_draw = member(scm, "draws") is not None
        self.kept: dict[tuple[int, int], list[SCM]] = {}

    def at(self, imputation: int) -> "Here":
        """The estimate of one of the imputations, whose rows it has."""
        scm, rows = self.imputed[imputation]
        assert self.data is not None, "imputations come with data"
        return Here(scm, replace(self.data, rows=rows))

    def prepare(self, upto: int, seed: int, bootstrap: int) -> None:
        """Nothing: an estimate at hand is not fitted again."""

    def completed(self, n: int) -> np.ndarray:
        """All rows of the data, [N, D]: none of them lacks a value."""
        assert self.data is not None, "it is asked about data"
        return self.data.rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scm, name)

    def drawn(
        self, verb: str, df: "pd.DataFrame", do: Do, count: int, seed: int, bootstrap: int = 0
    ) -> np.ndarray:
        """Rows under do of SCMs that the data allow, [S, N, D].

        Raises:
            ValueError: a bootstrap, which needs the method and not only its estimate.
        """
        if bootstrap:
            raise ValueError("an estimate at hand is not fitted again: no bootstrap")
        if (count, seed) not in self.kept:
            self.kept[count, seed] = list(member(self.scm, "draws")(count, seed))
        more = (do,) if verb in ("generate", "counterfactual") else ()
        answers = (getattr(scm, verb)(df, *more) for scm in self.kept[count, seed])
        return np.stack([to_array(rows, self.scm.names) for rows in answers])


def effects(
    scm: SCM, df: "pd.DataFrame", graph: "nx.DiGraph", do: Mapping[str, Any], seed: int = 0
) -> "pd.DataFrame":
    """What do() changes on average over the rows of `df`.

    Args:
        scm: fitted to them. do: as in `scm.counterfactual`. seed: of the draws behind intervals.

    Returns:
        A row a node downstream, of a category one for each level (NODE=LEVEL): observed mean, mean
        under do, effect, and the ends of its 90 % interval, NaN where the estimate knows none.

    Raises:
        ValueError: see `Dataset.of` and `SCM.generate`.
    """
    data = Dataset.typed(df, graph)
    return _table(data, do, seed, Here(cast(MixedSCM, scm).coded() if data.columns else scm, data))


def imputed_effects(
    method: LoadedMethod,
    df: "pd.DataFrame",
    graph: "nx.DiGraph",
    do: Mapping[str, Any],
    seed: int = 0,
) -> "pd.DataFrame":
    """`effects` of a method on rows some values of which are missing; see `bench.mixed.impute`.

    Raises:
        ValueError: see `effects`; the method cannot take such rows.
    """
    data = holed(df, graph)

    def fit(rows: Dataset) -> MixedSCM:
        return cast(MixedSCM, method.fit_problem(Problem(rows, rows.rows[:0]), seed)).coded()

    found = impute(fit, data, seed)
    return _table(data, do, seed, Here(found[0][0], data, imputed=found))


def _table(data: Dataset, do: Mapping[str, Any], seed: int, here: Here) -> "pd.DataFrame":
    import pandas as pd

    do = code_do(do, data.names, data.columns) if data.columns else do
    measured = answer(Asked(data, [("do", do)], [], 0, seed), here)
    table = pd.DataFrame(columns=["observed mean", *COLUMNS], dtype=float)
    for (_, _, *rest), value in read_answers(measured):
        if not rest:
            raise ValueError(value)
        if rest[1] in COLUMNS:
            table.loc[rest[0], rest[1]] = value
    for node in table.index:
        table.loc[node, "observed mean"] = np.nanmean(observed(data, node))
    return table
