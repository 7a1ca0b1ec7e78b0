"""What a module computes with, as one hash: its syntax tree and those of all that it imports.

Read from files, nothing is imported. Docstrings, comments and layout do not count. Followed are
imports, wherever in a file they stand, of the module's own package, of modules beside it in its own
folder, and of what everything here is made of (`SHARED`).
"""

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

SHARED = ("bench.scm", "bench.method", "bench.task", "bench.standardised")
WITHIN_BENCH = (*SHARED, "bench.suites")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def fingerprint_of(module: str, home: Path | None = None) -> str:
    """sha256 over a module and all that it imports of its own and of ours.

    Args:
        module: dotted name. home: folder searched first, as for a method named `module:Class`.

    Raises:
        ValueError: there is no such module.
    """
    lines = "\n".join(f"{name} {sha}" for name, (_, sha) in sorted(_read(module, home).items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def sources_of(module: str, home: Path | None = None) -> list[Path]:
    """The files that a fingerprint is made of.

    Raises:
        ValueError: there is no such module.
    """
    return [path for path, _ in _read(module, home).values()]


def defines(module: str, name: str, home: Path) -> None:
    """Checks that a module's source binds a name, as far as reading it can tell.

    Raises:
        ValueError: there is no such module, or it has no such name.
    """
    _read(module, home)
    path = _file(module, str(home))
    tree = _tree(path.read_bytes()) if path else None
    if tree and name not in _bound(tree) and "*" not in _bound(tree):
        raise ValueError(f"module {module} has no {name}")


def _bound(tree: ast.Module) -> set[str]:
    """Names that a module may bind at its top; `*` where more than can be read."""
    names = {n.name for n in ast.walk(tree) if isinstance(n, DOCUMENTED[1:])}
    names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names |= {a.asname or a.name.split(".")[0] for node in imported for a in node.names}
    return names | ({"*"} if "__getattr__" in names or "globals" in names else set())


def _read(module: str, home: Path | None) -> dict[str, tuple[Path, str]]:
    """Files and hashes of a module and all that is followed from it, by name."""
    folder = str(home) if home else ""
    if not _file(module, folder):
        raise ValueError(f"no module {module}" + (f" in {folder}" if folder else ""))
    seen: dict[str, tuple[Path, str]] = {}
    waiting = [module, *_parents(module)]
    while waiting:
        name = waiting.pop()
        path = _file(name, folder)
        if name in seen or path is None:
            continue
        stamp = path.stat()
        sha, imports = _parsed(name, str(path), stamp.st_mtime_ns, stamp.st_size)
        seen[name] = path, sha
        found = {n for wanted in imports for n in (wanted, *_parents(wanted))}
        waiting += [n for n in sorted(found - set(seen)) if _followed(n, module, folder)]
    return seen


def _parents(module: str) -> list[str]:
    """The packages that importing a module runs: of a.b.c a.b and a, of `bench` none above ours."""
    parts = module.split(".")
    above = [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
    return [name for name in above if name != "bench"]


def _followed(name: str, module: str, folder: str) -> bool:
    """Whether an imported module belongs to what `module` computes with."""
    top = name.split(".")[0]
    if top == "bench":
        return any(name == part or name.startswith(f"{part}.") for part in WITHIN_BENCH)
    return top == module.split(".")[0] or _beside(top, module.split(".")[0], folder)


def _beside(top: str, other: str, folder: str) -> bool:
    """Whether two top-level names are neighbours in one folder that holds no installed packages."""
    if top in sys.stdlib_module_names:
        return False
    roots = [_root(name, folder) for name in (top, other)]
    return roots[0] is not None and roots[0] == roots[1] and roots[0] not in _installed()


def _root(top: str, folder: str) -> Path | None:
    spec = _top_spec(top, folder)
    places = list(spec.submodule_search_locations or ()) if spec else []
    place = places[0] if places else spec.origin if spec else None
    return Path(place).resolve().parent if place and Path(place).exists() else None


@lru_cache(maxsize=1)
def _installed() -> frozenset[Path]:
    names = ("purelib", "platlib", "stdlib", "platstdlib")
    places = [sysconfig.get_paths()[name] for name in names] + site.getsitepackages()
    return frozenset(Path(place).resolve() for place in (*places, site.getusersitepackages()))


def _top_spec(top: str, folder: str) -> ModuleSpec | None:
    found = PathFinder.find_spec(top, [folder]) if folder else None
    try:
        return found or importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


def _file(module: str, folder: str) -> Path | None:
    """A module's file; None for what has none: namespaces, built-in and missing modules."""
    top, *rest = module.split(".")
    spec, name = _top_spec(top, folder), top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return Path(spec.origin)


@lru_cache(maxsize=10_000)
def _parsed(name: str, path: str, changed: int, size: int) -> tuple[str, tuple[str, ...]]:
    """Hash of a file's syntax tree, and the names of all that it may import."""
    data = Path(path).read_bytes()
    tree = _tree(data)
    if tree is None:
        return hashlib.sha256(data).hexdigest(), ()
    package = name if Path(path).name == "__init__.py" else name.rpartition(".")[0]
    imports = tuple(sorted(set(_imports(tree, package))))
    return hashlib.sha256("".join(_written(tree)).encode("utf-8", "replace")).hexdigest(), imports


def _tree(data: bytes) -> ast.Module | None:
    """The syntax tree of a file, None where it is no Python."""
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Names that may be modules: `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(above) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _imports_by_name(node.func) and node.args:
            named = node.args[0]
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                yield named.value


def _imports_by_name(called: ast.expr) -> bool:
    name = getattr(called, "attr", getattr(called, "id", ""))
    return name in ("import_module", "__import__")


def _written(node: object) -> Iterator[str]:
    """A syntax tree as text that is the same in every version of Python; docstrings left out."""
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "kind", "type_comment", "type_ignores") or value in (None, []):
                continue
            yield f"{name}="
            yield from _written(_without_docstring(node) if name == "body" else value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for part in node:
            yield from _written(part)
            yield ","
        yield "]"
    else:
        yield repr(node)


def _without_docstring(node: Any) -> object:
    documented = isinstance(
        node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    )
    if documented and ast.get_docstring(node, clean=False) is not None:
        return node.body[1:]
    return node.body
