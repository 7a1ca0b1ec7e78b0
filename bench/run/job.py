"""What goes to a worker and what comes back, as plain data that any engine can carry."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What one cell may use: wall-clock seconds and bytes of private memory; None is no limit."""

    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Job:
    """One cell on its way to a worker.

    Attributes:
        index: its number in the run. cell: names it, see `bench.run.shape.cell_of`.
        task: pickled, for the process that scores. suite, settings: of the task.
        method: as asked for. module: where its class is. device: where it may compute.
        seed: of the method's own randomness. limits: see `Limits`.
        run: names the run, so that all of it can be stopped. home: the folder of `module:Class`.
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
    """How a job ended.

    Attributes:
        index, cell: of the job. status, reason: as in a record. log: the whole text of a failure.
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
    """A cell ended early.

    Args:
        status, reason: as in a record. log: the whole text.
    """

    def __init__(self, status: str, reason: str, log: str = "") -> None:
        super().__init__(status, reason)
        self.status, self.reason, self.log = status, reason, log or f"{status}: {reason}"
