"""Runs cells (problem, method) in worker processes; each ends in exactly one record."""

import hashlib
import inspect
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from bench.measure import (
    Stopwatch,
    git_state,
    one_thread,
    peak_memory_mb,
    processor,
    reset_peak_memory,
    versions,
)
from bench.metrics import METRICS, node_residuals
from bench.plugins import Unavailable
from bench.records import FINISHED, read_record, record_path, task_columns, write_record, write_text
from bench.registry import LoadedMethod, load_method
from bench.task import Problem, Task, seed_of

PROBLEMS_HELD = 8


@dataclass(frozen=True)
class Cell:
    """One method on one task.

    Attributes:
        task: names the problem. method: a registered name or `module:Class`.
        device: where the method may compute.
    """

    task: Task
    method: str
    device: str = "cpu"

    def path(self, folder: Path) -> Path:
        """Where its record lives."""
        return record_path(folder, self.task.name, self.method)

    def load(self) -> LoadedMethod:
        """The method, told its device where it takes one.

        Raises:
            ValueError: unknown method. Unavailable: its extra is not installed.
        """
        method = load_method(self.method)
        if "device" in inspect.signature(type(method.inner)).parameters:
            method = load_method(self.method, device=self.device)
        return method

    def key(self) -> dict[str, Any]:
        """What the record answers to: nothing about order, position, workers or time."""
        key = {"problem": self.task.name, "method": self.method, "seed": self.task.seed}
        key["data"] = data_sha(self.task)
        key["metrics"] = {name: metric.version for name, metric in METRICS.items()}
        try:
            method = self.load()
        except Unavailable:
            return {**key, "available": False}
        checkpoint = getattr(method.inner, "checkpoint_sha", "")
        return {
            **key,
            "version": method.version,
            "source": method.source_sha,
            "checkpoint": checkpoint,
        }


@lru_cache(maxsize=PROBLEMS_HELD)
def make_problem(task: Task) -> Problem:
    """A task's problem, kept while neighbouring cells need it."""
    return task.problem()


@lru_cache(maxsize=100_000)
def data_sha(task: Task) -> str:
    """Fingerprint of a task's problem, "" where it cannot be made (its cells end `error`)."""
    try:
        return make_problem(task).sha()
    except Exception:
        return ""


def finished(cell: Cell, folder: Path, retry: Iterable[str]) -> bool:
    """Whether a whole record answers to this very cell and need not be run (again)."""
    record = read_record(cell.path(folder))
    if record is None or record["key"].get("problem") != cell.task.name:
        return False
    status = record["result"]["status"]
    return (status in FINISHED or status not in retry) and record["key"] == cell.key()


def pending(
    cells: Iterable[Cell], folder: Path, force: Sequence[str], retry: Sequence[str]
) -> list[Cell]:
    """The cells that a run has to compute."""
    with one_thread():
        return [c for c in cells if c.method in force or not finished(c, folder, retry)]


def run_cells(cells: Sequence[Cell], folder: Path, jobs: int) -> Iterable[dict[str, Any]]:
    """Computes cells on `jobs` workers and yields their records as they are written."""
    tasks = (delayed(run_cell)(cell, folder) for cell in cells)
    yield from Parallel(jobs, return_as="generator_unordered", batch_size=1)(tasks)


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Computes one cell and writes its record; a method's failure is a result."""
    with one_thread():
        record = _record(cell, folder)
    write_record(cell.path(folder), record)
    return record


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: status and reason, metrics {name: [version, value]}, residuals by node."""

    status: str = "ok"
    reason: str = ""
    metrics: dict[str, list] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)


def _record(cell: Cell, folder: Path) -> dict[str, Any]:
    reset_peak_memory()
    method = None
    try:
        method = cell.load()
        outcome = _score(cell, method)
    except Unavailable as error:
        outcome = Outcome("skipped", str(error))
    except MemoryError:
        outcome = Outcome("oom", "the method ran out of memory")
    except (Exception, SystemExit) as error:
        outcome = Outcome("error", f"{type(error).__name__}: {error}")
        write_text(folder / "logs" / f"{cell.path(folder).stem}.txt", traceback.format_exc())
    answer = {"metrics": outcome.metrics, "nodes": outcome.nodes}
    return {
        "key": cell.key(),
        "result": {**_result(cell, method, outcome.status, outcome.reason), **answer},
        "run": {**outcome.times, **_run_columns(cell, method)},
    }


def _score(cell: Cell, method: LoadedMethod) -> Outcome:
    """Fits and scores a method, unless it does not apply."""
    problem = make_problem(cell.task)
    if reason := _skip(method, problem):
        return Outcome("skipped", reason)
    seed = seed_of(cell.task.problem_name, cell.method, cell.task.seed)
    watch = Stopwatch()
    estimate = method.fit_problem(problem, seed)
    fit_s = watch.lap()
    metrics = {
        name: [metric.version, metric.value(problem, estimate)]
        for name, metric in METRICS.items()
        if metric.applies(problem, estimate)
    }
    nodes = node_residuals(problem, estimate) if problem.truth is None else {}
    return Outcome("ok", "", metrics, nodes, {"fit_s": fit_s, "query_s": watch.lap()})


def _skip(method: LoadedMethod, problem: Problem) -> str | None:
    if method.sees_problem:
        return method.inner.skip_problem(problem)
    return method.skip(problem.data)


def _result(cell: Cell, method: LoadedMethod | None, status: str, reason: str) -> dict[str, Any]:
    inner = getattr(method, "inner", None)
    seen = getattr(inner, "seen_in_training", None)
    return {
        **task_columns(cell.task),
        "method": cell.method,
        "status": status,
        "reason": reason,
        "seen_in_training": "" if seen is None else seen(cell.task),
        "data_sha": data_sha(cell.task),
        "checkpoint_sha": getattr(inner, "checkpoint_sha", ""),
        "code_sha": "" if inner is None else _code_sha(type(inner)),
        "versions": versions(),
    }


def _run_columns(cell: Cell, method: LoadedMethod | None) -> dict[str, Any]:
    commit, dirty = git_state()
    return {
        "git_commit": commit,
        "git_dirty": dirty,
        "pretrain_s": getattr(getattr(method, "inner", None), "pretrain_s", ""),
        "peak_rss_mb": round(peak_memory_mb(), 1),
        "threads": 1,
        "device": cell.device,
        "cpu": processor(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _code_sha(kind: type) -> str:
    return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()


def count(records: Iterable[dict[str, Any]]) -> Counter:
    """How many records ended in each status."""
    return Counter(record["result"]["status"] for record in records)
