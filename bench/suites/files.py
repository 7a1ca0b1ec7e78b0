"""CSV files shipped with the package, read only where every byte is as published."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
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
