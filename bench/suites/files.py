"""CSV files shipped with the package, read only where every byte is as published."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data"
DATA_DIR = "BENCH_DATA_DIR"  # environment variable: a user's folder, as given by --data-dir


@dataclass(frozen=True)
class ShippedFile:
    """One file of `bench/data` and the sha256 it must have."""

    name: str
    sha256: str

    def rows(self, folder: Path = DATA) -> list[dict[str, str]]:
        """Its lines under the names of its header.

        Raises:
            ValueError: the file is missing or a byte of it has changed.
        """
        try:
            content = (folder / self.name).read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {folder / self.name}: {error.strerror}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ValueError(f"{self.name} is damaged: expected sha256 {self.sha256}, not {found}")
        return list(csv.DictReader(content.decode().splitlines()))


def environments(
    folder: Path, names: Sequence[str], column: str, aliases: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Rows by environment of the CSV files in a folder, separated by comma or semicolon.

    Args:
        folder: of a user. names: columns that a file has, and maybe others; a file with none of
            them is another suite's.
        column: names the environment of a row; a file in which that is no word, or missing, is one
            environment, named like the file.
        aliases: {another name of a column, in lower case: the name}.

    Returns:
        {environment: rows [N, D]}.

    Raises:
        ValueError: a column is missing or a field is no number.
    """
    rows: dict[str, list[list[float]]] = {}
    for path in sorted(folder.glob("*.csv")):
        for environment, values in _lines(path, names, column, aliases or {}):
            rows.setdefault(environment, []).append(values)
    return {environment: np.array(values) for environment, values in rows.items()}


def _lines(
    path: Path, names: Sequence[str], column: str, aliases: Mapping[str, str]
) -> Iterator[tuple[str, list[float]]]:
    """Environment and values of each line."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        delimiter = ";" if header.count(";") > header.count(",") else ","
        names_there = next(csv.reader([header], delimiter=delimiter), [])
        given = [aliases.get(name.strip().lower(), name.strip()) for name in names_there]
        lacking = [name for name in names if name not in given]
        if len(lacking) == len(names):
            return
        if lacking:
            raise ValueError(f"{path} has no column {lacking[0]}; it needs {', '.join(names)}")
        for number, line in enumerate(csv.DictReader(file, given, delimiter=delimiter), 2):
            named = line.get(column) or ""
            try:
                values = [float(line[name]) for name in names]
            except (TypeError, ValueError):
                raise ValueError(f"{path}, line {number}: a field is no number") from None
            yield (named if named[:1].isalpha() else path.stem), values


def columns(rows: Sequence[dict[str, str]], names: Iterable[str]) -> np.ndarray:
    """Numbers of the columns `names`, [N, D]."""
    names = list(names)
    return np.array([[float(row[name]) for name in names] for row in rows])


def edge_weights(edges: Iterable[dict[str, str]], names: Sequence[str]) -> np.ndarray:
    """Weights of an edge list source,target[,weight] at [source, target]; 1 where none is given."""
    weights = np.zeros((len(names),) * 2)
    for edge in edges:
        here = names.index(edge["source"]), names.index(edge["target"])
        weights[here] = float(edge.get("weight", 1))
    return weights
