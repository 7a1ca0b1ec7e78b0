"""One run: which cells, their progress, and what is made of their records at the end."""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.registry import list_methods
from bench.run.backends import engine_of
from bench.run.cell import Cell, module_of
from bench.run.environment import changed_sources, commit, processor, versions
from bench.run.environments import Environment
from bench.run.fingerprint import defines, sources_of
from bench.run.grid import Known, run_cells
from bench.run.interrupt import Interrupts
from bench.run.isolation.workers import stop_run
from bench.run.job import Limits
from bench.run.locking import only_run_of
from bench.run.progress import Progress
from bench.run.records import (
    FILE,
    RecordFile,
    Records,
    drifts,
    read_launches,
    read_records,
    skips,
    sweep_temporaries,
    write_launches,
)
from bench.run.schedule import Expectations, longest_first
from bench.run.shape import FAILED, FINISHED, Record, cell_of
from bench.run.sweep import sweep_left
from bench.run.units import duration
from bench.task import Task

OK, WRONG, SOME_FAILED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Order:
    """What the user asked a run for.

    Attributes:
        tasks, methods: the grid.
        generator: fingerprint of the source that makes its problems.
        folder: of the results.
        jobs: workers.
        device: of the methods.
        force: methods to run again.
        retry: failed statuses to run again.
        fill: whether cells that lack a metric are run again.
        environments: of methods that have one of their own.
        backend, scheduler, limits: see `bench.run.backends` and `Limits`.
        command: as typed.
        dry: only say what would run.
        quiet: say only failures.
        finish: folder -> whatever is to be written and printed at the end.
    """

    tasks: Sequence[Task]
    methods: Sequence[str]
    folder: Path
    jobs: int
    generator: str = ""
    device: str = "cpu"
    force: Sequence[str] = ()
    retry: Sequence[str] = FAILED
    fill: bool = False
    backend: str = "local"
    scheduler: str | None = None
    limits: Limits = Limits()
    environments: Mapping[str, Environment] = field(default_factory=dict)
    command: str = ""
    dry: bool = False
    quiet: bool = False
    finish: Callable[[Path], None] | None = None


def known_methods(asked: Sequence[str]) -> list[str]:
    """Checks that every method can be named, before anything runs; `all` means all registered.

    Nothing is imported: a class is looked for in its module's source.

    Raises:
        ValueError: unknown method, module or class.
    """
    chosen = list_methods() if list(asked) == ["all"] else list(dict.fromkeys(asked))
    for name in chosen:
        module = module_of(name)
        if ":" in (base := name.partition("=")[0]):
            defines(module, base.partition(":")[2], Path.cwd())
    return chosen


def check_among(option: str, asked: Sequence[str], methods: Sequence[str]) -> None:
    """Refuses methods that are none of the run's.

    Raises:
        ValueError: one is unknown.
    """
    if unknown := [name for name in asked if name not in methods]:
        raise ValueError(f"{option}: unknown method {unknown[0]}; the run has {', '.join(methods)}")


def execute(order: Order) -> int:
    """Runs the order's cells, writes everything, prints how it went; returns the exit code.

    Raises:
        ValueError: the folder cannot be written, or another run writes it; an unknown method in
            `force`. OSError: a file cannot be written; what was recorded before is whole.
    """
    check_among("--force", order.force, order.methods)
    with nullcontext() if order.dry else only_run_of(order.folder):
        return _Run(order).execute()


class _Run:
    """An order on its way."""

    def __init__(self, order: Order) -> None:
        self.order, self.folder = order, order.folder
        self.name = f"{time.time_ns():x}"
        self.cells = [
            Cell(task, method, order.device, order.generator, order.environments.get(method))
            for task in order.tasks
            for method in order.methods
        ]
        self.records: Records = read_records(order.folder)
        self.expectations = Expectations.from_records(self.records.current, order.folder)

    def execute(self) -> int:
        """Says what there is to do, and does it unless the order is dry."""
        try:
            return self._execute()
        finally:
            stop_run(self.name)

    def _execute(self) -> int:
        for line in self.records.spoilt:
            print(line)
        known = Known(self.records, self.name, self.order.force, self.order.retry, self._metrics())
        todo = known.pending(self.cells)
        self._say(
            f"{len(self.order.tasks)} problems x {len(self.order.methods)} methods = "
            f"{len(self.cells)} cells: {len(self.cells) - len(todo)} done before, "
            f"{len(todo)} to run"
        )
        if self.order.dry:
            self._print_plan(todo)
            return OK
        sweep_left()
        sweep_temporaries(self.folder)
        interrupted = bool(todo) and self._launch(todo)
        return self._end(interrupted)

    def _say(self, line: str) -> None:
        if not self.order.quiet or self.order.dry:
            print(line, flush=True)

    def _metrics(self) -> str | None:
        """What names the metrics that there are, where the order wants all of them."""
        if not self.order.fill:
            return None
        from bench.metrics import METRICS
        from bench.run.shape import name_metrics

        return name_metrics(METRICS.versions())

    def _launch(self, todo: Sequence[Cell]) -> bool:
        """Computes cells, noted in run.json before and after; returns whether it was stopped."""
        for environment in {cell.environment for cell in todo if cell.environment}:
            environment.build()
        launches = read_launches(self.folder)
        launch = self._about_launch()
        write_launches(self.folder, [*launches, launch])
        begun, counts = time.monotonic(), Counter[str]()
        try:
            return self._compute(todo, len(launches), counts)
        finally:
            launch |= {"seconds": round(time.monotonic() - begun, 1), "cells": dict(counts)}
            if (self.folder / FILE).exists():  # else it was moved or deleted meanwhile
                write_launches(self.folder, [*launches, launch])

    def _about_launch(self) -> dict[str, Any]:
        modules = {module_of(method) for method in self.order.methods}
        modules |= {type(task).__module__ for task in self.order.tasks}
        sources = {path for module in modules for path in sources_of(module, Path.cwd())}
        return {
            "command": self.order.command,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": None,
            "jobs": self.order.jobs,
            "cells": {},
            "commit": commit(),
            "dirty": changed_sources(sources),
            "versions": versions(),
            "cpu": processor(),
            "environments": {
                method: environment.about()
                for method, environment in self.order.environments.items()
                if environment.ready
            },
        }

    def _compute(self, todo: Sequence[Cell], launch: int, counts: Counter) -> bool:
        order = self.order
        log = self.folder / "logs" / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
        workers = None if order.scheduler else order.jobs
        progress = Progress(todo, workers, self.expectations, log, order.quiet)
        with RecordFile(self.folder) as file, progress, Interrupts() as interrupts:
            progress.note(order.command)
            answers = run_cells(
                longest_first(todo, self.expectations),
                file,
                engine_of(order.backend, order.jobs, order.scheduler),
                self.name,
                order.limits,
                launch,
                progress.started,
                lambda: interrupts.asked,
            )
            with suppress(KeyboardInterrupt), closing(answers):
                for cell, record in answers:
                    counts[record["result"]["status"]] += 1
                    progress.add(cell, record)
                    self._warn(progress, record)
        return interrupts.asked and counts.total() < len(todo)

    def _warn(self, progress: Progress, record: Record) -> None:
        """Says once for each task when its rows are not those that were recorded before."""
        task = record["result"]["task"]
        known = self.expectations.columns.setdefault(task, record["result"]["columns"])
        for line in drifts(known, record["result"]["columns"]):
            progress.say(f"warning: {task}: {line}, as it was recorded before")
            self.expectations.columns[task] = record["result"]["columns"]

    def _end(self, interrupted: bool) -> int:
        after = read_records(self.folder)
        mine = {cell.name for cell in self.cells}
        records = [record for record in after.current if cell_of(record["key"]) in mine]
        statuses = Counter(record["result"]["status"] for record in records)
        if interrupted:
            print(f"interrupted: {counts_of(statuses)}, of {len(self.cells)} cells")
            print(f"resume with: {self.order.command}", flush=True)
            return INTERRUPTED
        if lacking := len(mine) - statuses.total():
            raise ValueError(
                f"{lacking} of {len(mine)} cells have no record in {self.folder}: something else "
                f"wrote there; again: {self.order.command}"
            )
        if self.order.finish:
            self.order.finish(self.folder)
        self._say(f"cells: {counts_of(statuses)}")
        for line in [*skips(records), *after.older]:
            (self._say if statuses["ok"] else print)(line)
        if after.stale:
            self._say(f"{after.stale} older records of these cells are left out of tables")
        if any(statuses[s] for s in FAILED):
            told = f"{counts_of(statuses)}: " if self.order.quiet else ""
            print(
                f"failures: {told}tracebacks in {self.folder}/logs; again on: {self.order.command}"
            )
            return SOME_FAILED
        return OK

    def _print_plan(self, todo: Sequence[Cell]) -> None:
        waiting = Counter(cell.method for cell in todo)
        for method, total in Counter(cell.method for cell in self.cells).items():
            left = [cell for cell in todo if cell.method == method]
            told = f", {self._expected(left)}" if left else ""
            print(f"  {method}: {total - waiting[method]} done before, {len(left)} to run{told}")
        if todo:
            jobs = self.order.jobs
            print(f"expected: {self._expected(todo, jobs)} with {jobs} workers")

    def _expected(self, cells: Sequence[Cell], jobs: int = 1) -> str:
        seconds, unknown = self.expectations.total(cells)
        known = f"about {duration(seconds / jobs)}" if unknown < len(cells) else "time not known"
        return f"{known} ({unknown} cells not known)" if 0 < unknown < len(cells) else known


def counts_of(statuses: Counter) -> str:
    """Says how many cells have each status, as in `3 ok, 1 error`."""
    return ", ".join(f"{statuses[s]} {s}" for s in (*FINISHED, *FAILED) if statuses[s]) or "0 done"


def resume_command(arguments: Iterable[str]) -> str:
    """The command as the user may type it again."""
    return shlex.join(["python", "-m", "bench", *arguments])
