"""The command that lists what is registered and what was published."""

import argparse

from bench.analysis.runs import published_runs
from bench.metrics import METRICS
from bench.registry import DISCOVERY, METHODS, SUITES, describe, find_suite, names
from bench.run.execute import OK
from bench.run.records import read_launches


def list_things(options: argparse.Namespace) -> int:
    """Prints registered suites, methods and metrics, and published runs."""
    for name in [options.what] if options.what else LISTS:
        print(f"{name}:")
        LISTS[name]()
    return OK


def _list_suites() -> None:
    for name in names(SUITES):
        suite = find_suite(name)
        sizes = ", ".join(f"{preset} {len(suite.tasks(preset))}" for preset in suite.presets)
        print(
            f"  {name}: {suite.about}\n    problems: {sizes}\n    axes: {', '.join(suite.axes)}\n"
            f"    source: {suite.source}\n    licence: {suite.licence}"
        )


def _list_methods() -> None:
    for name in names(METHODS):
        print(f"  {name}: {describe(name)}")


def _list_discovery() -> None:
    for name in names(DISCOVERY):
        print(f"  {name}: {describe(name, DISCOVERY)}")


def _list_metrics() -> None:
    for name, metric in METRICS.items():
        print(f"  {name}: {metric.about}")


def _list_published() -> None:
    for name, folder in published_runs().items():
        cells = sum(sum(launch.get("cells", {}).values()) for launch in read_launches(folder))
        print(f"  {name}: {cells} cells")


LISTS = {
    "suites": _list_suites,
    "methods": _list_methods,
    "discovery": _list_discovery,
    "metrics": _list_metrics,
    "published": _list_published,
}
