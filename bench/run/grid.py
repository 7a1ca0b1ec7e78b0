"""Runs cells on an engine; each ends in exactly one record, written here and nowhere else."""

import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.run.backends import Engine
from bench.run.cell import Cell, Outcome, make_record
from bench.run.environment import one_thread
from bench.run.records import (
    FAILED,
    FINISHED,
    fingerprint,
    read_record,
    seal,
    write_record,
    write_text,
)
from bench.run.supervisor import Answer, Job, Limits

NO_LIMITS = Limits()


def finished(cell: Cell, folder: Path, retry: Iterable[str]) -> bool:
    """Whether a whole record answers to this very cell and need not be run (again)."""
    record = read_record(cell.path(folder))
    if record is None or record["key"].get("problem") != cell.task.name:
        return False
    status = record["result"]["status"]
    if status not in FINISHED and status in retry:
        return False
    return fingerprint(record["key"]) == fingerprint(cell.key())


def pending(
    cells: Iterable[Cell], folder: Path, force: Sequence[str], retry: Sequence[str]
) -> list[Cell]:
    """The cells that a run has to compute."""
    with one_thread():
        return [c for c in cells if c.method in force or not finished(c, folder, retry)]


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    engine: Engine,
    limits: Limits = NO_LIMITS,
    started: Callable[[Cell], Any] = lambda cell: None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Computes cells in their order and yields each with its record, as soon as it is written.

    Args:
        cells, folder: what to run and where records go.
        engine: see `bench.run.backends`. limits: of each cell.
        started: told when a worker takes a cell. stop: asked before another cell is taken.

    Raises:
        OSError: a record cannot be written; what was written before is whole.
    """
    run, home = uuid.uuid4().hex, str(Path.cwd())

    def jobs() -> Iterator[Job]:
        for index, cell in enumerate(cells):
            if stop():
                return
            started(cell)
            yield Job(index, pickle.dumps(cell), limits, run, home)

    answers = engine(jobs())
    try:
        for answer in answers:
            cell = cells[answer.index]
            record = complete(cell, answer)
            keep(cell, folder, record, answer.log)
            yield cell, record
    finally:
        answers.close()


def complete(cell: Cell, answer: Answer) -> dict[str, Any]:
    """The record of an answer, whole where the child had to be killed or died."""
    record = answer.record or make_record(cell, None, "", Outcome())
    if answer.status:
        record["result"].update(status=answer.status, reason=answer.reason)
        record["run"]["peak_rss_mb"] = round(answer.peak_mb, 1)
    record["run"]["wall_s"] = answer.wall_s
    return seal(record)


def keep(cell: Cell, folder: Path, record: dict[str, Any], log: str) -> None:
    """Writes a record, and the log of a cell that failed."""
    path = cell.path(folder)
    file = folder / "logs" / f"{path.stem}.txt"
    if record["result"]["status"] in FAILED:
        write_text(file, log or record["result"]["reason"])
    else:
        file.unlink(missing_ok=True)
    write_record(path, record)


def sweep(folder: Path) -> None:
    """Removes what a killed run left half written; only while this run holds the folder."""
    for path in folder.glob("records/.*.json.*"):
        with suppress(OSError):
            path.unlink()
