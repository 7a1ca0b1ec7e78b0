"""`bench run --suite`: a grid of problems and methods."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from bench.cli.options import axes, chosen, place, split
from bench.registry import default_methods, find_suite
from bench.run.backends import engine_of
from bench.run.environments import read_environments
from bench.run.execute import Order, check_among, execute, known_methods, resume_command
from bench.run.job import Limits
from bench.run.shape import FAILED
from bench.run.units import seconds, size
from bench.suite import Suite
from bench.suites.files import DATA_DIR
from bench.task import Task

SHARED, LEAST = 0.9, 128 * 2**20  # of the machine's memory; bytes of a cell's share
JOBS_MOST, SEED_MOST = 1000, 2**53


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every run, of a suite or of a table of one's own."""
    part = parser.add_argument_group("what to compute")
    about = "a,b, module:Class, NAME=PATH; default: those of `list methods` that are default"
    part.add_argument("--methods", default="", metavar="A,B", help=about)
    part.add_argument("--seed", type=int, default=0, help="of all draws; default: 0")
    part.add_argument("--out", type=place, metavar="DIR", help="default: results/SUITE-PRESET")
    about = "methods whose finished cells are computed again"
    part.add_argument("--force", default="", metavar="METHODS", help=about)
    about = f"failed cells to compute again: some of {', '.join(FAILED)} (default: all), or none"
    part.add_argument("--retry", default=",".join(FAILED), metavar="STATUSES", help=about)
    about = "compute cells again that lack a metric"
    part.add_argument("--fill", action="store_true", help=about)
    part.add_argument("--dry-run", action="store_true", help="only say what would run")
    part.add_argument("--quiet", action="store_true", help="no progress")
    _machine_options(parser.add_argument_group("how, and within which limits"))


def _machine_options(part: argparse._ArgumentGroup) -> None:
    about = "cells at once; default: cores"
    part.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help=about)
    about = "local, dask, or any joblib backend (loky, ray, ..., module:NAME)"
    part.add_argument("--backend", default="local", metavar="NAME", help=about)
    about = "the method runs in an environment of its own with these requirements; or a .toml file "
    about += "of such pairs"
    part.add_argument(
        "--env", nargs="+", default=[], metavar="NAME=FILE", action="extend", help=about
    )
    part.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster; else one starts")
    about = "of a cell; default 1h; 0: none"
    part.add_argument("--timeout", type=seconds, default="1h", metavar="20m", help=about)
    about = "of a cell, private pages; default: 90%% of the memory / jobs; 0: no limit"
    part.add_argument("--max-mem", type=size, metavar="4G", help=about)
    about = "where methods that can choose compute; default: auto, a GPU where there is one"
    part.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help=about)


def add_suite_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a run on a suite's problems."""
    part = parser.add_argument_group("a suite of problems")
    part.add_argument("--suite", metavar="NAME", help="see `list suites`, or module:NAME")
    about = "which part of its grid; default: quick (most suites: smoke, quick, paper)"
    part.add_argument("--preset", default="quick", help=about)
    about = "only the tasks with these settings, as in --where d=10,20 scenario=RFF_IN"
    part.add_argument(
        "--where", nargs="+", default=[], metavar="AXIS=VALUES", action="extend", help=about
    )
    about = "other values on axes of the grid, as in --set n_context=50,100 density=2"
    part.add_argument(
        "--set", nargs="+", default=[], metavar="AXIS=VALUES", action="extend", help=about
    )
    about = "folder of files that a suite reads (chamber, sachs)"
    part.add_argument("--data-dir", type=place, metavar="DIR", help=about)


def run_suite(
    options: argparse.Namespace, finish: Callable[[argparse.Namespace, Path], None] | None = None
) -> int:
    """Runs a suite with every method; `finish` writes and prints what the folder then holds.

    Raises:
        ValueError: an unknown name or value, or the settings leave no task.
    """
    if options.data_dir:
        read_from(options.data_dir)
    suite, tasks = asked_tasks(options)
    name = suite.name.replace(":", "-").replace("/", "-")
    folder = options.out or Path("results") / f"{name}-{options.preset}"
    return execute(order(options, tasks, folder, suite.generator, finish))


def asked_tasks(options: argparse.Namespace) -> tuple[Suite, list[Task]]:
    """The suite and the tasks that options name.

    Raises:
        ValueError: an unknown name or value, or the settings leave no task.
    """
    suite = find_suite(options.suite)
    tasks = suite.tasks(options.preset, options.seed, **chosen(options.set))
    if options.where:
        tasks = suite.where(tasks, **axes(options.where))
    if not tasks:
        raise ValueError("--set and --where leave no task; give one of them more values")
    return suite, tasks


def read_from(folder: Path) -> None:
    """Tells suites, in this process and all that it starts, where a user's files are.

    Raises:
        ValueError: no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"--data-dir: no folder {folder}")
    os.environ[DATA_DIR] = str(folder.resolve())


def order(
    options: argparse.Namespace,
    tasks: Sequence,
    folder: Path,
    generator: str,
    finish: Callable[[argparse.Namespace, Path], None] | None = None,
) -> Order:
    """What `execute` is to do, from the options of a run.

    Raises:
        ValueError: an unknown method or status.
    """
    _check_numbers(options)
    if options.scheduler is not None and (options.backend != "dask" or not options.scheduler):
        raise ValueError("--scheduler ADDRESS goes with --backend dask")
    engine_of(options.backend, options.jobs, options.scheduler)
    methods = known_methods(split(options.methods) or default_methods())
    check_among("--force", split(options.force), methods)
    if unknown := set(split(options.retry)) - {*FAILED, "none"}:
        raise ValueError(f"--retry takes {', '.join(FAILED)} or none, not {unknown.pop()}")
    return Order(
        tasks=tasks,
        methods=methods,
        folder=folder,
        jobs=options.jobs,
        generator=generator,
        device=_device(options.device),
        force=split(options.force),
        retry=split(options.retry),
        fill=options.fill,
        backend=options.backend,
        scheduler=options.scheduler,
        environments=read_environments(options.env, methods),
        limits=Limits(options.timeout or None, _memory(options)),
        command=resume_command(options.typed),
        dry=options.dry_run,
        quiet=options.quiet,
        finish=finish and (lambda place: finish(options, place)),
    )


def _check_numbers(options: argparse.Namespace) -> None:
    """Refuses what no machine has, and what no record can hold."""
    if options.jobs < 1:
        raise ValueError(f"--jobs takes 1 or more, not {options.jobs}")
    if options.jobs > JOBS_MOST:
        raise ValueError(f"--jobs takes {JOBS_MOST} cells at once or less; {_cores()} cores here")
    if abs(options.seed) > SEED_MOST:
        raise ValueError(f"--seed takes a whole number between -{SEED_MOST} and {SEED_MOST}")


def _cores() -> int:
    return os.cpu_count() or 1


def _memory(options: argparse.Namespace) -> int | None:
    """Bytes a cell may hold: as asked, or its worker's share of this machine; None: no limit.

    Raises:
        ValueError: the share is too small for any cell.
    """
    if options.max_mem is not None or options.scheduler:
        return options.max_mem or None
    share = int(SHARED * psutil.virtual_memory().total / options.jobs)
    if share < LEAST:
        raise ValueError(
            f"--jobs {options.jobs} leaves a cell {share / 2**20:.0f} MiB of memory: take fewer "
            f"(this machine has {_cores()} cores), or say --max-mem"
        )
    return share


def _device(asked: str) -> str:
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: no CUDA device is available")
    return ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
