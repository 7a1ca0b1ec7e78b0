"""Entry points: how our own and a stranger's package register things, loaded when asked for."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

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
