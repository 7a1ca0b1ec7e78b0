"""What an estimate predicts with its mechanisms in doubt: quantiles over SCMs that the data allow.

For estimates whose `draws` give such SCMs (`gp`, `linear`, `amortized-gp`, ...).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.scm.base import AdditiveSCM, to_array
from bench.scm.do import Do

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 64


def _draws(scm: AdditiveSCM, count: int, seed: int) -> Iterator[AdditiveSCM]:
    """`count` SCMs that the data allow.

    Raises:
        ValueError: the estimate cannot say which those are.
    """
    if scm.draws is None:
        raise ValueError("the estimate has no draws: it does not know how sure its mechanisms are")
    return scm.draws(count, seed)


def quantiles(
    scm: AdditiveSCM,
    levels: Sequence[float],
    do: Do | None = None,
    *,
    n: int = 4096,
    draws: int = DRAWS,
    seed: int = 0,
) -> "pd.DataFrame":
    """Quantiles of every node under do().

    Args:
        scm: an estimate. levels: of the quantiles. do: nodes to set. n: rows in all, of `draws`
            SCMs. seed: of both.

    Returns:
        A row a level, a column a node.

    Raises:
        ValueError: see `SCM.sample`; the estimate has no draws.
    """
    import pandas as pd

    rows = max(1, n // draws)
    parts = [s.sample(rows, do, seed + k) for k, s in enumerate(_draws(scm, draws, seed))]
    drawn = np.concatenate([to_array(part, scm.names) for part in parts])
    return pd.DataFrame(np.quantile(drawn, levels, axis=0), list(levels), list(scm.names))


def effect_quantiles(
    scm: AdditiveSCM,
    levels: Sequence[float],
    do: Do,
    other: Do | None = None,
    *,
    n: int = 1000,
    draws: int = DRAWS,
    seed: int = 0,
) -> "pd.DataFrame":
    """Quantiles of E[x | do] - E[x | other] of every node, whose noise is alike on both sides.

    Args:
        scm: an estimate. levels: of the quantiles. do, other: nodes to set; `other` may be none.
        n: rows of each SCM. draws: SCMs. seed: of both.

    Returns:
        A row a level, a column a node.

    Raises:
        ValueError: see `quantiles`.
    """
    import pandas as pd

    gaps = [
        (to_array(s.sample(n, do, seed), s.names) - to_array(s.sample(n, other, seed), s.names))
        for s in _draws(scm, draws, seed)
    ]
    means = np.stack([gap.mean(0) for gap in gaps])
    return pd.DataFrame(np.quantile(means, levels, axis=0), list(levels), list(scm.names))


def counterfactual_quantiles(
    scm: AdditiveSCM,
    df: "pd.DataFrame",
    levels: Sequence[float],
    do: Do,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> "dict[float, pd.DataFrame]":
    """Quantiles of each row's counterfactual, node by node.

    Args:
        scm: an estimate. df: rows. levels: of the quantiles. do: nodes to set. draws: SCMs.
        seed: of the draws.

    Returns:
        A table like `df` for each level.

    Raises:
        ValueError: see `SCM.counterfactual`; the estimate has no draws.
    """
    import pandas as pd

    moved = [to_array(s.counterfactual(df, do), scm.names) for s in _draws(scm, draws, seed)]
    found = np.quantile(np.stack(moved), levels, axis=0)
    like = {"columns": list(scm.names), "index": getattr(df, "index", None)}
    return {level: pd.DataFrame(table, **like) for level, table in zip(levels, found, strict=True)}
