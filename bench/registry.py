"""Names of methods and suites to the things themselves, loaded when asked for.

Our own and a stranger's packages register alike: one entry-point line in the group
`condfip_bench.methods` or `condfip_bench.suites`. A method or a suite may also be named
`module:Name`, found from the working folder.
"""

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import complete, member
from bench.scm.base import SCM
from bench.suite import Suite
from bench.task import Dataset, Problem, Task

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

METHODS = "condfip_bench.methods"
SUITES = "condfip_bench.suites"
DISCOVERY = "condfip_bench.discovery"
WHAT = {METHODS: "method", SUITES: "suite", DISCOVERY: "discovery method"}
ROLES = ("truth", "reference", "baseline")


class Unavailable(Exception):
    """A registered thing whose extra is not installed; the message says how to install it."""


def registered(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted({entry.name for entry in entry_points(group=group)})


def list_suites() -> list[str]:
    """Names of the registered suites."""
    return registered(SUITES)


def list_methods() -> list[str]:
    """Names of the registered methods: controls first, then those that a run takes by default."""
    return sorted(registered(METHODS), key=place)


def names(group: str) -> list[str]:
    """Registered names of a group in the order of a list."""
    return list_methods() if group == METHODS else registered(group)


def default_methods() -> list[str]:
    """The methods of a run that names none."""
    return [name for name in list_methods() if declared(name).get("default")]


def place(name: str) -> tuple[int, bool, str]:
    """Where a method stands in a list or table: by role, defaults first, then by name."""
    said = declared(name)
    role = said.get("role")
    return ROLES.index(role if role in ROLES else "baseline"), not said.get("default"), name


def declared(name: str) -> dict[str, Any]:
    """Literals in the body of a method's class, read from its source, which is not imported.

    Inherited ones are not among them; there are none where the name is unknown.
    """
    base = name.partition("=")[0]
    entries = [e.value for e in entry_points(group=METHODS) if e.name == base]
    module, _, attribute = (entries or [base])[0].split(" ")[0].partition(":")
    with suppress(ImportError, ValueError, AttributeError, OSError, SyntaxError):
        spec = importlib.util.find_spec(module)
        tree = ast.parse(Path(spec.origin).read_bytes())
        return dict(_literals(tree, attribute))
    return {}


def _literals(tree: ast.Module, name: str) -> Iterator[tuple[str, Any]]:
    for part in (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name):
        for line in part.body:
            if isinstance(line, ast.Assign | ast.AnnAssign) and line.value:
                targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                with suppress(ValueError):
                    yield ast.unparse(targets[0]), ast.literal_eval(line.value)


def load(group: str, name: str) -> Any:
    """The thing registered under a name.

    Raises:
        ValueError: unknown name. Unavailable: its extra is not installed.
    """
    found = [entry for entry in entry_points(group=group) if entry.name == name]
    if not found:
        there = ", ".join(registered(group)) or "none"
        raise ValueError(f"unknown {WHAT[group]} {name}; there are {there}")
    try:
        return found[0].load()
    except ImportError as error:
        if not found[0].extras:
            raise
        raise Unavailable(_advice(found[0], error)) from error


def _advice(entry: EntryPoint, error: ImportError) -> str:
    extra = ",".join(entry.extras)
    return f'needs {error.name or "a package"}: pip install "condfip-bench[{extra}]"'


@dataclass(frozen=True)
class LoadedMethod:
    """A method as the runner and users meet it: checked input, five verbs out.

    Attributes:
        name: as asked for. inner: the method itself. settings: what it was built with, but for the
            device and the checkpoint, which has a sha of its own.
    """

    name: str
    inner: Any
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def version(self) -> str:
        """The method's own, "" where it has none."""
        return str(member(self.inner, "version"))

    @property
    def role(self) -> str:
        """`truth`, `reference` or `baseline`."""
        return member(self.inner, "role")

    @property
    def noise_space(self) -> str:
        """`additive`, or `base` for a model whose noise is in a space of its own."""
        return member(self.inner, "noise_space")

    @cached_property
    def checkpoint_sha(self) -> str:
        """Of a pretrained method's weights, "" where there are none."""
        return member(self.inner, "checkpoint_sha")

    @property
    def pretrain_s(self) -> float | None:
        """Seconds of training behind the weights, None where there was none."""
        return member(self.inner, "pretrain_s")

    @cached_property
    def fingerprint(self) -> str:
        """Of the source that the method computes with; see `bench.run.fingerprint`."""
        from bench.run.fingerprint import fingerprint_of

        return fingerprint_of(type(self.inner).__module__, Path.cwd())

    @property
    def sees_problem(self) -> bool:
        """Whether it is a control that is shown the whole problem, not only its data."""
        return self.role != "baseline" and member(self.inner, "fit_problem") is not None

    def seen_in_training(self, task: Task) -> bool | None:
        """Whether training met SCMs like the task's, None where nothing was trained."""
        return member(self.inner, "seen_in_training")(task)

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method cannot fit this dataset, None where it can."""
        return member(self.inner, "skip")(dataset)

    def skip_problem(self, problem: Problem) -> str | None:
        """Why the method cannot fit what it is shown of a problem, None where it can."""
        if self.sees_problem:
            return member(self.inner, "skip_problem")(problem)
        return self.skip(problem.data)

    def fit(self, df: "pd.DataFrame | Any", graph: "nx.DiGraph", *, seed: int = 0) -> SCM:
        """Learns an SCM.

        Raises:
            ValueError: NaN, text, unknown columns, a cycle; or the method is a control that needs
                the truth.
        """
        if self.sees_problem:
            raise ValueError(f"{self.name} needs the true SCM; it runs on a suite's problems only")
        return self._fit(Dataset.of(df, graph), seed)

    def fit_problem(self, problem: Problem, seed: int) -> SCM:
        """Fits what a problem shows; controls are shown all of it."""
        if self.sees_problem:
            return self.inner.fit_problem(problem, seed)
        return self._fit(problem.data, seed)

    def _fit(self, data: Dataset, seed: int) -> SCM:
        fitted = self.inner.fit(data.frame(), data.graph(), seed=seed)
        return complete(fitted, data, self.noise_space)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """What it is made of, under the names that scikit-learn's `clone` passes on."""
        return {"name": self.name, "inner": self.inner, "settings": self.settings}


def load_method(name: str, *, device: str | None = None, **settings: Any) -> LoadedMethod:
    """Loads a method.

    Args:
        name: a registered name, `module:Class` from the working folder, or either with `=PATH`, a
            pretrained method with the checkpoint in that file.
        device: where to compute, for methods that take one; others compute where they do.
        settings: other arguments of the method's constructor.

    Raises:
        ValueError: unknown name, module or class, or the method reads no checkpoint.
        Unavailable: its extra is not installed.
    """
    base, _, checkpoint = name.partition("=")
    kind = _from_module(base) if ":" in base else load(METHODS, base)
    given = dict(settings)
    if checkpoint and not _takes(kind, "checkpoint"):
        raise ValueError(f"{base} reads no checkpoint: {name} names one")
    if checkpoint:
        given["checkpoint"] = Path(checkpoint)
    if device and _takes(kind, "device"):
        given["device"] = device
    return LoadedMethod(name, kind(**given), tuple(sorted(settings.items())))


def _takes(kind: Any, argument: str) -> bool:
    try:
        return argument in inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return False


def find_suite(name: str) -> Suite:
    """The suite of a registered name, or `module:NAME` from the working folder.

    Raises:
        ValueError: unknown name, or what it names is no suite.
    """
    if ":" not in name:
        return load(SUITES, name)
    suite = _from_module(name)
    if not isinstance(suite, Suite):
        raise ValueError(f"{name} is no suite but {type(suite).__name__}")
    return replace(suite, name=name)


def load_suite(name: str, preset: str = "quick", seed: int = 0, **axes: Any) -> list[Task]:
    """The tasks of a suite, any axis set to other values: load_suite("lorch", d=[10, 50]).

    Raises:
        ValueError: unknown suite, preset, axis or value.
    """
    return find_suite(name).tasks(preset, seed, **axes)


def find_task(suite: str, settings: dict[str, Any]) -> Task:
    """The task of a record or a row of results.

    Raises:
        ValueError: unknown suite, or settings that none of its tasks has.
    """
    return find_suite(suite).task(settings)


def describe(name: str, group: str = METHODS) -> str:
    """One line about a registered thing: the first of its docstring, or how to install it."""
    try:
        return (inspect.getdoc(load(group, name)) or "").partition("\n")[0]
    except Unavailable as error:
        return f"unavailable: {error}"


def _from_module(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise ValueError(f"no module {module} in {here}") from error
        raise
    except AttributeError as error:
        raise ValueError(f"module {module} has no {attribute}") from error


def discover(name: str, data: Dataset, seed: int) -> np.ndarray:
    """The graph that a registered method finds in the rows of `data`: adjacency [D, D].

    Raises:
        ValueError: unknown name, or its answer is no acyclic graph over the columns.
        Unavailable: its extra is not installed.
    """
    frame = data.frame()
    return Dataset.of(frame, load(DISCOVERY, name)().discover(frame, seed=seed)).adjacency


def __getattr__(name: str) -> Any:
    """Names that are about to go, for modules that still ask for them."""
    roles = {n: declared(n).get("role", "baseline") for n in registered(METHODS)}
    controls = [n for n in list_methods() if roles[n] != "baseline"]
    going = {
        "DEFAULT_METHODS": lambda: tuple(default_methods()),
        "CONTROLS": lambda: tuple(controls),
        "SEES_PROBLEM": lambda: tuple(n for n in controls if load_method(n).sees_problem),
        "describe_discovery": lambda: lambda n: describe(n, DISCOVERY),
    }
    if name in going:
        return going[name]()
    raise AttributeError(name)
