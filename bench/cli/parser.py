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
from bench.cli import lists, own, show
from bench.cli import run as suites
from bench.cli.options import place
from bench.cli.pages import add_pages_options, pages
from bench.cli.reproduce import add_reproduce_options, reproduce
from bench.cli.scaffold import KINDS
from bench.metrics import METRICS
from bench.registry import Unavailable
from bench.run.execute import INTERRUPTED, WRONG, resume_command
from bench.run.shape import clean


class Parser(argparse.ArgumentParser):
    """Wrong usage is exit code 1 here; 2 means that some cells failed."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong in one line and ends with exit code 1."""
        self.exit(WRONG, f"error: {clean(message)} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(arguments)
    options.typed = arguments
    try:
        code = options.command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read along, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except (ValueError, ImportError, Unavailable, OSError) as error:
        print(f"error: {clean(str(error))}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print(f"interrupted: {resume_command(arguments)}", file=sys.stderr)
        return INTERRUPTED


def run(options: argparse.Namespace) -> int:
    """Runs a suite, or every method on a user's own table."""
    if (options.suite is None) == (options.data is None):
        raise ValueError("run needs either --suite NAME or --data FILE --graph FILE")
    if options.data:
        return own.run_own(options)
    if options.graph or options.do or options.effect or options.n or options.bootstrap:
        raise ValueError("--graph, --do, --effect, --n and --bootstrap go with --data")
    return suites.run_suite(options, show.finish)


def parser() -> Parser:
    """Builds the parser of every command and its options."""
    top = Parser(prog="python -m bench", description="Benchmark of learnt structural causal models")
    every = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, command: Callable, about: str) -> Parser:
        part = every.add_parser(name, help=about, description=about)
        part.set_defaults(command=command)
        return part

    listing = add("list", lists.list_things, "what there is to run, and what is published")
    listing.add_argument("what", nargs="?", choices=lists.LISTS, help="default: all of them")
    _run_options(add("run", run, "run a grid of problems and methods, then print its tables"))
    _table_options(add("table", show.table_command, "print the tables of runs"))
    _plot_options(add("plot", show.plot_command, "draw the figures of runs as PNG and PDF"))
    _report_options(add("report", show.report_command, "write one HTML page of runs"))
    about = "runs beside the published figures, another run, or the published run of their cells"
    _compare_options(add("compare", show.compare_command, about))
    _folder_options(add)
    checks = add("check", show.check, "try every law on one method")
    checks.add_argument("method", metavar="METHOD", help="a registered name or module:Class")
    for what in KINDS:
        start = add(f"new-{what}", show.scaffold, f"write a {what} and its test to start from")
        start.add_argument("name", metavar="NAME", help="small letters, digits and _")
        start.set_defaults(what=what)
    about = "fill the numbers of pages from the commands that they name"
    add_pages_options(add("pages", lambda options: pages(options, main), about))
    about = "make the runs behind every claim, from results/runs.toml, and publish them"
    add_reproduce_options(add("reproduce", reproduce, about))
    add("speed", show.speed_command, "time our own code beside references in the same run")
    return top


RUN = "a folder, or the name of a published run (see list published)"


def _shown_options(part: Parser, several: str) -> None:
    """The runs to show, and what of them."""
    part.add_argument("runs", nargs="*", metavar="RUN", help=f"{several}; {RUN}")
    part.add_argument("--methods", default="", metavar="A,B", help="show these only; default: all")
    part.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="AXIS=VALUES",
        action="extend",
        help="show problems with these settings only, as in --where d=10,20 scenario=RFF_IN",
    )


def _format_option(part: Parser) -> None:
    about = "these columns of the tables only, by their heads; default: all"
    part.add_argument("--columns", default="", metavar="A,B", help=about)
    part.add_argument(
        "--format", choices=FORMATS, default="md", help="Markdown, LaTeX or CSV; default: md"
    )


def _table_options(part: Parser) -> None:
    _shown_options(part, "joined on settings; default: the newest in results/")
    part.add_argument("--metric", choices=METRICS, help="one table; default: all there are")
    part.add_argument("--amortization", action="store_true", help="when pretraining has paid")
    about = (
        "errors over those of a method on the same SCMs, of several the lowest of each problem: "
        "geometric means with intervals"
    )
    part.add_argument("--over", default="", metavar="A,B", help=about)
    about = "with --over: a column for each value of this axis, as n_context"
    part.add_argument("--by", default="", metavar="AXIS", help=about)
    part.add_argument("--like", type=int, metavar="N", help="the layout of the paper's table N")
    part.add_argument(
        "--missing",
        choices=MISSING,
        default="error",
        help="what to do where methods lack SCMs: refuse (default), take the common ones, or "
        "average what is there and print n/N",
    )
    _format_option(part)
    part.add_argument("--out", type=place, metavar="FILE", help="write there; default: print")


def _plot_options(part: Parser) -> None:
    _shown_options(part, "joined on settings; default: the newest in results/")
    part.add_argument(
        "--kind", choices=PLOTS, action="append", help="may be repeated; default: all that fit"
    )
    part.add_argument("--metric", default="", metavar="A,B", help="of these only; default: all")
    about = "where to draw; default: figures/ of the first RUN"
    part.add_argument("--out", type=place, metavar="DIR", help=about)


def _report_options(part: Parser) -> None:
    _shown_options(part, "joined on settings; default: the newest in results/")
    part.add_argument("--beside", metavar="RUN", help="a second run to compare with")
    part.add_argument("--fast", action="store_true", help="no plots that fit methods again")


def _compare_options(part: Parser) -> None:
    _shown_options(
        part,
        "the last one is what the others are compared with: a run, or the word paper; with one "
        "alone, the published run of its cells",
    )
    about = "beside the paper: every cell; default: pooled over cells, with intervals"
    part.add_argument("--cells", action="store_true", help=about)
    _format_option(part)


def _folder_options(add: Callable) -> None:
    rebuild = add("rebuild", show.rebuild_command, "make tables, figures and page from records")
    rebuild.add_argument("folder", metavar="RUN", help=RUN)
    about = "write results/published/NAME instead: records packed, tables as Markdown"
    rebuild.add_argument("--publish", metavar="NAME", help=about)
    about = "whose tables are published; default: all there are"
    rebuild.add_argument("--metric", default="", metavar="A,B", help=about)
    about = "several runs as one; two results under one key are a conflict"
    merge = add("merge", show.merge_command, about)
    merge.add_argument("runs", nargs="+", metavar="RUN", help=f"two or more; {RUN}")
    merge.add_argument("target", type=Path, metavar="OUT", help="a new folder")

    board = add("board", show.board_command, "write one HTML page over many runs")
    board.add_argument("runs", nargs="*", metavar="RUN", help=f"default: all published; {RUN}")
    about = "the method that errors are divided by; default: the control with most cells"
    board.add_argument("--reference", default="", metavar="METHOD", help=about)
    about = "default: results/board.html"
    board.add_argument("--out", type=place, metavar="FILE", help=about)

    about = "check a run that was sent, as untrusted data"
    sent = add("check-run", show.check_run_command, about)
    sent.add_argument("folder", type=Path, metavar="DIR", help="as rebuild --publish writes it")


def _run_options(part: Parser) -> None:
    suites.add_suite_options(part)
    own.add_own_options(part)
    suites.add_options(part)
