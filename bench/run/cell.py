"""A cell (task, method): what its record answers to, and the record of its answer."""

import hashlib
import math
import pickle
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from bench.registry import METHODS, list_methods
from bench.run.environments import Environment
from bench.run.fingerprint import fingerprint_of
from bench.run.job import Answer, Job, Limits
from bench.run.shape import Record, cell_of, clean, seal
from bench.task import Task, seed_of

ROLES = ("truth", "reference", "baseline")
MEASURED = ("import_s", "fit_s", "query_s", "wall_s", "pretrain_s", "peak_rss_mb", "peak_device_mb")


@dataclass(frozen=True)
class Cell:
    """One method on one task: what ends in one record.

    Attributes:
        task: names the problem.
        method: a registered name, `module:Class`, or either with `=PATH`.
        device: where the method may compute.
        generator: fingerprint of the suite's source, which makes the problem.
        environment: of the method's own packages, where it has one.
    """

    task: Task
    method: str
    device: str = "cpu"
    generator: str = ""
    environment: Environment | None = None

    @property
    def seed(self) -> int:
        """The seed of the method's own randomness."""
        return seed_of(self.task.problem_name, self.method.partition("=")[0], self.task.seed)

    @property
    def maker(self) -> str:
        """Fingerprint of all that makes the problem: the suite's source and its task's makers."""
        return _with(self.generator, self.task.makers)

    @cached_property
    def name(self) -> str:
        """What tells it apart from every other cell; see `bench.run.shape.cell_of`."""
        return cell_of(self.key({}))

    def key(self, facts: dict[str, Any]) -> dict[str, Any]:
        """What its record answers to, given what its method said of itself."""
        return {
            "suite": self.task.suite,
            "settings": self.task.settings,
            "generator": self.maker,
            "method": self.method,
            "method_settings": _settings(facts.get("settings", {})) | self.surroundings,
            "version": clean(facts.get("version", ""), 200),
            "source": clean(facts.get("source", ""), 100),
            "checkpoint": clean(facts.get("checkpoint", ""), 100),
        }

    @property
    def surroundings(self) -> dict[str, str]:
        """What a record says of the method's own environment."""
        return {"environment": self.environment.name} if self.environment else {}

    def job(self, index: int, run: str = "", limits: Limits = Limits()) -> Job:  # noqa: B008
        """The cell as a worker is given it."""
        return Job(
            index=index,
            cell=self.name,
            task=pickle.dumps(self.task),
            suite=self.task.suite,
            settings=self.task.settings,
            method=self.method,
            module=module_of(self.method),
            device=self.device,
            seed=self.seed,
            limits=limits,
            run=run,
            home=str(Path.cwd()),
            python=self.environment.python if self.environment else "",
        )

    def record(self, answer: Answer, launch: int = 0) -> Record:
        """The sealed record of the cell's answer, text cleaned and cut.

        Raises:
            ValueError: the answer is another cell's.
        """
        if answer.cell != self.name:
            raise ValueError(f"an answer of {answer.cell} came for {self.name}")
        facts, result = answer.facts, answer.result
        role = facts.get("role")
        told = {
            "task": self.task.name,
            "scm": self.task.scm,
            "status": answer.status,
            "reason": clean(re.sub(r"0x[0-9a-f]+", "0x...", answer.reason)),
            "role": role if role in ROLES else "baseline",
            "noise_space": clean(facts.get("noise_space", "additive"), 100),
            "seen_in_training": result.get("seen_in_training"),
            "metrics": result.get("metrics", {}),
            "nodes": result.get("nodes", {}),
            "columns": result.get("columns", {}),
        }
        if facts.get("sees_problem") and role == "reference":
            told["bounds"] = result.get("bounds", [])
        run = {name: answer.run.get(name) for name in (*MEASURED, "metrics")}
        run |= {"launch": launch, "pretrain_s": facts.get("pretrain_s"), "threads": 1}
        run |= {"device": self.device, "finished": datetime.now(UTC).isoformat(timespec="seconds")}
        return seal(self.key(facts), told, run)


def _settings(settings: dict[str, Any]) -> dict[str, str | int | float]:
    """A method's settings as a record can hold them."""
    return {clean(name, 100): _setting(value) for name, value in settings.items()}


def _setting(value: Any) -> str | int | float:
    whole = isinstance(value, int) and abs(value) < 2**63
    if whole or isinstance(value, float) and math.isfinite(value):
        return value
    return clean(value, 200)


def module_of(method: str) -> str:
    """The module that a method's class is loaded from; nothing is imported.

    Raises:
        ValueError: no method is registered under that name, or it ends in `=`.
    """
    base, equals, checkpoint = method.partition("=")
    if equals and not checkpoint:
        raise ValueError(f"{method} names no checkpoint; {base} alone takes its own")
    if ":" in base:
        return base.partition(":")[0]
    if base not in _registered():
        raise ValueError(f"unknown method {base}; there are {', '.join(list_methods())}")
    return _registered()[base]


@cache
def _with(generator: str, makers: tuple[str, ...]) -> str:
    hashes = [generator, *(fingerprint_of(module) for module in makers)]
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if makers else generator


@cache
def _registered() -> dict[str, str]:
    """The module of each registered method; reading what is installed takes 20 ms."""
    return {entry.name: entry.module for entry in entry_points(group=METHODS)}
