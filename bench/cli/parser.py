"""The command line: python -m bench ..."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from bench.analysis.plots import PLOTS
from bench.analysis.render import FORMATS
from bench.analysis.table import MISSING
from bench.cli import commands
from bench.metrics import METRICS
from bench.registry import Unavailable
from bench.run.backends import BACKENDS
from bench.run.execute import INTERRUPTED, WRONG, resume_command
from bench.run.records import FAILED
from bench.run.units import seconds, size


class Parser(argparse.ArgumentParser):
    """Wrong usage is exit code 1 here; 2 means that some cells failed."""

    def error(self, message: str) -> NoReturn:
        """One line, exit code 1."""
        self.exit(WRONG, f"error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(arguments)
    options.typed = arguments
    try:
        return options.command(options)
    except (ValueError, ImportError, Unavailable, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print(f"interrupted: {resume_command(arguments)}", file=sys.stderr)
        return INTERRUPTED


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(prog="python -m bench", description="Benchmark of learnt structural causal models")
    every = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, command: Callable, about: str) -> Parser:
        part = every.add_parser(name, help=about, description=about)
        part.set_defaults(command=command)
        return part

    listing = add("list", commands.list_things, "what there is to run")
    listing.add_argument("what", nargs="?", choices=("suites", "methods", "discovery", "metrics"))
    _run_options(
        add("run", commands.run, "run a grid of problems and methods, then print its tables")
    )
    table = _folder(add("table", commands.table_command, "print the tables of a run"))
    table.add_argument("--metric", choices=METRICS)
    table.add_argument("--amortization", action="store_true", help="when pretraining pays")
    table.add_argument("--format", choices=FORMATS, default="md")
    table.add_argument("--missing", choices=MISSING, default="error")
    table.add_argument("--compare", choices=("paper",))
    table.add_argument("--like", type=int, metavar="N", help="the layout of the paper's table N")
    table.add_argument("--out", type=Path, metavar="FILE")
    plot = _folder(add("plot", commands.plot_command, "draw the figures of a run as PNG and PDF"))
    plot.add_argument("--kind", choices=PLOTS, action="append")
    page = _folder(add("report", commands.report_command, "write one HTML page of a run"))
    page.add_argument("--beside", type=Path, metavar="DIR", help="a second run to compare with")
    page.add_argument("--fast", action="store_true", help="no plots that fit methods again")
    compare = add(
        "compare", commands.compare_command, "a run beside the published figures or another run"
    )
    compare.add_argument("folder", type=Path)
    compare.add_argument("other", type=Path, help="paper, or the folder of a second run")
    compare.add_argument("--count", action="store_true", help="beside the paper: how often lower")
    compare.add_argument(
        "--methods", default="", metavar="A,B", help="of the first run; default: all"
    )
    compare.add_argument("--format", choices=FORMATS, default="md")
    checks = add("check", commands.check, "try every law on one method")
    checks.add_argument("method", help="a registered name or module:Class")
    start = add("new-method", commands.scaffold, "write a method and its test to start from")
    start.add_argument("name")
    add("speed", commands.speed_command, "time our own code beside references in the same run")
    return top


def _folder(part: Parser) -> Parser:
    part.add_argument("folder", type=Path, nargs="?", help="default: the newest in results/")
    return part


def _run_options(part: Parser) -> None:
    part.add_argument("--suite")
    part.add_argument("--preset", default="quick")
    part.add_argument("--methods", default="", help="a,b or module:Class or all")
    part.add_argument("--where", nargs="+", default=[], metavar="AXIS=VALUES", action="extend")
    part.add_argument("--set", nargs="+", default=[], metavar="AXIS=VALUES", action="extend")
    part.add_argument("--data", type=Path, help="your own CSV table")
    part.add_argument("--graph", type=Path, help="its edge list, header source,target")
    part.add_argument("--do", action="append", default=[], metavar="NAME=VALUE")
    part.add_argument("--n", type=int, help="rows to sample from your own table's SCMs")
    part.add_argument("--jobs", type=int, default=os.cpu_count())
    part.add_argument("--backend", choices=BACKENDS, default="loky")
    part.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster; else one starts")
    about = "of a cell; default 1h; 0: none"
    part.add_argument("--timeout", type=seconds, default="1h", metavar="20m", help=about)
    about = "of a cell, resident; default: 90%% of the memory / jobs; 0: no limit"
    part.add_argument("--max-mem", type=size, metavar="4G", help=about)
    part.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    part.add_argument("--seed", type=int, default=0)
    part.add_argument("--out", type=Path, metavar="DIR")
    part.add_argument("--force", default="", metavar="METHODS")
    part.add_argument("--retry", default=",".join(FAILED), metavar="STATUSES")
    part.add_argument("--dry-run", action="store_true")
    part.add_argument("--quiet", action="store_true")
