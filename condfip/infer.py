"""From a table and an edge list on disk to rows of the model that Cond-FiP reads off them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from condfip.paper.method import CondFiP

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


def infer(
    data: Path,
    graph: Path,
    out: Path,
    *,
    n: int | None,
    do: Mapping[str, float],
    counterfactual: bool,
    seed: int,
    checkpoint: Path,
    device: str,
) -> int:
    """Fits the rows of `data`; writes samples, or the rows' counterfactuals; returns how many.

    Raises:
        ValueError: a file that cannot be read, a graph that does not match the columns, an
            unknown name in `do`, a checkpoint that cannot be used.
    """
    if counterfactual and not do:
        raise ValueError("--counterfactual needs --do NAME=VALUE")
    table = _read(data)
    method = CondFiP.from_pretrained(checkpoint, device)
    scm = method.fit(table, read_graph(graph), seed=seed)
    rows = n or len(table)
    answer = scm.counterfactual(table, do) if counterfactual else scm.sample(rows, do, seed)
    answer.to_csv(out, index=False)
    return len(answer)


def read_graph(path: Path) -> "nx.DiGraph":
    """Reads an edge list with the header `source,target`."""
    import networkx as nx

    edges = _read(path, as_text=True)
    if list(edges.columns) != ["source", "target"]:
        raise ValueError(f"{path} needs the header source,target")
    return nx.DiGraph(list(edges.itertuples(index=False, name=None)))


def _read(path: Path, as_text: bool = False) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=str if as_text else None)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable CSV table: {error}") from None
