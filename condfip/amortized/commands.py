"""`python -m condfip goals`: its options."""

import argparse

from condfip.amortized.weights import SHIPPED
from condfip.options import count, place, seed, threads


def add_goals(commands: argparse._SubParsersAction) -> None:
    """`goals` and its options; `python -m condfip` has it too."""
    command = commands.add_parser("goals", help="what is to be reached, and where we stand")
    add = command.add_argument
    add("--checkpoint", type=place, default=SHIPPED, help="default: the shipped weights")
    add("--only", nargs="+", default=(), metavar="GOAL", help="lorch, lines, speed, ...")
    add("--dims", nargs="+", type=count, default=(10, 20), help="of RFF and LIN; 10 20 50 100")
    add("--scms", type=count, default=1, help="of each graph kind; draws of a data set")
    add(
        "--seed",
        type=seed,
        default=3,
        help="of the problems; 3 is none that anything was chosen on",
    )
    add("--cache", type=place, help="folder that keeps the rivals' scores between runs")
    add("--rows", type=count, default=20_000, help="of the goal rows")
    add("--figure", type=place, help="PNG file for the goal front: error against seconds")
    add("--threads", type=threads, default=1, help="default: 1")
    command.set_defaults(run=run_goals)


def run_goals(options: argparse.Namespace) -> None:
    """Prints the goal table, line by line."""
    from condfip.amortized.bars import run

    run(options)
