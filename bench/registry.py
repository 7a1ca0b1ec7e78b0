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
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np

from bench.loaded import LoadedMethod
from bench.suite import Suite
from bench.task import Dataset, Task

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
    """Lists the suites that this and other installed packages register.

    Returns:
        Their names, sorted; `load_suite` takes them.

    Example:
        >>> from bench import list_suites
        >>> "lorch" in list_suites()
        True
    """
    return registered(SUITES)


def list_methods() -> list[str]:
    """Lists the methods that this and other installed packages register.

    Returns:
        Their names: controls first, then those that a run takes by default, then the others;
        `load_method` takes them. A method whose extra is not installed is among them.

    Example:
        >>> from bench import list_methods
        >>> list_methods()[:3]
        ['truth', 'floor', 'marginal']
    """
    said = {entry.name: _said(entry.value) for entry in entry_points(group=METHODS)}
    return sorted(said, key=lambda name: _standing(name, said[name]))


def default_methods() -> list[str]:
    """The methods of a run that names none."""
    return [name for name in list_methods() if declared(name).get("default")]


def names(group: str) -> list[str]:
    """Registered names of a group in the order of a list."""
    return list_methods() if group == METHODS else registered(group)


def target(name: str) -> str:
    """Where a method's class is written, `module:Class`; nothing of it is imported.

    Raises:
        ValueError: unknown name.
    """
    base = name.partition("=")[0]
    return base if ":" in base else _entry(METHODS, base).value.split(" ")[0]


def declared(name: str) -> dict[str, Any]:
    """Literals in the body of a method's class, read from its source, which is not imported.

    Inherited ones are not among them; there are none where the source cannot be read.

    Raises:
        ValueError: unknown name.
    """
    return _said(target(name))


def _standing(name: str, said: dict[str, Any]) -> tuple[int, bool, str]:
    role = said.get("role")
    return ROLES.index(role if role in ROLES else "baseline"), not said.get("default"), name


def _said(where: str) -> dict[str, Any]:
    module, _, attribute = where.split(" ")[0].partition(":")
    with suppress(ImportError, ValueError, AttributeError, OSError, SyntaxError):
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_bytes() if spec and spec.origin else b""
        return dict(_literals(ast.parse(source), attribute))
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
    entry = _entry(group, name)
    try:
        return entry.load()
    except ImportError as error:
        if not entry.extras:
            raise
        needs, extra = error.name or "a package", ",".join(entry.extras)
        raise Unavailable(f'needs {needs}: pip install "condfip-bench[{extra}]"') from error


def _entry(group: str, name: str) -> EntryPoint:
    found = [entry for entry in entry_points(group=group) if entry.name == name]
    if not found:
        there = ", ".join(registered(group)) or "none"
        raise ValueError(f"unknown {WHAT[group]} {name}; there are {there}")
    return found[0]


def load_method(name: str, *, device: str | None = None, **settings: Any) -> LoadedMethod:
    """Loads a method by its name.

    Args:
        name: a registered name, `module:Class` from the working folder, or either with `=PATH`, a
            pretrained method with the checkpoint in that file.
        device: where to compute, "cpu" or "cuda", for methods that take one; others compute where
            they do.
        settings: other arguments of the method's constructor.

    Returns:
        The method; its `fit(df, graph, seed=0)` gives an `SCM` with the five verbs.

    Raises:
        ValueError: unknown name, module or class, the method reads no checkpoint, or its class
            wants arguments.
        Unavailable: its extra is not installed; the message says how to install it.

    Example:
        >>> from bench import load_method, load_suite
        >>> load_method("linear")  # doctest: +ELLIPSIS
        Method linear (Linear, version ..., baseline)
        >>> problem = load_suite("lorch", preset="smoke")[0].problem()
        >>> scm = load_method("linear").fit(problem.context, problem.graph, seed=0)
        >>> scm.noise(problem.query).shape
        (50, 10)
    """
    base, _, checkpoint = name.partition("=")
    kind = _from_module(base) if ":" in base else load(METHODS, base)
    if not callable(kind):
        raise ValueError(f"{base} is no class but {type(kind).__name__}")
    given = dict(settings)
    if checkpoint and not _takes(kind, "checkpoint"):
        raise ValueError(f"{base} reads no checkpoint: {name} names one")
    if checkpoint:
        given["checkpoint"] = Path(checkpoint)
    if device and _takes(kind, "device"):
        given["device"] = device
    if lacking := _lacking(kind, given):
        raise ValueError(f"{base} is made without arguments, but wants {lacking}")
    module = target(name).partition(":")[0]
    return LoadedMethod(name, kind(**given), tuple(sorted(settings.items())), module)


def _lacking(kind: Any, given: Iterable[str]) -> str:
    """The first argument that a class wants and does not get."""
    try:
        arguments = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return ""
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [a.name for a in arguments if a.default is a.empty and a.kind not in any_number]
    return next((name for name in wanted if name not in given), "")


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
    """Loads the tasks of a suite; their problems are made when they are asked for.

    Args:
        name: a registered name, or `module:NAME` from the working folder.
        preset: "smoke" (seconds), "quick" (minutes) or "paper" (the published size).
        seed: of every draw of the suite.
        axes: values of some axes, in place of the preset's; `scms` is the number of draws.

    Returns:
        The tasks in their order, each with `name`, `settings` and `problem()`.

    Raises:
        ValueError: unknown suite, preset, axis or value.

    Example:
        >>> from bench import load_suite
        >>> tasks = load_suite("lorch", preset="smoke", d=[5], n_context=[100, 200])
        >>> sorted({task.settings["n_context"] for task in tasks})
        [100, 200]
        >>> tasks[0].problem().context.shape
        (100, 5)
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
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"no module {module}: it is named as in an import, package.module:Name")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise ValueError(f"no module {module} in {here}") from error
        raise
    except ImportError:
        raise
    except Exception as error:  # whatever a stranger's code raises when it is imported
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"module {module} cannot be imported: {said}") from error
    if not hasattr(found, attribute):
        raise ValueError(f"module {module} has no {attribute}")
    return getattr(found, attribute)


def finder_module(name: str) -> str:
    """The module of a registered discovery method; nothing is imported.

    Raises:
        ValueError: unknown name.
    """
    return _entry(DISCOVERY, name).module


def discover(name: str, data: Dataset, seed: int) -> np.ndarray:
    """The graph that a registered method finds in the rows of `data`: adjacency [D, D].

    Raises:
        ValueError: unknown name, or its answer is no acyclic graph over the columns.
        Unavailable: its extra is not installed.
    """
    frame = data.frame()
    return Dataset.of(frame, load(DISCOVERY, name)().discover(frame, seed=seed)).adjacency
