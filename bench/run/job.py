"""What goes to a worker and what comes back, as plain data that any engine can carry."""

from dataclasses import dataclass, field
from typing import Any

REASON_MOST = 100_000  # characters of an exception that may be its reason; the log has all


@dataclass(frozen=True)
class Limits:
    """What one cell may use: wall-clock seconds and bytes of private memory; None is no limit."""

    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Job:
    """One cell on its way to a worker.

    Attributes:
        index: its number in the run.
        cell: names it, see `bench.run.shape.cell_of`.
        task: pickled, for the process that scores.
        suite, settings: of the task.
        method: as asked for.
        module: where its class is.
        device: where it may compute.
        seed: of the method's own randomness.
        limits: see `Limits`.
        run: names the run, so that all of it can be stopped.
        home: the folder of `module:Class`.
        python: interpreter of the method's own environment, "" where it has none.
    """

    index: int
    cell: str
    task: bytes
    suite: str
    settings: dict[str, Any]
    method: str
    module: str
    device: str = "cpu"
    seed: int = 0
    limits: Limits = Limits()
    run: str = ""
    home: str = "."
    python: str = ""


@dataclass(frozen=True)
class Answer:
    """How a job ended, with all that a record of it needs.

    Attributes:
        index, cell: of the job.
        status, reason: as in a record.
        log: the whole text of a failure.
        facts: what the method said of itself, as far as it got: source, version, role, ...
        result: metrics, nodes, columns and seen_in_training, as far as they are known.
        run: seconds and memory.
    """

    index: int
    cell: str
    status: str = "ok"
    reason: str = ""
    log: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


class Stopped(Exception):
    """The run that a job belongs to was stopped."""


class Ended(Exception):
    """A cell ended before it was scored.

    Args:
        status, reason: as in a record. log: the whole text.
    """

    def __init__(self, status: str, reason: str, log: str = "") -> None:
        super().__init__(status, reason)
        self.status, self.reason, self.log = status, reason, log or f"{status}: {reason}"


def failed(header: dict[str, Any], text: str) -> Ended:
    """What a process told of its failure: the words of its header, and its text."""
    known = header.get("status") in ("error", "oom", "skipped")
    length = header.get("reason_length")
    reason = text[: min(length, REASON_MOST)] if isinstance(length, int) else text[:REASON_MOST]
    return Ended(header["status"] if known else "error", reason, text)


def measured(value: Any) -> float | None:
    """A number that a method's process told: a measurement, or nothing."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return round(float(value), 4) if good else None
