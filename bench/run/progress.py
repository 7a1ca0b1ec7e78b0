"""What a run says while it works: a live table on a terminal, plain lines in a pipe, a log file.

Cells that an engine took and did not answer are under way; as many of them run as there are
workers, the first ones first.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import track
from rich.table import Table

from bench.run.cell import Cell
from bench.run.schedule import Expectations
from bench.run.shape import FAILED, Record
from bench.run.units import duration

LINE_EVERY_S = 10.0


class Progress:
    """Counts cells and says so; entered for as long as the run computes.

    Attributes:
        waiting: not taken.
        under_way: cell -> when it was taken.
        counts: by status.

    Args:
        todo: cells to compute. workers: how many run at a time; None where nobody knows.
        expectations: see `Expectations`. log: file of its own. quiet: only failures are said.
    """

    def __init__(
        self,
        todo: Sequence[Cell],
        workers: int | None,
        expectations: Expectations,
        log: Path,
        quiet: bool = False,
    ) -> None:
        self.waiting = dict.fromkeys(todo)
        self.under_way: dict[Cell, float] = {}
        self.counts: Counter[str] = Counter()
        self.total, self.workers, self.expectations = len(todo), workers, expectations
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
        if self.log:
            self.log.close()

    def started(self, cell: Cell) -> None:
        """Takes note that a worker began a cell."""
        self.waiting.pop(cell, None)
        self.under_way[cell] = time.monotonic()
        self.note(f"start {cell.method} on {cell.task.name}")

    def add(self, cell: Cell, record: Record) -> None:
        """A cell has its record; a failure is named at once."""
        self.under_way.pop(cell, None)
        self.expectations.add(record)
        status, reason = record["result"]["status"], record["result"]["reason"]
        self.counts[status] += 1
        self.note(f"{status} {cell.method} on {cell.task.name} {record['run'].get('wall_s')} s")
        if status in FAILED:
            self.say(f"{status}: {cell.method} on {cell.task.name}: {reason}")
        late = time.monotonic() - self.last > LINE_EVERY_S and self.counts.total() < self.total
        if late and not self.quiet and not self.live:  # the last line is said at the end
            self.last = time.monotonic()
            self.say(self.line())

    def say(self, line: str) -> None:
        """A line for people, above the live table, and in the log."""
        self.note(line)
        self.console.print(line, markup=False)

    def note(self, line: str) -> None:
        """Shows a line, and writes it to the log."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if self.log and not self.log.closed:
            self.log.write(f"{now} {line}\n")
            self.log.flush()

    @property
    def running(self) -> dict[Cell, float]:
        """What runs, and since when: as much of what is under way as there are workers."""
        return dict(list(self.under_way.items())[: self.workers])

    def line(self) -> str:
        """Done, failed, running, time gone and time left."""
        done = self.counts.total()
        failed = sum(self.counts[status] for status in FAILED)
        gone = duration(time.monotonic() - self.start)
        told = f"{done}/{self.total} cells, {failed} failed, "
        if done == self.total:
            return f"{told}in {gone}"
        seconds = self.left()
        left = "time left not known" if seconds is None else f"about {duration(seconds)} left"
        return f"{told}{len(self.running)} running, {gone}, {left}"

    def left(self) -> float | None:
        """Seconds to the end: expected times over the workers, at least that of the longest cell.

        What is unknown takes the mean of what is done; None where nothing is done either.
        """
        now, done = time.monotonic(), self.counts.total()
        workers = self.workers or max(1, len(self.under_way))
        mean = (now - self.start) * workers / done if done else None
        longest, total = 0.0, 0.0
        for cell, started in {
            **dict.fromkeys([*self.waiting, *self.under_way], now),
            **self.running,
        }.items():
            expected = self.expectations.seconds(cell)
            expected = mean if expected is None else expected
            if expected is None:
                return None
            seconds = max(0.0, expected - (now - started))
            longest, total = max(longest, seconds), total + seconds
        return max(longest, total / workers)

    def table(self) -> Table:
        """The live table: what runs and for how long, under the line of counts."""
        table = Table(title=self.line(), title_justify="left", box=None)
        for column in ("running", "problem", "for", "expected", ""):
            table.add_column(column)
        for cell, started in self.running.items():
            expected = self.expectations.seconds(cell)
            known = "" if expected is None else duration(expected)
            gone = duration(time.monotonic() - started)
            far = cell.task.progress(cell.method)
            table.add_row(cell.method, cell.task.name, gone, known, far)
        return table


def bar(quiet: bool = False) -> Callable[[Sequence[str], str], Iterable[str]]:
    """(names, about) -> the same names, one by one, while a bar says how far they are.

    On standard error, which takes one line where it is a pipe; `quiet` says nothing.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def shown(names: Sequence[str], about: str) -> Iterable[str]:
        if not quiet and not console.is_terminal:
            console.print(f"{about}: {len(names)}", markup=False)
        hidden = quiet or not console.is_terminal
        return track(names, about, console=console, transient=True, disable=hidden)

    return shown
