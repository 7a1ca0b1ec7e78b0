"""One run: which cells, their progress, and the tables and figures at the end."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.plots import PLOTS, kinds_for, save
from bench.analysis.render import FORMATS, render
from bench.analysis.table import Table, metrics_of, paper_table, read_results
from bench.registry import METHODS, Unavailable, load_method, names
from bench.run.backends import engine_of
from bench.run.cell import Cell
from bench.run.environment import git_state, processor, versions
from bench.run.grid import pending, run_cells, sweep
from bench.run.interrupt import Interrupts
from bench.run.locking import only_run_of
from bench.run.progress import Progress
from bench.run.records import (
    FAILED,
    FINISHED,
    read_record,
    record_path,
    write_results,
    write_text,
)
from bench.run.schedule import Expectations, longest_first
from bench.run.supervisor import Limits
from bench.run.units import duration
from bench.task import Task

OK, WRONG, SOME_FAILED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Order:
    """What the user asked for.

    Attributes:
        tasks, methods: the grid. folder: of the results. jobs: workers. device: of the methods.
        force: methods to run again. retry: failed statuses to run again.
        backend, scheduler, limits: see `bench.run.backends` and `Limits`.
        command: as typed. dry: only say what would run. quiet: no progress.
    """

    tasks: Sequence[Task]
    methods: Sequence[str]
    folder: Path
    jobs: int
    device: str = "cpu"
    force: Sequence[str] = ()
    retry: Sequence[str] = FAILED
    backend: str = "loky"
    scheduler: str | None = None
    limits: Limits = Limits()
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
        ValueError: the folder cannot be written, or another run writes it. OSError: a file cannot
            be written; what was recorded before is whole.
    """
    with nullcontext() if order.dry else only_run_of(order.folder):
        cells = [Cell(t, m, order.device) for t in order.tasks for m in order.methods]
        expectations = Expectations.from_results(order.folder)
        todo = pending(cells, order.folder, order.force, order.retry)
        print(
            f"{len(order.tasks)} problems x {len(order.methods)} methods = {len(cells)} cells: "
            f"{len(cells) - len(todo)} done before, {len(todo)} to run",
            flush=True,
        )
        if order.dry:
            _print_plan(cells, todo, expectations, order.jobs)
            return OK
        return _execute(order, cells, todo, expectations)


def _execute(
    order: Order, cells: Sequence[Cell], todo: Sequence[Cell], expectations: Expectations
) -> int:
    started = time.time()
    sweep(order.folder)
    try:
        interrupted = _compute(todo, order, expectations)
    finally:
        write_results(order.folder)
    statuses = _statuses(cells, order.folder)
    if interrupted:
        print(f"interrupted: {_counts(statuses)}, of {len(cells)} cells")
        print(f"resume with: {order.command}", flush=True)
        return INTERRUPTED
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


def _compute(todo: Sequence[Cell], order: Order, expectations: Expectations) -> bool:
    """Computes cells; returns whether the run was stopped before all were done."""
    log = order.folder / "logs" / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    progress = Progress(todo, order.jobs, expectations, log, order.quiet)
    with progress, Interrupts() as interrupts:
        progress.note(order.command)
        queue = longest_first(todo, expectations)
        records = run_cells(
            queue,
            order.folder,
            engine_of(order.backend, order.jobs, order.scheduler),
            order.limits,
            progress.started,
            lambda: interrupts.asked,
        )
        with suppress(KeyboardInterrupt), closing(records):
            for cell, record in records:
                progress.add(cell, record)
    return interrupts.asked and progress.counts.total() < len(todo)


def _print_plan(
    cells: Sequence[Cell], todo: Sequence[Cell], expectations: Expectations, jobs: int
) -> None:
    for method, total in Counter(cell.method for cell in cells).items():
        waiting = [cell for cell in todo if cell.method == method]
        told = f", {_expected(waiting, expectations)}" if waiting else ""
        print(f"  {method}: {total - len(waiting)} done before, {len(waiting)} to run{told}")
    if todo:
        print(f"expected: {_expected(todo, expectations, jobs)} with {jobs} workers")


def _expected(cells: Sequence[Cell], expectations: Expectations, jobs: int = 1) -> str:
    seconds, unknown = expectations.total(cells)
    known = f"about {duration(seconds / jobs)}" if unknown < len(cells) else "time not known"
    return f"{known} ({unknown} cells not known)" if 0 < unknown < len(cells) else known


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
