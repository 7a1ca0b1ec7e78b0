"""What each command of the command line does, once its options are read."""

import argparse
import math
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import psutil

from bench import laws
from bench.analysis.amortization import amortization
from bench.analysis.compare import compare_paper, compare_runs, like
from bench.analysis.nodes import node_table
from bench.analysis.plots import PLOTS
from bench.analysis.render import render
from bench.analysis.report import write_report
from bench.analysis.table import metrics_of, paper_table, read_results
from bench.analysis.verdicts import verdicts
from bench.cli import speed
from bench.cli.scaffold import new_method
from bench.metrics import METRICS
from bench.registry import (
    DEFAULT_METHODS,
    DISCOVERY,
    METHODS,
    SEES_PROBLEM,
    SUITES,
    Unavailable,
    describe,
    describe_discovery,
    find_suite,
    load_method,
    names,
    registered,
)
from bench.run.execute import (
    OK,
    SOME_FAILED,
    Order,
    execute,
    known_methods,
    newest_run,
    resume_command,
    write_figures,
)
from bench.run.records import FAILED, read_records, write_text
from bench.run.supervisor import Limits
from bench.suites.own import own_task, read_dataset, write_answers
from bench.task import Dataset

SHARED = 0.9


def list_things(options: argparse.Namespace) -> int:
    """Prints registered suites, methods and metrics."""
    sections = {
        "suites": _list_suites,
        "methods": _list_methods,
        "discovery": _list_discovery,
        "metrics": _list_metrics,
    }
    for name in [options.what] if options.what else sections:
        print(f"{name}:")
        sections[name]()
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
    for name in registered(DISCOVERY):
        print(f"  {name}: {describe_discovery(name)}")


def _list_metrics() -> None:
    for name, metric in METRICS.items():
        print(f"  {name}: {metric.about}")


def run(options: argparse.Namespace) -> int:
    """Runs a suite, or every method on a user's own table."""
    if (options.suite is None) == (options.data is None):
        raise ValueError("run needs either --suite NAME or --data FILE --graph FILE")
    if options.jobs < 1:
        raise ValueError(f"--jobs takes 1 or more, not {options.jobs}")
    if options.scheduler and options.backend != "dask":
        raise ValueError("--scheduler goes with --backend dask")
    return _run_own(options) if options.data else _run_suite(options)


def _run_suite(options: argparse.Namespace) -> int:
    if options.graph or options.do or options.n:
        raise ValueError("--graph, --do and --n go with --data")
    suite = find_suite(options.suite)
    tasks = suite.tasks(options.preset, options.seed, **_axes(options.set))
    if options.where:
        tasks = suite.where(tasks, **_axes(options.where))
    if not tasks:
        raise ValueError("the settings leave no task")
    folder = options.out or Path("results") / f"{suite.name}-{options.preset}"
    return execute(_order(options, tasks, folder))


def _run_own(options: argparse.Namespace) -> int:
    if options.graph is None:
        raise ValueError("--data needs --graph FILE, an edge list with the header source,target")
    if options.set or options.where:
        raise ValueError("--set and --where go with --suite")
    task = own_task(options.data, options.graph, options.seed)
    data = read_dataset(options.data, options.graph)
    do = _clamps(options.do, data)
    folder = options.out or Path("results") / f"own-{options.data.stem}"
    order = _order(options, [task], folder)
    code = execute(order)
    if options.dry_run or code not in (OK, SOME_FAILED):
        return code
    _print_nodes(order)
    return max(code, _answer_own(order.methods, data, do, options, folder))


def _print_nodes(order: Order) -> None:
    """The fit of every node, in the run's folder too."""
    records = [r["result"] for r in read_records(order.folder) if r["result"]["nodes"]]
    residuals = {r["method"]: r["nodes"] for r in records if r["method"] in order.methods}
    if residuals:
        text = render(node_table(residuals))
        write_text(order.folder / "tables" / "nodes.md", text)
        print("\n" + text)


def _answer_own(
    methods: Sequence[str], data: Dataset, do: dict, options: argparse.Namespace, folder: Path
) -> int:
    code = OK
    for name in methods:
        if name in SEES_PROBLEM:
            continue
        try:
            method = load_method(name)
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


def _order(options: argparse.Namespace, tasks: Sequence, folder: Path) -> Order:
    methods = _split(options.methods) or list(DEFAULT_METHODS)
    unknown = set(_split(options.retry)) - {*FAILED, "none"}
    if unknown:
        raise ValueError(f"--retry takes {', '.join(FAILED)} or none, not {unknown.pop()}")
    return Order(
        tasks=tasks,
        methods=known_methods(methods),
        folder=folder,
        jobs=options.jobs,
        device=_device(options.device),
        force=_split(options.force),
        retry=_split(options.retry),
        backend=options.backend,
        scheduler=options.scheduler,
        limits=Limits(options.timeout or None, _memory(options)),
        command=resume_command(options.typed),
        dry=options.dry_run,
        quiet=options.quiet,
    )


def _memory(options: argparse.Namespace) -> int | None:
    """Bytes a cell may hold: as asked, or its worker's share of this machine; None: no limit."""
    if options.max_mem is None and not options.scheduler:
        return int(SHARED * psutil.virtual_memory().total / options.jobs)
    return options.max_mem or None


def _device(asked: str) -> str:
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: no CUDA device is available")
    return ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked


def _split(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _axes(settings: Sequence[str]) -> dict[str, str]:
    axes = {}
    for setting in settings:
        axis, equals, values = setting.partition("=")
        if not equals or not values:
            raise ValueError(f"{setting} is not of the form AXIS=VALUES")
        axes[axis.lower()] = values
    return axes


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


def table_command(options: argparse.Namespace) -> int:
    """Prints or writes the tables of a run."""
    frame = read_results(options.folder or newest_run())
    if options.compare:
        tables = [compare_paper(frame)]
    elif options.amortization:
        tables = [amortization(frame)]
    elif options.like:
        tables = [like(frame, options.like, options.missing)]
    else:
        wanted = [options.metric] if options.metric else metrics_of(frame)
        if options.metric and options.metric not in metrics_of(frame):
            raise ValueError(f"the run has no metric {options.metric}")
        tables = [paper_table(frame, metric, options.missing) for metric in wanted]
    text = "\n".join(render(table, options.format) for table in tables)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return OK


def plot_command(options: argparse.Namespace) -> int:
    """Draws figures into the run's folder."""
    folder = options.folder or newest_run()
    frame = read_results(folder)
    for kind in options.kind or ():
        if not PLOTS[kind].fits(frame):
            raise ValueError(f"the run in {folder} has not what the plot {kind} needs")
    for path in write_figures(folder, options.kind or ()):
        print(path)
    return OK


def report_command(options: argparse.Namespace) -> int:
    """Writes the page into the run's folder."""
    folder = options.folder or newest_run()
    path = write_report(folder, options.beside, refits=not options.fast)
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    return OK


def compare_command(options: argparse.Namespace) -> int:
    """Prints a run beside the published figures or another run."""
    frame = read_results(options.folder)
    if asked := set(_split(options.methods)):
        if unknown := asked - set(frame["method"]):
            raise ValueError(f"the run in {options.folder} has no method {unknown.pop()}")
        frame = frame[frame["method"].isin(asked)]
    if str(options.other) == "paper":
        table = verdicts(frame) if options.count else compare_paper(frame)
    else:
        table = compare_runs(frame, read_results(options.other))
    print(render(table, options.format), end="")
    return OK


def check(options: argparse.Namespace) -> int:
    """Prints each law with pass or fail."""
    failed = 0
    for law, broken in laws.check(options.method):
        failed += bool(broken)
        print(f"{'FAIL' if broken else 'pass'}  {law}{': ' + broken if broken else ''}", flush=True)
    print(f"{len(laws.LAWS) - failed} passed, {failed} failed")
    return SOME_FAILED if failed else OK


def scaffold(options: argparse.Namespace) -> int:
    """Writes a new method's files."""
    print("\n".join(new_method(options.name, Path.cwd())))
    return OK


def speed_command(options: argparse.Namespace) -> int:
    """Prints timings."""
    for line in chain(speed.simulator(), speed.methods(), speed.runner()):
        print(line, flush=True)
    return OK
