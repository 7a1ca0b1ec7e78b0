"""How long cells will take, from past records, and the order that makes the tail short."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench.run.cell import Cell
from bench.run.records import read_records

SHORTEST_S = 0.1
Size = tuple[int, int]


class Expectations:
    """Seconds of a cell: the median over past cells of its method and size (d, n_context).

    Where no past cell had that size, the nearest size (in logarithms) answers, times the ratio of
    nodes.
    """

    def __init__(self) -> None:
        self.seen: dict[str, dict[Size, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.told: dict[tuple[str, Size], float | None] = {}

    @classmethod
    def from_results(cls, folder: Path) -> "Expectations":
        """From the records of a run's folder and the results.csv of the folders beside it."""
        expectations = cls()
        for record in read_records(folder):
            expectations.add(record)
        for file in folder.absolute().parent.glob("*/results.csv"):
            with suppress(OSError, ValueError, KeyError), file.open(encoding="utf-8") as lines:
                cells = {(row["problem"], row["method"]): row for row in csv.DictReader(lines)}
                for row in cells.values():
                    expectations._learn(row, row)
        return expectations

    def add(self, record: Mapping[str, Any]) -> None:
        """Learns from one record."""
        self._learn(record["result"], record["run"])

    def _learn(self, cell: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        measured = {"ok": ("fit_s", "query_s"), "timeout": ("wall_s",)}.get(cell["status"], ())
        parts = [run.get(name, "") for name in measured]
        if parts and "" not in parts:
            size = int(cell["d"]), int(cell["n_context"])
            self.seen[cell["method"]][size].append(sum(map(float, parts)))
            self.told.clear()

    def seconds(self, cell: Cell) -> float | None:
        """What a cell will take, None where its method was never seen."""
        asked = cell.method, (cell.task.d, cell.task.n_context)
        if asked not in self.told:
            self.told[asked] = self._median(*asked)
        return self.told[asked]

    def _median(self, method: str, asked: Size) -> float | None:
        sizes = self.seen.get(method)
        if not sizes:
            return None
        nearest = min(sizes, key=lambda size: _distance(size, asked))
        return median(sizes[nearest]) * asked[0] / nearest[0]

    def total(self, cells: Iterable[Cell]) -> tuple[float, int]:
        """Seconds of the cells that can be told, and how many cannot."""
        known = [self.seconds(cell) for cell in cells]
        return sum(filter(None, known)), known.count(None)


def _distance(size: Size, other: Size) -> float:
    return sum(abs(math.log(max(a, 1) / max(b, 1))) for a, b in zip(size, other, strict=True))


def longest_first(cells: Sequence[Cell], expectations: Expectations) -> list[Cell]:
    """Cells in the order to start them: unknown ones, then by halving expected time.

    Cells of about the same time stay in the grid's order, neighbours of one problem together, so
    that a worker makes the problem once.
    """

    def rank(cell: Cell) -> float:
        seconds = expectations.seconds(cell)
        return -math.inf if seconds is None else -math.floor(math.log2(max(seconds, SHORTEST_S)))

    return sorted(cells, key=rank)
