"""Commands that show what was run."""

import argparse
import sys
from itertools import chain
from pathlib import Path

import pandas as pd

from bench import laws
from bench.analysis.board import page as board
from bench.analysis.compare import beside_published, compare_runs
from bench.analysis.merge import merge
from bench.analysis.outputs import publish, write_figures, write_outputs
from bench.analysis.paper import compare_paper, like, pooled
from bench.analysis.plots import PLOTS
from bench.analysis.render import render, with_columns
from bench.analysis.report import write_report
from bench.analysis.report.own import is_own, write_own_page
from bench.analysis.results import Shown, counts, methods_of, metrics_of, read_results
from bench.analysis.runs import locate, newest_run, published_runs
from bench.analysis.skill import over, ratios
from bench.analysis.submission import check_submission
from bench.analysis.summary import amortization
from bench.analysis.table import Table, metric_table
from bench.cli.options import plain, shown, split
from bench.cli.run import asked_tasks
from bench.cli.scaffold import start
from bench.registry import default_methods
from bench.run.execute import OK, SOME_FAILED, known_methods
from bench.run.progress import bar
from bench.run.records import write_text

PAPER = "paper"


def _runs(options: argparse.Namespace) -> list[Path]:
    """The runs named, or the newest one computed here, which is then said."""
    if options.runs:
        return [locate(run) for run in options.runs]
    newest = newest_run()
    aside = getattr(options, "format", "md") != "md"
    print(f"newest run: {newest}", file=sys.stderr if aside else sys.stdout)
    return [newest]


def _results(options: argparse.Namespace, runs: list[Path]) -> pd.DataFrame:
    frame = read_results(runs, shown(options))
    for note in frame.attrs["notes"]:
        print(f"note: {note}", file=sys.stderr)
    return frame


def finish(options: argparse.Namespace, folder: Path) -> None:
    """Ends a run: everything that its folder holds is written, what was asked for is printed."""
    narrowed = Shown(
        known_methods(split(options.methods) or default_methods()), tasks=_asked_tasks(options)
    )
    made = write_outputs(folder, narrowed, bar(options.quiet))
    if not options.quiet:
        for table in made.tables:
            print("\n" + render(table))
        print(beside_published(folder, narrowed))
    print(
        f"results: {folder}/results.csv; tables: {folder}/tables; "
        f"figures: {folder}/figures ({len(made.figures)} files)"
    )


def _asked_tasks(options: argparse.Namespace) -> list[str]:
    if options.suite is None:
        return []
    return [task.name for task in asked_tasks(options)[1]]


def table_command(options: argparse.Namespace) -> int:
    """Prints or writes the tables of runs."""
    frame = _results(options, _runs(options))
    asked = split(options.columns)
    tables = [with_columns(table, asked) for table in _tables(frame, options)]
    text = "\n".join(render(table, options.format) for table in tables)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return OK


def _tables(frame: pd.DataFrame, options: argparse.Namespace) -> list[Table]:
    if options.amortization:
        return [amortization(frame)]
    if options.like is not None:
        return [like(frame, options.like, options.missing)]
    there = metrics_of(frame)
    if options.metric:
        _of_metrics(frame, [options.metric])
    wanted = [options.metric] if options.metric else there
    if not wanted:
        ended = ", ".join(f"{n} {status}" for status, n in counts(frame).items())
        raise ValueError(f"no cell of these results has a metric: {ended}")
    if options.over:
        shared = [m for m in wanted if len(ratios(frame, m, options.over))] or wanted
        return [over(frame, metric, options.over, options.by) for metric in shared]
    return [metric_table(frame, metric, options.missing) for metric in wanted]


def _of_metrics(frame: pd.DataFrame, asked: list[str]) -> pd.DataFrame:
    """The rows of some metrics.

    Raises:
        ValueError: no cell has one of them.
    """
    there = metrics_of(frame)
    if lacking := [metric for metric in asked if metric not in there]:
        raise ValueError(f"no metric {lacking[0]} in these results; there are {_said(there)}")
    return frame[frame["metric"].isin(asked)]


def _said(words: list[str]) -> str:
    return ", ".join(words) or "none"


def plot_command(options: argparse.Namespace) -> int:
    """Draws figures into the first run's folder, or another."""
    runs = _runs(options)
    frame = _results(options, runs)
    if asked := split(options.metric):
        frame = _of_metrics(frame, asked)
    for kind in options.kind or ():
        if not PLOTS[kind].fits(frame) and is_own(locate(runs[0])):
            raise ValueError(
                f"the plot {kind} needs a suite's problems; of your own table the page shows "
                f"mechanisms, draws, fit and effects: bench report {runs[0]}"
            )
        if not PLOTS[kind].fits(frame):
            lacking = ", ".join(run.name for run in runs)
            raise ValueError(f"plot {kind} needs {PLOTS[kind].needs}, which {lacking} lacks")
    folder = options.out or runs[0] / "figures"
    for path in write_figures(frame, folder, options.kind or (), bar()):
        print(path)
    return OK


def report_command(options: argparse.Namespace) -> int:
    """Writes the page into the first run's folder."""
    runs = _runs(options)
    if len(runs) == 1 and is_own(locate(runs[0])):
        path = write_own_page(locate(runs[0]))
    else:
        path = write_report(runs, options.beside, shown(options), not options.fast, bar())
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    return OK


def compare_command(options: argparse.Namespace) -> int:
    """Prints runs beside the published figures, another run, or their published like."""
    *first, last = options.runs or [None]
    if last is None or (last != PAPER and not first):
        options.runs = [last] if last else []
        for run in _runs(options):
            print(beside_published(run))
        return OK
    options.runs = first
    if last == PAPER:
        frame = _results(options, _runs(options))
        table = compare_paper(frame) if options.cells else pooled(frame)
    else:
        table = compare_runs(*_both(_runs(options), last, shown(options)))
    print(render(with_columns(table, split(options.columns)), options.format), end="")
    return OK


def _both(first: list[Path], last: str, asked: Shown) -> list[pd.DataFrame]:
    """The rows asked for of both sides; a method may be in one of them only."""
    frames = [read_results(first), read_results(last)]
    there = list(dict.fromkeys(name for frame in frames for name in methods_of(frame)))
    if unknown := [name for name in asked.methods if name not in there]:
        raise ValueError(f"no method {unknown[0]} in these results; there are {_said(there)}")
    shared = []
    for frame in frames:
        mine = [name for name in asked.methods if name in methods_of(frame)]
        if asked.methods and not mine:
            raise ValueError(f"{frame['run'].iloc[0]} has none of {_said(list(asked.methods))}")
        shared.append(Shown(mine, asked.where).of(frame))
    return shared


def rebuild_command(options: argparse.Namespace) -> int:
    """Makes everything of a folder again from its records."""
    folder = locate(options.folder)
    if options.publish is not None:
        target = Path("results", "published", plain(options.publish))
        print(*publish(folder, target, split(options.metric)), sep="\n")
        return OK
    if options.metric:
        raise ValueError("--metric names the tables to publish: give --publish NAME too")
    _rebuild(folder)
    return OK


def _rebuild(folder: Path) -> None:
    made = write_outputs(folder, bar=bar())
    own = is_own(folder)
    page = write_own_page(folder) if own else write_report([folder], refits=False, bar=bar())
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    told = ", ".join(f"{n} {status}" for status, n in made.counts.items())
    print(f"{folder}: {told}; {len(made.tables)} tables, {len(made.figures)} figure files, {page}")


def merge_command(options: argparse.Namespace) -> int:
    """Writes several runs as one, with all that a run's folder holds."""
    if len(options.runs) < 2:
        raise ValueError("merge takes two runs or more, and a new folder")
    merged = merge([locate(run) for run in options.runs], options.target)
    for note in merged.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(merged.records)} records of {len(merged.launches)} launches")
    _rebuild(options.target)
    return OK


def board_command(options: argparse.Namespace) -> int:
    """Writes the board of all published runs, or of those named."""
    runs = [locate(run) for run in options.runs] or list(published_runs().values())
    if not runs:
        raise ValueError("no run is published here; name a RUN")
    path = options.out or Path("results") / "board.html"
    write_text(path, board(runs, options.reference))
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")
    return OK


def check_run_command(options: argparse.Namespace) -> int:
    """Checks a run that was sent as untrusted data, and says what it holds."""
    print(f"{options.folder}: {check_submission(options.folder)}")
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
    """Writes the files to start a method, a suite or a metric from."""
    print("\n".join(start(options.what, options.name, Path.cwd())))
    return OK


def speed_command(options: argparse.Namespace) -> int:
    """Prints how long the parts take on this machine."""
    from bench.cli import speed

    for line in chain(speed.simulator(), speed.methods(), speed.runner(), speed.workers()):
        print(line, flush=True)
    return OK
