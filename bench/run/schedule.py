"""How long cells will take, from past records, and the order that makes the tail short."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.run.cell import Cell
from bench.run.environment import processor
from bench.run.records import read_launches, read_records
from bench.run.shape import Record

SHORTEST_S = 0.1
Size = tuple[int, int]
Seen = dict[str, dict[Size, list[float]]]


class Expectations:
    """Seconds of a cell: the median over past cells of its method and size (d, n_context).

    Where no past cell had that size, the nearest size (in logarithms) answers, times the ratio of
    nodes. Cells of this machine's processor answer before those of others, which are taken times
    `pace`.
    """

    def __init__(self) -> None:
        self.seen: Seen = defaultdict(lambda: defaultdict(list))
        self.elsewhere: Seen = defaultdict(lambda: defaultdict(list))
        self.columns: dict[str, dict[str, Any]] = {}  # of each task, as last recorded
        self.told: dict[tuple[str, Size], float | None] = {}

    @classmethod
    def from_records(cls, records: Iterable[Record], folder: Path) -> "Expectations":
        """From the records of a run, and of the published run of the same name."""
        expectations = cls()
        mine = _launches_here(folder)
        for record in records:
            expectations.add(record, record["run"]["launch"] in mine)
            result = record["result"]
            expectations.columns.setdefault(result["task"], result["columns"])
        published = folder.absolute().parent / "published" / folder.name
        mine = _launches_here(published)
        for record in read_records(published).current:
            expectations.add(record, record["run"]["launch"] in mine)
        return expectations

    @classmethod
    def from_runs(cls, folders: Iterable[Path]) -> "Expectations":
        """Learns how long cells take from the records of several runs."""
        expectations = cls()
        for folder in folders:
            mine = _launches_here(folder)
            for record in read_records(folder).current:
                expectations.add(record, record["run"]["launch"] in mine)
        return expectations

    def add(self, record: Record, here: bool = True) -> None:
        """Learns from one record, of this machine or of another."""
        run, key, result = record["run"], record["key"], record["result"]
        taken = _taken(run) if result["status"] in ("ok", "timeout") else None
        if isinstance(taken, int | float):
            nodes = len(result["columns"]) or int(key["settings"].get("d", 0))
            size = nodes, rows_of(key["settings"])
            (self.seen if here else self.elsewhere)[key["method"]][size].append(taken)
            self.told.clear()

    @property
    def pace(self) -> float:
        """How much longer this machine takes than others, over what both were seen to compute."""
        ratios = [
            median(times) / median(self.elsewhere[method][size])
            for method, sizes in self.seen.items()
            for size, times in sizes.items()
            if method in self.elsewhere and median(self.elsewhere[method].get(size, [0.0])) > 0
        ]
        return median(ratios) if ratios else 1.0

    def seconds(self, cell: Cell) -> float | None:
        """What a cell will take, None where its method was never seen."""
        asked = cell.method, cell.task.size
        if asked not in self.told:
            here = _median(self.seen, *asked)
            there = _median(self.elsewhere, *asked) if here is None else None
            self.told[asked] = here if there is None else there * self.pace
        return self.told[asked]

    def total(self, cells: Iterable[Cell]) -> tuple[float, int]:
        """Seconds of the cells that can be told, and how many cannot."""
        known = [self.seconds(cell) for cell in cells]
        return sum(filter(None, known)), known.count(None)


def _taken(run: Mapping[str, Any]) -> Any:
    """Seconds of a cell; those of fit and queries where older records have no more."""
    parts = run.get("fit_s"), run.get("query_s")
    told = all(isinstance(part, int | float) for part in parts)
    return run.get("wall_s", sum(parts) if told else None)  # type: ignore[arg-type]


def _launches_here(folder: Path) -> set[int]:
    """Numbers of a run's launches on a processor like this one."""
    return {k for k, launch in enumerate(read_launches(folder)) if launch.get("cpu") == processor()}


def _median(seen: Seen, method: str, asked: Size) -> float | None:
    sizes = seen.get(method)
    if not sizes:
        return None
    nearest = min(sizes, key=lambda size: _distance(size, asked))
    return median(sizes[nearest]) * max(asked[0], 1) / max(nearest[0], 1)


def rows_of(settings: Mapping[str, Any]) -> int:
    """Context rows, where the settings tell them."""
    rows = settings.get("n_context", 0)
    return int(rows) if isinstance(rows, int | float) else 0


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
