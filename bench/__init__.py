"""A benchmark of structural causal models learnt from a table and a causal graph.

The names below are what others may rely on; each is loaded when it is first asked for. All else may
change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.analysis.compare import compare_runs as compare
    from bench.analysis.results import read_results
    from bench.laws import check
    from bench.method import Estimate, Method, fit_additive, fit_per_node
    from bench.metrics import METRICS
    from bench.reading.dataset import Dataset
    from bench.registry import list_methods, list_suites, load_method, load_suite
    from bench.scm.base import SCM
    from bench.suite import Suite
    from bench.task import Problem, Task

__version__ = "0.1.0"

PLACES = {
    "METRICS": "bench.metrics",
    "SCM": "bench.scm.base",
    "Dataset": "bench.reading.dataset",
    "Estimate": "bench.method",
    "Method": "bench.method",
    "Problem": "bench.task",
    "Suite": "bench.suite",
    "Task": "bench.task",
    "check": "bench.laws",
    "compare": "bench.analysis.compare:compare_runs",
    "fit_additive": "bench.method",
    "fit_per_node": "bench.method",
    "list_methods": "bench.registry",
    "list_suites": "bench.registry",
    "load_method": "bench.registry",
    "load_suite": "bench.registry",
    "read_results": "bench.analysis.results",
}
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


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    module, _, attribute = PLACES[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
