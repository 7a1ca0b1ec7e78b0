"""What a run says while it works: a live table on a terminal, plain lines in a pipe, a log file."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.run.cell import Cell
from bench.run.schedule import Expectations
from bench.run.shape import FAILED
from bench.run.units import duration

LINE_EVERY_S = 10.0


class Progress:
    """Counts cells and says so; entered for as long as the run computes.

    Attributes:
        waiting: not started. running: cell -> when it started. counts: by status.
    """

    def __init__(
        self,
        todo: Sequence[Cell],
        jobs: int,
        expectations: Expectations,
        log: Path,
        quiet: bool = False,
    ) -> None:
        self.waiting = dict.fromkeys(todo)
        self.running: dict[Cell, float] = {}
        self.counts: Counter[str] = Counter()
        self.total, self.jobs, self.expectations = len(todo), jobs, expectations
        self.log_path, self.quiet = log, quiet
        self.start = self.last = time.monotonic()
        self.console = Console(highlight=False, soft_wrap=True)
        self.live: Live | None = None
        self.log: TextIO | None = None

    def __enter__(self) -> "Progress":
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.log_path.open("a", encoding="utf-8")
        if self.console.is_terminal and not self.quiet:
            self.live = Live(
                console=self.console,
                get_renderable=self.table,
                refresh_per_second=4,
                transient=True,
            )
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
        if self.total and not self.quiet:
            self.say(self.line())
        self.log.close()

    def started(self, cell: Cell) -> None:
        """A worker took a cell."""
        self.waiting.pop(cell, None)
        self.running[cell] = time.monotonic()
        self.note(f"start {cell.method} on {cell.task.name}")

    def add(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """A cell has its record; a failure is named at once."""
        self.running.pop(cell, None)
        self.expectations.add(record)
        status, reason = record["result"]["status"], record["result"]["reason"]
        self.counts[status] += 1
        self.note(f"{status} {cell.method} on {cell.task.name} {record['run'].get('wall_s')} s")
        if self.quiet:
            return
        if status in FAILED:
            self.say(f"{status}: {cell.method} on {cell.task.name}: {reason}")
        if not self.live and time.monotonic() - self.last > LINE_EVERY_S:
            self.last = time.monotonic()
            self.say(self.line())

    def say(self, line: str) -> None:
        """A line for people, above the live table, and in the log."""
        self.note(line)
        self.console.print(line, markup=False)

    def note(self, line: str) -> None:
        """A line for the log."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if self.log and not self.log.closed:
            self.log.write(f"{now} {line}\n")
            self.log.flush()

    def line(self) -> str:
        """Done, failed, running, time gone and time left."""
        done = self.counts.total()
        failed = sum(self.counts[status] for status in FAILED)
        gone = time.monotonic() - self.start
        return (
            f"{done}/{self.total} cells, {failed} failed, {len(self.running)} running, "
            f"{duration(gone)}, about {duration(self.left())} left"
        )

    def left(self) -> float:
        """Seconds to the end: expected times over the workers; what is unknown takes the mean."""
        now, done = time.monotonic(), self.counts.total()
        mean = (now - self.start) * self.jobs / max(done, 1)
        open_cells = {**dict.fromkeys(list(self.waiting), now), **self.running}
        seconds = 0.0
        for cell, started in open_cells.items():
            expected = self.expectations.seconds(cell)
            seconds += max(0.0, (mean if expected is None else expected) - (now - started))
        return seconds / self.jobs

    def table(self) -> Table:
        """The live table: what runs and for how long, under the line of counts."""
        table = Table(title=self.line(), title_justify="left", box=None)
        for column in ("running", "problem", "for", "expected"):
            table.add_column(column)
        for cell, started in list(self.running.items()):
            expected = self.expectations.seconds(cell)
            known = "" if expected is None else duration(expected)
            gone = duration(time.monotonic() - started)
            table.add_row(cell.method, cell.task.name, gone, known)
        return table
