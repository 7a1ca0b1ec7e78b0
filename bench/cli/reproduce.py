"""`bench reproduce`: the runs behind every claim, from one list, each published when complete."""

import argparse
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.analysis.outputs import publish
from bench.analysis.render import render
from bench.analysis.results import metrics_of, read_results
from bench.analysis.runs import published_runs
from bench.analysis.table import Table
from bench.cli.options import axes, split
from bench.cli.run import add_options, add_suite_options, asked_tasks, order, read_from
from bench.metrics import METRICS
from bench.registry import METHODS, find_suite, names
from bench.run.cell import Cell
from bench.run.execute import INTERRUPTED, OK, Order, execute, resume_command
from bench.run.grid import Known
from bench.run.records import read_launches, read_records
from bench.run.schedule import Expectations

RESULTS = Path("results")
LIST = RESULTS / "runs.toml"
SIZES = ("d", "scms", "n_context", "n_query")  # which --smoke leaves to the suite
CORE_HOURS = 15


@dataclass(frozen=True)
class Part:
    """One `bench run` of several into one folder.

    Attributes:
        suite: by name.
        methods: by name. axes: of --set.
        smoke: axes of --set when the suite's preset smoke is run instead.
    """

    suite: str
    methods: Sequence[str]
    axes: Mapping[str, str]
    smoke: Mapping[str, str]

    def words(self, seed: int, timeout: str, folder: Path, jobs: int, small: bool) -> list[str]:
        """The command as one would type it after `python -m bench run`."""
        chosen = self.smoke if small else self.axes
        settings = ["--set", *(f"{axis}={values}" for axis, values in chosen.items())]
        return [
            *("--suite", self.suite, "--preset", "smoke" if small else "paper"),
            *(settings if chosen else ()),
            *("--methods", ",".join(self.methods), "--seed", str(seed), "--timeout", timeout),
            *("--out", str(folder), "--jobs", str(jobs)),
        ]


@dataclass(frozen=True)
class Listed:
    """A published run.

    Attributes:
        name: of its folder. about: what it is for. parts: in the order in which they run.
        tables: metrics whose tables are written where a cell has them; all if none is named.
    """

    name: str
    about: str
    parts: Sequence[Part]
    tables: Sequence[str]


@dataclass(frozen=True)
class Plan:
    """The list of runs, and the seed and time limit that all of them have."""

    seed: int
    timeout: str
    runs: Sequence[Listed]


def read_plan(path: Path) -> Plan:
    """Reads the list of runs.

    Raises:
        ValueError: the file is missing or no TOML, or a suite, method or metric of it is unknown.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"no {path}: reproduce runs in a checkout's folder") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    groups = {name: split(methods) for name, methods in told["methods"].items()}
    usual = told.get("tables", "")
    runs = [
        Listed(run["name"], run["about"], list(_parts(run, groups)), _tables(run, usual))
        for run in told["run"]
    ]
    return Plan(told["seed"], told["timeout"], runs)


def _tables(run: Mapping[str, Any], usual: str) -> list[str]:
    metrics = split(run.get("tables", usual))
    if unknown := [metric for metric in metrics if metric not in METRICS]:
        raise ValueError(f"run {run['name']}: no metric {unknown[0]}")
    return metrics


def _parts(run: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> Iterator[Part]:
    known = names(METHODS)
    for part in run["parts"]:
        words = part["methods"].split()
        methods = list(dict.fromkeys(m for word in words for m in groups.get(word, [word])))
        if unknown := [method for method in methods if method not in known]:
            raise ValueError(f"run {run['name']}: no method {unknown[0]}")
        asked = axes([*run.get("set", "").split(), *part["set"].split()])
        small = {axis: values for axis, values in asked.items() if axis not in SIZES}
        smoke = axes(run["smoke"].split()) if "smoke" in run else small
        find_suite(run["suite"])
        yield Part(run["suite"], methods, asked, smoke)


def add_reproduce_options(parser: argparse.ArgumentParser) -> None:
    """Options of `reproduce`."""
    about = "these runs of the list only; may be repeated"
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help=about)
    about = (
        "the same list at smoke size with seed 0, each method in one run and `linear` in all, in "
        "a temporary folder, which is removed"
    )
    parser.add_argument("--smoke", action="store_true", help=about)
    about = "only say what would run, and how long it takes"
    parser.add_argument("--dry-run", action="store_true", help=about)
    about = "these methods only, beside what is published of the others"
    parser.add_argument("--methods", type=split, default=[], metavar="A,B", help=about)
    about = "cells at once; default: cores"
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help=about)
    about = "folder of files that a suite reads (chamber, sachs)"
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=about)


def reproduce(options: argparse.Namespace) -> int:
    """Makes the runs of the list one after the other; what is done is not done again.

    Raises:
        ValueError: no list in this folder, an unknown name, or a method that no run asks.
    """
    plan = read_plan(LIST)
    there = [run.name for run in plan.runs]
    if unknown := [name for name in options.only if name not in there]:
        raise ValueError(f"--only: no run {unknown[0]}; the list has {', '.join(there)}")
    if options.data_dir:
        read_from(options.data_dir)
    asked = [run for run in plan.runs if not options.only or run.name in options.only]
    if options.methods:
        asked = narrowed(asked, options.methods)
    if options.smoke:
        asked = smallest(asked)
    if options.dry_run:
        print(render(_forecast(plan, asked, options)), end="")
        return OK
    if not options.smoke:
        return _all(plan, asked, RESULTS, options)
    with tempfile.TemporaryDirectory() as folder:
        return _all(plan, asked, Path(folder), options)


def _all(plan: Plan, runs: Sequence[Listed], results: Path, options: argparse.Namespace) -> int:
    worst = OK
    for run in runs:
        print(f"\n{run.name}: {run.about}", flush=True)
        folder, published = results / run.name, _published(results, run)
        if options.methods and published.exists() and not folder.exists():
            shutil.copytree(published, folder)
        for part in run.parts:
            ended = execute(_order(plan, part, folder, options.jobs, options.smoke))
            if ended == INTERRUPTED:
                print(f"go on with: {resume_command(options.typed)}")
                return ended
            worst = max(worst, ended)
        _publish(folder, published, run.tables)
    return worst


def _published(results: Path, run: Listed) -> Path:
    return results / "published" / run.name


def narrowed(runs: Sequence[Listed], methods: Sequence[str]) -> list[Listed]:
    """What is left of runs when only some methods are asked; runs without them are left out.

    Raises:
        ValueError: no run asks a method.
    """
    there = {method for run in runs for part in run.parts for method in part.methods}
    if unknown := [method for method in methods if method not in there]:
        raise ValueError(f"--methods: no run asks {unknown[0]}")
    made = list[Listed]()
    for run in runs:
        asked = [[method for method in part.methods if method in methods] for part in run.parts]
        parts = zip(run.parts, asked, strict=True)
        if any(asked):
            made.append(replace(run, parts=[replace(p, methods=m) for p, m in parts if m]))
    return made


def smallest(runs: Sequence[Listed]) -> list[Listed]:
    """Runs in which each method has one turn in all, and no run is without one."""
    met, made = set[str](), list[Listed]()
    for run in runs:
        parts = list[Part]()
        for part in run.parts:
            new = [method for method in part.methods if method not in met]
            if new or not parts:
                parts.append(replace(part, methods=new or _cheap(part.methods)))
            met.update(new)
        made.append(replace(run, parts=parts))
    return made


def _cheap(methods: Sequence[str]) -> list[str]:
    return [method for method in methods if method == "linear"] or list(methods[-1:])


def _order(plan: Plan, part: Part, folder: Path, jobs: int, small: bool) -> Order:
    """A part as `bench run` would do it; at smoke size the last problem alone."""
    parser = argparse.ArgumentParser()
    add_suite_options(parser)
    add_options(parser)
    words = part.words(0 if small else plan.seed, plan.timeout, folder, jobs, small)
    options = parser.parse_args(words)
    options.typed = ["run", *words]
    suite, tasks = asked_tasks(options)
    return order(options, tasks[-1:] if small else tasks, folder, suite.generator)


def _publish(folder: Path, target: Path, tables: Sequence[str]) -> None:
    """Publishes a run all of whose cells have a record; says what a reader should know of it."""
    current = read_records(folder).current
    if not any(record["result"]["metrics"] for record in current):
        reason = next((r["result"]["reason"] for r in current), "no cell")
        print(f"{folder.name}: not published, nothing was measured: {reason}")
        return
    there = metrics_of(read_results(folder))
    publish(folder, target, [metric for metric in tables if metric in there])
    print(f"{folder.name}: published in {target}")
    launches = read_launches(folder)
    used = [launches[k] for k in sorted({record["run"]["launch"] for record in current})]
    commits = sorted({launch["commit"] for launch in used})
    if len(commits) > 1:
        print(f"note: {folder.name} was computed at {len(commits)} commits: {', '.join(commits)}")
    if any(launch["dirty"] for launch in used):
        print(f"note: {folder.name} was computed with sources that no commit has")


FORECAST = (
    "Core minutes from the times of past cells of the same method and nearest size, on this "
    "processor where it was seen; not known: cells of methods that were never timed. Together "
    "{hours:.1f} core hours of at most {most}."
)


def _forecast(plan: Plan, runs: Sequence[Listed], options: argparse.Namespace) -> Table:
    """What each run has to do, and for how long."""
    header = ["run", "problems", "cells", "done before", "core minutes", "not known"]
    table, total = Table("reproduce", "", header), 0.0
    expectations = _seen(RESULTS / run.name for run in runs)
    for run in runs:
        folder = RESULTS / run.name
        cells = list(_cells(plan, run, folder, options.smoke))
        begun = _published(RESULTS, run) if options.methods and not folder.exists() else folder
        records = read_records(Path("no such folder") if options.smoke else begun)
        todo = Known(records, run.name).pending(cells)
        seconds, unknown = expectations.total(todo)
        total += seconds
        problems = len({cell.task for cell in cells})
        counted = [problems, len(cells), len(cells) - len(todo), f"{seconds / 60:.1f}", unknown]
        table.rows.append([run.name, *map(str, counted)])
    return replace(table, caption=FORECAST.format(hours=total / 3600, most=CORE_HOURS))


def _cells(plan: Plan, run: Listed, folder: Path, small: bool) -> Iterator[Cell]:
    met = set()
    for part in run.parts:
        asked = _order(plan, part, folder, 1, small)
        for task in asked.tasks:
            for method in asked.methods:
                cell = Cell(task, method, asked.device, asked.generator)
                if cell.name not in met:
                    met.add(cell.name)
                    yield cell


def _seen(folders: Iterable[Path]) -> Expectations:
    """Times of all published runs, and of what is done of the new ones."""
    return Expectations.from_runs([*published_runs().values(), *folders])
