"""One run: which cells, their progress, and the tables and figures at the end."""

import json
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import git_state, processor, versions
from bench.plots import PLOTS, kinds_for, save
from bench.plugins import METHODS, Unavailable
from bench.records import (
    FAILED,
    FINISHED,
    read_record,
    record_path,
    write_results,
    write_text,
)
from bench.registry import load_method, names
from bench.render import FORMATS, render
from bench.runner import Cell, pending, run_cells
from bench.tables import Table, metrics_of, paper_table, read_results
from bench.task import Task

LINE_EVERY_S = 10.0
OK, WRONG, SOME_FAILED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Order:
    """What the user asked for.

    Attributes:
        tasks, methods: the grid. folder: of the results. jobs: workers. device: of the methods.
        force: methods to run again. retry: failed statuses to run again.
        command: as typed. dry: only say what would run. quiet: no progress.
    """

    tasks: Sequence[Task]
    methods: Sequence[str]
    folder: Path
    jobs: int
    device: str = "cpu"
    force: Sequence[str] = ()
    retry: Sequence[str] = FAILED
    command: str = ""
    dry: bool = False
    quiet: bool = False


def known_methods(asked: Sequence[str]) -> list[str]:
    """Checks that every method can be named, before anything runs; `all` means all available.

    Raises:
        ValueError: unknown method.
    """
    chosen = names(METHODS) if list(asked) == ["all"] else list(dict.fromkeys(asked))
    kept = []
    for name in chosen:
        try:
            load_method(name)
        except Unavailable:
            if list(asked) == ["all"]:
                continue
        kept.append(name)
    return kept


def execute(order: Order) -> int:
    """Runs the order's cells, writes everything, prints the tables; returns the exit code.

    Raises:
        ValueError: the folder cannot be written.
    """
    cells = [Cell(t, m, order.device) for t in order.tasks for m in order.methods]
    todo = pending(cells, order.folder, order.force, order.retry)
    print(
        f"{len(order.tasks)} problems x {len(order.methods)} methods = {len(cells)} cells: "
        f"{len(cells) - len(todo)} done before, {len(todo)} to run",
        flush=True,
    )
    if order.dry:
        _print_plan(cells, todo)
        return OK
    _require_writable(order.folder)
    started = time.time()
    try:
        _compute(todo, order)
    except KeyboardInterrupt:
        print(
            f"\ninterrupted: {_counts(_statuses(cells, order.folder))}\n"
            f"resume with: {order.command}",
            flush=True,
        )
        return INTERRUPTED
    finally:
        write_results(order.folder)
    statuses = _statuses(cells, order.folder)
    if todo:
        _write_run(order, started, statuses)
    tables = write_tables(order.folder)
    figures = write_figures(order.folder)
    _print_end(order, tables, figures, statuses)
    return SOME_FAILED if any(statuses[s] for s in FAILED) else OK


def write_tables(folder: Path) -> list[Table]:
    """Writes every metric's table in every format; incomplete pools are shown as n/N."""
    frame = read_results(folder)
    tables = [paper_table(frame, metric, missing="show") for metric in metrics_of(frame)]
    for table in tables:
        for form in FORMATS:
            write_text(folder / "tables" / f"{table.name}.{form}", render(table, form))
    return tables


def write_figures(folder: Path, kinds: Iterable[str] = ()) -> list[Path]:
    """Draws the kinds asked for, or all that say something about this run, as PNG and PDF."""
    frame = read_results(folder)
    if not metrics_of(frame):
        return []
    chosen = kinds or kinds_for(frame)
    return [p for kind in chosen for p in save(PLOTS[kind](frame), folder / "figures", kind)]


def _compute(todo: Sequence[Cell], order: Order) -> None:
    progress = Progress(len(todo), order.quiet)
    for record in run_cells(todo, order.folder, order.jobs):
        progress.add(record["result"])
    progress.end()


class Progress:
    """Cells done and failed, and the time left: one live line on a terminal, else plain lines."""

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.quiet, self.live = total, quiet, sys.stdout.isatty()
        self.counts: Counter = Counter()
        self.start = self.last = time.monotonic()

    def add(self, result: dict) -> None:
        """Counts one finished cell; a failure is named at once."""
        self.counts[result["status"]] += 1
        if result["status"] in FAILED and not self.quiet:
            self._write(
                f"{result['status']}: {result['method']} on {result['problem']}: "
                f"{result['reason']}",
                final=True,
            )
        now = time.monotonic()
        if not self.quiet and (self.live or now - self.last > LINE_EVERY_S):
            self.last = now
            self._write(self._line(now))

    def end(self) -> None:
        """Ends the live line."""
        if self.total and not self.quiet:
            self._write(self._line(time.monotonic()), final=True)

    def _line(self, now: float) -> str:
        done = self.counts.total()
        left = (now - self.start) / max(done, 1) * (self.total - done)
        failed = sum(self.counts[s] for s in FAILED)
        return (
            f"{done}/{self.total} cells, {failed} failed, {now - self.start:.0f} s, "
            f"about {left:.0f} s left"
        )

    def _write(self, line: str, final: bool = False) -> None:
        start, end = ("\r\x1b[2K", "\n" if final else "") if self.live else ("", "\n")
        print(f"{start}{line}", end=end, flush=True)


def _print_plan(cells: Sequence[Cell], todo: Sequence[Cell]) -> None:
    waiting = Counter(cell.method for cell in todo)
    for method, total in Counter(cell.method for cell in cells).items():
        print(f"  {method}: {total - waiting[method]} done before, {waiting[method]} to run")


def _require_writable(folder: Path) -> None:
    try:
        (folder / "records").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "records"):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror}") from error


def _statuses(cells: Iterable[Cell], folder: Path) -> Counter:
    records = (read_record(record_path(folder, c.task.name, c.method)) for c in cells)
    return Counter(r["result"]["status"] for r in records if r)


def _counts(statuses: Counter) -> str:
    return ", ".join(f"{statuses[s]} {s}" for s in (*FINISHED, *FAILED) if statuses[s]) or "0 done"


def _write_run(order: Order, started: float, statuses: Counter) -> None:
    commit, dirty = git_state()
    run = {
        "command": order.command,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - started, 1),
        "jobs": order.jobs,
        "cells": dict(statuses),
        "versions": versions(),
        "git_commit": commit,
        "git_dirty": dirty,
        "cpu": processor(),
    }
    write_text(order.folder / "run.json", json.dumps(run, indent=1) + "\n")


def _print_end(
    order: Order, tables: Sequence[Table], figures: Sequence[Path], statuses: Counter
) -> None:
    for table in tables:
        print("\n" + render(table))
    print(f"cells: {_counts(statuses)}")
    print(
        f"results: {order.folder}/results.csv; tables: {order.folder}/tables; "
        f"figures: {order.folder}/figures ({len(figures)} files)"
    )
    if any(statuses[s] for s in FAILED):
        print(f"failures: tracebacks in {order.folder}/logs; they run again on: {order.command}")


def resume_command(arguments: Sequence[str]) -> str:
    """The command as the user may type it again."""
    return shlex.join(["python", "-m", "bench", *arguments])


def newest_run(folder: Path = Path("results")) -> Path:
    """The folder below results/ whose results are newest.

    Raises:
        ValueError: there is none.
    """
    found = []
    with suppress(OSError):
        found = sorted(folder.glob("*/results.csv"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ValueError(f"no results below {folder}/; name the folder of a run")
    return found[-1].parent
