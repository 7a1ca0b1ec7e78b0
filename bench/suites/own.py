"""Anyone's own table: a task made of a CSV file and an edge list."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.standardised import spread
from bench.task import Dataset, Problem, Task, seed_of

if TYPE_CHECKING:
    import pandas as pd

    from bench.registry import LoadedMethod
    from bench.scm.base import Do


@dataclass(frozen=True, kw_only=True)
class OwnTask(Task):
    """Half of a table's rows, drawn by seed, are context; the other half are query."""

    data_path: str
    graph_path: str
    d: int
    n_context: int
    n_query: int

    def problem(self) -> Problem:
        """Reads the files; no truth is known."""
        data = read_dataset(Path(self.data_path), Path(self.graph_path))
        order = np.random.default_rng(seed_of("own", self.seed)).permutation(len(data.rows))
        context, query = order[: self.n_context], order[self.n_context :]
        part = Dataset(data.rows[np.sort(context)], data.names, data.adjacency)
        return Problem(part, data.rows[np.sort(query)])


def own_task(data_path: Path, graph_path: Path, seed: int) -> OwnTask:
    """The task of a user's files.

    Raises:
        ValueError: see `read_dataset`, or fewer than 4 rows.
    """
    data = read_dataset(data_path, graph_path)
    n, d = data.rows.shape
    if n < 4:
        raise ValueError(f"{data_path} has {n} rows; half are context, half query: at least 4")
    return OwnTask(
        suite="own",
        d=d,
        n_context=n // 2,
        n_query=n - n // 2,
        seed=seed,
        data_path=str(data_path.resolve()),
        graph_path=str(graph_path.resolve()),
    )


@lru_cache(maxsize=4)
def read_dataset(data_path: Path, graph_path: Path) -> Dataset:
    """Reads a CSV table and an edge list with the header `source,target`.

    Raises:
        ValueError: a file that cannot be read, text, NaN or a constant in a column, an edge to an
            unknown column, a cycle.
    """
    import networkx as nx

    edges = _read_csv(graph_path, as_text=True)
    if list(edges.columns) != ["source", "target"]:
        raise ValueError(f"{graph_path} needs the header source,target")
    graph = nx.DiGraph(list(edges.itertuples(index=False, name=None)))
    try:
        data = Dataset.of(_read_csv(data_path), graph)
    except ValueError as error:
        raise ValueError(f"{data_path}, {graph_path}: {error}") from error
    constant = spread(data.rows) == 0
    if constant.any():
        raise ValueError(f"{data_path}: column {data.names[int(constant.argmax())]} is constant")
    return data


def _read_csv(path: Path, as_text: bool = False) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=str if as_text else None)
    except FileNotFoundError:
        raise ValueError(f"no file {path}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no CSV table: {' '.join(str(error).split())}") from error


def write_answers(
    method: "LoadedMethod", data: Dataset, do: "Do", n: int, seed: int, folder: Path
) -> list[Path]:
    """Fits all rows; writes fresh samples, samples under `do`, and the rows' counterfactuals."""
    name = method.name.replace(":", "-")
    scm = method.fit(data.frame(), data.graph(), seed=seed)
    tables = {f"samples-{name}.csv": scm.sample(n, seed=seed)}
    if do:
        tables[f"do-{name}.csv"] = scm.sample(n, do=do, seed=seed)
        tables[f"counterfactual-{name}.csv"] = scm.counterfactual(data.frame(), do)
    for file, table in tables.items():
        table.to_csv(folder / file, index=False)
    return [folder / file for file in tables]
