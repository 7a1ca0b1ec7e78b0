"""Effects in Python: an estimate in this very process, asked as a run asks one in another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import member
from bench.scm.base import SCM, to_array
from bench.scm.do import Do
from bench.suites.answers import Asked, answer, read_answers
from bench.task import Dataset

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

COLUMNS = ("mean under do", "effect", "low", "high")


class Here:
    """See `bench.suites.answers.Estimate`; for an SCM at hand."""

    def __init__(self, scm: SCM, label: str = "estimate") -> None:
        self.scm, self.label, self.noise_space = scm, label, scm.noise_space
        self.can_draw = member(scm, "draws") is not None
        self.kept: dict[tuple[int, int], list[SCM]] = {}

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
        A row a node downstream: observed mean, mean under do, effect, and the ends of its 90 %
        interval, NaN where the estimate knows none.

    Raises:
        ValueError: see `Dataset.of` and `SCM.generate`.
    """
    import pandas as pd

    data = Dataset.of(df, graph)
    measured = answer(Asked(data, [("do", do)], [], 0, seed), Here(scm))
    table = pd.DataFrame(columns=["observed mean", *COLUMNS], dtype=float)
    for (_, _, *rest), value in read_answers(measured):
        if not rest:
            raise ValueError(value)
        if rest[1] in COLUMNS:
            table.loc[rest[0], rest[1]] = value
    for node in table.index:
        table.loc[node, "observed mean"] = data.rows[:, data.names.index(node)].mean()
    return table
