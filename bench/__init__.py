"""A benchmark of structural causal models learnt from a table and a causal graph.

The names below are what others may rely on; each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.analysis.compare import compare
    from bench.analysis.results import read_results
    from bench.laws import check
    from bench.method import Estimate, Method, fit_additive, fit_per_node
    from bench.metrics import METRICS
    from bench.registry import list_methods, list_suites, load_method, load_suite
    from bench.scm.base import SCM
    from bench.suite import Suite
    from bench.task import Dataset, Problem, Task

__version__ = "0.1.0"

__all__ = [
    "METRICS",
    "SCM",
    "Dataset",
    "Estimate",
    "Method",
    "Problem",
    "Suite",
    "Task",
    "check",
    "compare",
    "fit_additive",
    "fit_per_node",
    "list_methods",
    "list_suites",
    "load_method",
    "load_suite",
    "read_results",
]

PLACES = {
    "bench.analysis.compare": ("compare",),
    "bench.analysis.results": ("read_results",),
    "bench.laws": ("check",),
    "bench.method": ("Estimate", "Method", "fit_additive", "fit_per_node"),
    "bench.metrics": ("METRICS",),
    "bench.registry": ("list_methods", "list_suites", "load_method", "load_suite"),
    "bench.scm.base": ("SCM",),
    "bench.suite": ("Suite",),
    "bench.task": ("Dataset", "Problem", "Task"),
}


def __getattr__(name: str) -> Any:
    for module, names in PLACES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
