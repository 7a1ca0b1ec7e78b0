"""`bench run --data`: every method on a user's own table."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.render import render
from bench.analysis.summary import node_table
from bench.cli.run import order
from bench.registry import Unavailable, load_method
from bench.run.execute import OK, SOME_FAILED, Order, execute
from bench.run.fingerprint import fingerprint_of
from bench.run.records import read_records, write_text
from bench.suites.own import OwnTask, own_task, read_dataset, write_answers
from bench.task import Dataset


def add_own_options(part: argparse.ArgumentParser) -> None:
    """Options of a run on one's own table."""
    part.add_argument("--data", type=Path, metavar="FILE", help="your own CSV table")
    part.add_argument("--graph", type=Path, metavar="FILE", help="its edge list: source,target")
    part.add_argument("--do", action="append", default=[], metavar="X=5", help="clamp a column")
    part.add_argument("--n", type=int, metavar="ROWS", help="to sample; default: as many as given")


def run_own(options: argparse.Namespace) -> int:
    """Runs every method on a user's own table, then answers about all of its rows."""
    if options.graph is None:
        raise ValueError("--data needs --graph FILE, an edge list with the header source,target")
    if options.set or options.where:
        raise ValueError("--set and --where go with --suite")
    task = own_task(options.data, options.graph, options.seed)
    data = read_dataset(options.data, options.graph)
    do = _clamps(options.do, data)
    folder = options.out or Path("results") / f"own-{options.data.stem}"
    asked = order(options, [task], folder, fingerprint_of(OwnTask.__module__))
    code = execute(asked)
    if options.dry_run or code not in (OK, SOME_FAILED):
        return code
    _print_nodes(asked)
    return max(code, _answer_own(asked.methods, data, do, options, folder))


def _print_nodes(order: Order) -> None:
    """The fit of every node, in the run's folder too."""
    found = [r for r in read_records(order.folder).current if r["result"]["nodes"]]
    residuals = {r["key"]["method"]: r["result"]["nodes"] for r in found}
    residuals = {method: residuals[method] for method in order.methods if method in residuals}
    if residuals:
        text = render(node_table(residuals))
        write_text(order.folder / "tables" / "nodes.md", text)
        print("\n" + text)


def _answer_own(
    methods: Sequence[str], data: Dataset, do: dict, options: argparse.Namespace, folder: Path
) -> int:
    code = OK
    for name in methods:
        try:
            method = load_method(name)
            if method.sees_problem:
                continue
            if reason := method.skip(data):
                print(f"{name} skipped: {reason}")
                continue
            n = options.n or len(data.rows)
            paths = write_answers(method, data, do, n, options.seed, folder)
            print(f"{name}, fitted to all rows: {', '.join(path.name for path in paths)}")
        except Unavailable as error:
            print(f"{name} skipped: {error}")
        except Exception as error:  # a stranger's method must not take the others down
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            code = SOME_FAILED
    return code


def _clamps(settings: Sequence[str], data: Dataset) -> dict[str, float]:
    clamps = {}
    for setting in settings:
        name, _, value = setting.rpartition("=")
        if name not in data.names:
            raise ValueError(f"--do {setting}: unknown column {name!r}")
        try:
            clamps[name] = float(value)
        except ValueError:
            raise ValueError(f"--do {setting}: {value!r} is no number") from None
        if not math.isfinite(clamps[name]):
            raise ValueError(f"--do {setting}: the value must be finite")
    return clamps
