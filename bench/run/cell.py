"""A cell (problem, method): what its record answers to, and how it is computed, in this process."""

import hashlib
import inspect
import re
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.metrics import METRICS, node_residuals
from bench.registry import LoadedMethod, Unavailable, load_method
from bench.run.environment import (
    Stopwatch,
    git_state,
    one_thread,
    peak_device_mb,
    peak_memory_mb,
    processor,
    reset_peak_memory,
    versions,
)
from bench.run.records import record_path, seal, task_columns, write_record
from bench.run.sandbox import preserved_state, scratch_folder, seed_globals
from bench.task import Dataset, Problem, Task, seed_of

PROBLEMS_HELD = 16
NO_MEMORY = ("not enough memory", "can't allocate memory", "Cannot allocate memory")


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

    @property
    def seed(self) -> int:
        """Of the method's own randomness."""
        return seed_of(self.task.problem_name, self.method, self.task.seed)

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
        try:
            method = self.load()
        except Unavailable:
            method = None
        return make_key(self, method, data_sha(self.task))


def make_key(cell: Cell, method: LoadedMethod | None, data: str) -> dict[str, Any]:
    """A cell's key, given its method (None: not available) and its problem's fingerprint."""
    key = {"problem": cell.task.name, "method": cell.method, "seed": cell.task.seed, "data": data}
    key["metrics"] = {name: metric.version for name, metric in METRICS.items()}
    if method is None:
        return {**key, "available": False}
    return {
        **key,
        "settings": dict(method.settings),
        "version": method.version,
        "source": method.source_sha,
        "checkpoint": getattr(method.inner, "checkpoint_sha", ""),
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


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: status and reason, metrics {name: [version, value]}, residuals by node.

    `run` holds what was measured: seconds and memory.
    """

    status: str = "ok"
    reason: str = ""
    metrics: dict[str, list] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Computes one cell in this very process and writes its record."""
    record, _ = compute(cell)
    write_record(cell.path(folder), record)
    return record


def compute(
    cell: Cell, begun: Callable[[dict[str, Any]], Any] = lambda record: None
) -> tuple[dict[str, Any], str]:
    """A cell's record and, where the method failed, its traceback; a failure is a result.

    Args:
        cell: what to compute.
        begun: told the record as far as it is known before the method runs, for whoever has to
            finish it when the method takes the process down.
    """
    with one_thread(), preserved_state():
        method, data, log = None, "", ""
        try:
            watch = Stopwatch()
            method = cell.load()
            loaded = {"import_s": watch.lap()}
            problem = make_problem(cell.task)
            data = data_sha(cell.task)
            begun(make_record(cell, method, data, Outcome("error", run=loaded)))
            with scratch_folder():
                outcome = _score(cell, method, problem, loaded)
        except Unavailable as error:
            data = data_sha(cell.task)
            outcome = Outcome("skipped", str(error))
        except (Exception, SystemExit) as error:
            outcome, log = _failure(error), traceback.format_exc()
        return make_record(cell, method, data, outcome), log


def _failure(error: BaseException) -> Outcome:
    short = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if short or any(words in str(error) for words in NO_MEMORY):
        return Outcome("oom", "the method ran out of memory")
    address_free = re.sub(r"0x[0-9a-f]+", "0x...", str(error))
    return Outcome("error", f"{type(error).__name__}: {address_free}")


def _score(cell: Cell, method: LoadedMethod, problem: Problem, loaded: dict[str, float]) -> Outcome:
    """Fits and scores a method, unless it does not apply."""
    if reason := _skip(method, problem):
        return Outcome("skipped", reason)
    warm_up(cell.method, cell.device)
    seed_globals(cell.seed)
    reset_peak_memory()
    watch = Stopwatch()
    with preserved_state():  # what the method changed must not touch how it is scored
        estimate = method.fit_problem(problem, cell.seed)
    fit_s = watch.lap()
    metrics = {
        name: [metric.version, metric.value(problem, estimate)]
        for name, metric in METRICS.items()
        if metric.applies(problem, estimate)
    }
    nodes = node_residuals(problem, estimate) if problem.truth is None else {}
    run = {**loaded, "fit_s": fit_s, "query_s": watch.lap()}
    return Outcome("ok", "", metrics, nodes, run)


@cache
def warm_up(name: str, device: str) -> None:
    """Fits and asks a tiny problem once a process and method: first calls are never timed.

    A failure here says nothing: the real problem decides.
    """
    rows = np.random.default_rng(0).normal(size=(24, 3)).cumsum(1)
    data = Dataset(rows, ("x0", "x1", "x2"), np.eye(3, k=1, dtype=bool))
    with suppress(Exception), preserved_state(), scratch_folder():
        method = Cell(Task("", ""), name, device).load()
        if not method.sees_problem and not method.skip(data):
            scm = method.fit(data.frame(), data.graph())
            scm.generate(scm.noise(data.frame()), {"x0": 0.0})


def _skip(method: LoadedMethod, problem: Problem) -> str | None:
    if method.sees_problem:
        return method.inner.skip_problem(problem)
    return method.skip(problem.data)


def make_record(
    cell: Cell, method: LoadedMethod | None, data: str, outcome: Outcome
) -> dict[str, Any]:
    """The record of a cell; `method` is None and `data` empty where they could not be made."""
    result = _result(cell, method, data, outcome)
    run = {**outcome.run, **_run_columns(cell, method)}
    return seal({"key": make_key(cell, method, data), "result": result, "run": run})


def _result(cell: Cell, method: LoadedMethod | None, data: str, outcome: Outcome) -> dict[str, Any]:
    inner = getattr(method, "inner", None)
    seen = getattr(inner, "seen_in_training", None)
    return {
        **task_columns(cell.task),
        "method": cell.method,
        "status": outcome.status,
        "reason": outcome.reason,
        "metrics": outcome.metrics,
        "nodes": outcome.nodes,
        "seen_in_training": "" if seen is None else seen(cell.task),
        "data_sha": data,
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
        "peak_device_mb": peak_device_mb(cell.device),
        "threads": 1,
        "device": cell.device,
        "cpu": processor(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _code_sha(kind: type) -> str:
    return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()
