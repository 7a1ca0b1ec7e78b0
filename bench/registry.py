"""Names of methods and suites to the things themselves, loaded when asked for.

Our own and a stranger's packages register alike: one entry-point line in the group
`condfip_bench.methods` or `condfip_bench.suites`. A method may also be named `module:Class`, found
from the working folder.
"""

import hashlib
import importlib
import inspect
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.method import complete
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


class Unavailable(Exception):
    """A registered thing whose extra is not installed; the message says how to install it."""


def registered(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted({entry.name for entry in entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """The thing registered under a name.

    Raises:
        ValueError: unknown name. Unavailable: its extra is not installed.
    """
    entry = _entry(group, name)
    try:
        return entry.load()
    except ImportError as error:
        if not entry.extras:
            raise
        raise Unavailable(_advice(entry, error)) from error


def _entry(group: str, name: str) -> EntryPoint:
    found = [entry for entry in entry_points(group=group) if entry.name == name]
    if not found:
        there = ", ".join(registered(group)) or "none"
        raise ValueError(f"unknown {WHAT[group]} {name}; there are {there}")
    return found[0]


def _advice(entry: EntryPoint, error: ImportError) -> str:
    extra = ",".join(entry.extras)
    return f'needs {error.name or "a package"}: pip install "condfip-bench[{extra}]"'


DEFAULT_METHODS = (
    "truth",
    "floor",
    "marginal",
    "linear",
    "additive",
    "boosting",
    "gp",
    "mlp",
    "condfip",
    "condfip-incontext",
)
CONTROLS = ("truth", "floor", "marginal")
SEES_PROBLEM = ("truth", "floor")


@dataclass(frozen=True)
class LoadedMethod:
    """A method as the runner and users meet it: checked input, five verbs out.

    Attributes:
        name: as asked for. inner: the method itself. settings: what it was built with.
        source_sha: of the source file, for `module:Class` only.
    """

    name: str
    inner: Any
    settings: tuple[tuple[str, Any], ...] = ()
    source_sha: str = ""

    @property
    def version(self) -> str:
        """The method's own, "" where it has none."""
        return str(getattr(self.inner, "version", ""))

    @property
    def noise_space(self) -> str:
        """`additive`, or `base` for a model whose noise is in a space of its own."""
        return getattr(self.inner, "noise_space", "additive")

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method cannot fit this dataset, None where it can."""
        return self.inner.skip(dataset) if hasattr(self.inner, "skip") else None

    def fit(self, df: "pd.DataFrame | Any", graph: "nx.DiGraph", *, seed: int = 0) -> SCM:
        """Learns an SCM.

        Raises:
            ValueError: NaN, text, unknown columns, a cycle; or the method is a control that needs
                the truth.
        """
        if self.sees_problem:
            raise ValueError(f"{self.name} needs the true SCM; it runs on a suite's problems only")
        data = Dataset.of(df, graph)
        return complete(
            self.inner.fit(data.frame(), data.graph(), seed=seed), data, self.noise_space
        )

    def fit_problem(self, problem: Problem, seed: int) -> SCM:
        """Fits what a problem shows; controls are shown all of it."""
        if self.sees_problem:
            return self.inner.fit_problem(problem, seed)
        data = problem.data
        fitted = self.inner.fit(data.frame(), data.graph(), seed=seed)
        return complete(fitted, data, self.noise_space)

    @property
    def sees_problem(self) -> bool:
        """Whether this is one of the built-in controls that know the truth."""
        return self.name in SEES_PROBLEM


def load_method(name: str, **settings: Any) -> LoadedMethod:
    """Loads a registered method, or `module:Class` from the working folder.

    Raises:
        ValueError: unknown name, module or class. Unavailable: its extra is not installed.
    """
    foreign = ":" in name
    kind = _from_module(name) if foreign else load(METHODS, name)
    sha = _source_sha(kind) if foreign else ""
    return LoadedMethod(name, kind(**settings), tuple(sorted(settings.items())), sha)


def find_suite(name: str) -> Suite:
    """The registered suite of a name.

    Raises:
        ValueError: unknown name.
    """
    return load(SUITES, name)


def load_suite(name: str, preset: str = "quick", seed: int = 0, **axes: Any) -> list[Task]:
    """The tasks of a suite, any axis set to other values: load_suite("lorch", d=[10, 50]).

    Raises:
        ValueError: unknown suite, preset, axis or value.
    """
    return find_suite(name).tasks(preset, seed, **axes)


def names(group: str) -> list[str]:
    """Registered names of a group, our own first and in the order of a table."""
    known = registered(group)
    ranked = [name for name in DEFAULT_METHODS if name in known]
    return ranked + [name for name in known if name not in ranked]


def describe(name: str) -> str:
    """One line about a registered method: the first of its docstring, or how to install it."""
    try:
        return inspect.getdoc(load_method(name).inner).splitlines()[0]
    except Unavailable as error:
        return f"unavailable: {error}"


def _from_module(name: str) -> type:
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


def _source_sha(kind: type) -> str:
    return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()


def discover(name: str, data: Dataset, seed: int) -> np.ndarray:
    """The graph that a registered method finds in the rows of `data`: adjacency [D, D].

    Raises:
        ValueError: unknown name, or its answer is no acyclic graph over the columns.
        Unavailable: its extra is not installed.
    """
    frame = data.frame()
    return Dataset.of(frame, load(DISCOVERY, name)().discover(frame, seed=seed)).adjacency


def describe_discovery(name: str) -> str:
    """One line about a discovery method: the first of its docstring, or how to install it."""
    try:
        return inspect.getdoc(load(DISCOVERY, name)).splitlines()[0]
    except Unavailable as error:
        return f"unavailable: {error}"
