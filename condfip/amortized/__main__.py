"""`python -m condfip.amortized`: train, info, goals, ablation."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from condfip.amortized.config import PRESETS
from condfip.amortized.weights import SHIPPED


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    top = argparse.ArgumentParser("condfip.amortized", description="in-context mechanisms")
    add_commands(top.add_subparsers(required=True, metavar="COMMAND"))
    options = top.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        options.run(options)
    except (ValueError, ArithmeticError, OSError) as error:
        print(f"condfip.amortized: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def add_commands(commands: argparse._SubParsersAction) -> None:
    """All commands and their options."""
    training = commands.add_parser("train", help="pretrain the network")
    training.add_argument("--preset", choices=PRESETS, default="broad")
    training.add_argument("--minutes", type=float, default=0.0, help="the cosine ends there")
    training.add_argument("--steps", type=int, help="default: the preset's")
    training.add_argument("--out", type=Path, default=Path("runs") / "incontext")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--rate", type=float, help="peak learning rate; default: the preset's")
    training.add_argument("--validate", action="store_true", help="score every save")
    training.add_argument("--begin", type=Path, help="a checkpoint to go on from")
    training.set_defaults(run=run_train)
    info = commands.add_parser("info", help="what a checkpoint is")
    info.add_argument("checkpoint", nargs="?", type=Path, default=SHIPPED)
    info.set_defaults(run=run_info)
    add_goals(commands)
    undone = commands.add_parser("ablation", help="each choice of the design undone")
    undone.add_argument("--steps", type=int, default=400)
    undone.add_argument("--out", type=Path, default=Path("runs") / "incontext-ablation")
    undone.set_defaults(run=run_ablation)
    for command in (training, info, undone):
        command.add_argument("--threads", type=int, default=1)


def add_goals(commands: argparse._SubParsersAction) -> None:
    """`goals` and its options; `python -m condfip` has it too."""
    command = commands.add_parser("goals", help="what is to be reached, and where we stand")
    add = command.add_argument
    add("--checkpoint", type=Path, default=SHIPPED)
    add("--only", nargs="+", default=(), metavar="GOAL", help="floor, scarce, speed, ...")
    add("--dims", nargs="+", type=int, default=(10, 20), help="of RFF and LIN; 10 20 50 100")
    add("--scms", type=int, default=1, help="of each graph kind; 3 for the paper's number")
    add("--seed", type=int, default=0)
    add("--cache", type=Path, help="folder that keeps the rivals' scores between runs")
    add("--threads", type=int, default=1)
    command.set_defaults(run=run_goals)


def run_train(options: argparse.Namespace) -> None:
    """Trains a preset."""
    from condfip.amortized.train import train

    config = PRESETS[options.preset]
    config = replace(config, steps=options.steps or config.steps, rate=options.rate or config.rate)
    settings = {"minutes": options.minutes, "seed": options.seed, "begin": options.begin}
    print(train(config, options.out, **settings, validate=options.validate))


def run_info(options: argparse.Namespace) -> None:
    """Prints a checkpoint's header."""
    from condfip.amortized.weights import describe

    print(describe(options.checkpoint))


def run_goals(options: argparse.Namespace) -> None:
    """Prints the goal table, line by line."""
    from condfip.amortized.goals import run

    run(options)


def run_ablation(options: argparse.Namespace) -> None:
    """Prints a table, variant by variant."""
    from condfip.amortized.ablation import ablate

    for line in ablate(options.out, options.steps):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
