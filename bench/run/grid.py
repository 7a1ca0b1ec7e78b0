"""Runs cells on an engine; each ends in exactly one record, written here and nowhere else."""

import hashlib
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.run.backends import Engine
from bench.run.cell import Cell, module_of
from bench.run.fingerprint import fingerprint_of
from bench.run.isolation.introduction import UNAVAILABLE, introduced
from bench.run.job import Answer, Limits
from bench.run.records import RecordFile, Records, write_text
from bench.run.shape import FAILED, FINISHED, Record, cell_of, clean

NO_LIMITS = Limits()


@dataclass
class Known:
    """Which cells need not be run: those with a record that answers to what they are now.

    Attributes:
        records: of the run's folder.
        run: names the run.
        force: methods to run again.
        retry: failed statuses to run again.
        fill: what names the metrics that there are; a record of other ones will not do. None:
            whatever metrics a record has will do.
        sources, facts: of the methods met so far.
    """

    records: Records
    run: str
    force: Sequence[str] = ()
    retry: Sequence[str] = FAILED
    fill: str | None = None
    sources: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def by_cell(self) -> dict[str, Record]:
        """The record that each cell has, by the cell."""
        return {cell_of(record["key"]): record for record in self.records.current}

    def pending(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells that a run has to compute; no problem is made and no method imported for it.

        A method is asked what it is, in a process of its own, only where a record names a
        checkpoint: all else is told by the source.
        """
        return [cell for cell in cells if not self.done(cell)]

    def done(self, cell: Cell) -> bool:
        """Whether a record answers to this very cell."""
        record = None if cell.method in self.force else self.by_cell.get(cell.name)
        if record is None:
            return False
        status, key = record["result"]["status"], record["key"]
        if status not in FINISHED and status in self.retry:
            return False
        if self.fill and status == "ok" and record["run"].get("metrics") != self.fill:
            return False
        if key["generator"] != cell.maker or key["source"] != self._source(cell.method):
            return False
        environment = key["method_settings"].get("environment")
        if environment != cell.surroundings.get("environment"):
            return False
        if key["version"] == UNAVAILABLE:
            return self._facts(cell).get("version") == UNAVAILABLE
        checkpoint = key["checkpoint"]
        return not checkpoint or self._facts(cell).get("checkpoint", checkpoint) == checkpoint

    def _source(self, method: str) -> str:
        if method not in self.sources:
            self.sources[method] = fingerprint_of(module_of(method), Path.cwd())
        return self.sources[method]

    def _facts(self, cell: Cell) -> dict[str, Any]:
        """What a method says of itself now, as far as it can be loaded."""
        if cell.method not in self.facts:
            self.facts[cell.method] = introduced(cell.job(0, self.run))
        return self.facts[cell.method]


def run_cells(
    cells: Sequence[Cell],
    file: RecordFile,
    engine: Engine,
    run: str = "",
    limits: Limits = NO_LIMITS,
    launch: int = 0,
    started: Callable[[Cell], Any] = lambda cell: None,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[tuple[Cell, Record], None, None]:
    """Computes cells in their order and yields each with its record, as soon as it is written.

    Args:
        cells, file: what to run and where records go.
        engine: see `bench.run.backends`. run: names it. limits: of each cell.
        launch: number of the run in run.json.
        started: told when a worker takes a cell. stop: asked before another cell is taken.

    Raises:
        OSError: a record cannot be written; what was written before is whole.
    """

    def jobs() -> Iterator[Any]:
        for index, cell in enumerate(cells):
            if stop():
                return
            started(cell)
            yield cell.job(index, run, limits)

    with closing(engine(jobs())) as answers:
        for answer in answers:
            cell = cells[answer.index]
            record = cell.record(answer, launch)
            keep(file, record, answer)
            yield cell, record


def keep(file: RecordFile, record: Record, answer: Answer) -> None:
    """Appends a record, and writes the log of a cell that failed."""
    file.check_there()
    log = log_path(file.path.parent, record["key"])
    if record["result"]["status"] in FAILED:
        write_text(log, answer.log or answer.reason)
    else:
        log.unlink(missing_ok=True)
    file.append(record)


def log_path(folder: Path, key: Mapping[str, Any]) -> Path:
    """Where the log of a cell lives; readable, and unlike that of any other cell."""
    cell = cell_of(key)
    tag = hashlib.sha256(cell.encode()).hexdigest()[:8]
    words = "-".join([key["method"], *(clean(str(v), 40) for v in key["settings"].values())])
    return folder / "logs" / f"{re.sub(r'[^A-Za-z0-9_.=-]+', '_', words)[:120]}-{tag}.txt"
