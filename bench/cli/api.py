"""The page of the public names, made from their docstrings: `python -m bench.cli.api` writes it."""

import ast
import inspect
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import bench
from bench.metrics import METRICS

PAGE = Path(bench.__file__).parent / "docs" / "api.md"
HEAD = """# The public names

What others may rely on: `from bench import NAME`. All else may change without notice.
Letters of shapes: N rows, M other rows, D nodes, P parents. Made by `python -m bench.cli.api`
from the docstrings; every example runs in the tests.
"""
ORDER = (
    "load_suite",
    "list_suites",
    "load_method",
    "list_methods",
    "fit_per_node",
    "fit_additive",
    "check",
    "read_results",
    "compare",
    "METRICS",
    "SCM",
    "Dataset",
    "Problem",
    "Task",
    "Suite",
    "Method",
    "Estimate",
)


def documented(name: str) -> str:
    """The docstring of a public name; of METRICS, the text that follows it in its module.

    Raises:
        KeyError: no such public name.
    """
    place, thing = bench.PLACES[name], getattr(bench, name)
    if callable(thing):
        return inspect.getdoc(thing) or ""
    module: ModuleType = __import__(place, fromlist=[name])
    return _after(ast.parse(inspect.getsource(module)), name)


def _after(tree: ast.Module, name: str) -> str:
    """The text that stands after the assignment of a name."""
    for line, following in zip(tree.body, tree.body[1:], strict=False):
        assigned = isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == name
        if assigned and isinstance(following, ast.Expr):
            return inspect.cleandoc(str(ast.literal_eval(following.value)))
    return ""


def verbs(kind: type) -> list[tuple[str, Any]]:
    """The public functions that a class itself defines, in their order."""
    members = ((n, getattr(m, "__func__", m)) for n, m in vars(kind).items())
    return [(n, m) for n, m in members if inspect.isfunction(m) and not n.startswith("_")]


def page() -> str:
    """Writes the whole page of public names as Markdown."""
    parts = [HEAD]
    for name in ORDER:
        thing = getattr(bench, name)
        parts.append(f"## {name}\n\n{_block(name, thing, documented(name))}")
        if isinstance(thing, type):
            members = [(f"{name}.{n}", m) for n, m in verbs(thing)]
            parts += [_block(n, m, inspect.getdoc(m) or "") for n, m in members]
        if name == "METRICS":
            lines = ((n, m.about.replace("|", "\\|"), m.unit or "-") for n, m in METRICS.items())
            rows = [f"| `{n}` | {about} | {unit} |" for n, about, unit in lines]
            parts.append("\n".join(["| name | what | unit |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _block(name: str, thing: Any, text: str) -> str:
    """A signature and a docstring, its sections and examples as they stand in the source."""
    head = f"{name}{_signature(thing)}" if inspect.isfunction(thing) else ""
    body = textwrap.indent(text, "    " if head else "")
    return "\n".join(["```text", *filter(None, (head, body.rstrip())), "```"])


def _signature(thing: Any) -> inspect.Signature:
    """How a function is called; a default that is no plain value is written `...`."""
    said = inspect.signature(thing)
    plain = (str, int, float, type(None), type)  # a parameter without default has a type there
    kept = [
        p if isinstance(p.default, plain) else p.replace(default=_Some())
        for p in said.parameters.values()
    ]
    return said.replace(parameters=kept)


class _Some:
    """A default that is told in the docstring."""

    def __repr__(self) -> str:
        return "..."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
