"""`python -m condfip`: its commands and their options."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch

from bench.scm.prior import SCENARIOS
from condfip.amortized.commands import add_goals
from condfip.amortized.config import PRESETS as AMORTIZED_PRESETS
from condfip.options import THREADS_MOST, count, number, place, seed, threads, whole
from condfip.paper.config import JOINT, POOLINGS, PRESETS, STAGES
from condfip.paper.method import SHIPPED
from condfip.printable import plain

BAD_INPUT, INTERRUPTED = 1, 130
MODELS = ("condfip", "amortized")
CHECKPOINT = "file of weights; default: the shipped ones"
THREADS = "default: as torch finds them"
LOGS = {
    "Cond-FiP, both networks": "condfip-joint.csv",
    "Cond-FiP, encoder (smoothed noise)": "condfip-encoder.csv",
    "Cond-FiP, decoder": "condfip-decoder.csv",
    "Amortized GP": "amortized.csv",
}


class Parser(argparse.ArgumentParser):
    """Wrong usage is bad input: one line, exit code 1."""

    def error(self, message: str) -> NoReturn:
        """See the class."""
        self.exit(BAD_INPUT, f"condfip: {plain(message)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        if getattr(options, "threads", 0):
            torch.set_num_threads(options.threads)
        return options.run(options) or 0
    except (ValueError, MemoryError, ArithmeticError, OSError) as error:
        print(f"condfip: {plain(str(error) or type(error).__name__)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("condfip: interrupted", file=sys.stderr)
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser("condfip", description="Cond-FiP and amortized-gp: zero-shot causal models")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _train_options(commands.add_parser("train", help="pretrain Cond-FiP or amortized-gp"))
    _infer_options(commands.add_parser("infer", help="sample from the model of a table"))
    info = commands.add_parser("info", help="what a checkpoint is")
    info.add_argument("checkpoint", nargs="?", type=place, default=SHIPPED, help=CHECKPOINT)
    info.set_defaults(run=run_info)
    verify = commands.add_parser("verify", help="our networks beside answers of the published code")
    verify.add_argument("file", type=place, help="NPZ file of weights, inputs and answers")
    verify.set_defaults(run=run_verify)
    speed = commands.add_parser("speed", help="training and the paper's sizes on this machine")
    speed.add_argument("--threads", type=threads, default=1, help="default: 1")
    speed.add_argument("--paper", action="store_true", help="time the paper's sizes too")
    speed.add_argument(
        "--workers", type=whole(1, THREADS_MOST), default=1, help="time so many workers too"
    )
    speed.set_defaults(run=run_speed)
    plot = commands.add_parser("plot", help="draw the curves of a training run")
    plot.add_argument("folder", type=place, help="of the run")
    plot.add_argument("--out", type=place, help="default: FOLDER/curve.png")
    plot.set_defaults(run=run_plot)
    keep = commands.add_parser("keep", help="write a run into one small file to go on from")
    keep.add_argument("folder", type=place, help="of the run")
    keep.add_argument("--out", type=place, required=True, help="folder, another one")
    keep.set_defaults(run=run_keep)
    scaling = commands.add_parser("scaling", help="draw errors over training, of what is shipped")
    scaling.add_argument("--out", type=place, default=Path("scaling.png"), help="a figure's file")
    scaling.set_defaults(run=run_scaling)
    ablation = commands.add_parser("ablation", help="networks trained otherwise, side by side")
    ablation.add_argument(
        "model", nargs="?", choices=MODELS, default="condfip", help="whose; default: condfip"
    )
    ablation.add_argument("--steps", type=count, help="of every network; default: 600, 400")
    ablation.add_argument("--out", type=place, help="default: runs/ablation-MODEL")
    ablation.add_argument("--threads", type=threads, default=0, help=THREADS)
    ablation.set_defaults(run=run_ablation)
    add_goals(commands)
    _gate_options(commands.add_parser("gate", help="whether one training beats another"))
    return top


def _train_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "stage",
        choices=(*STAGES, "both", JOINT, "amortized"),
        help="what to train, or amortized-gp",
    )
    add = command.add_argument_group("the run").add_argument
    add("--preset", help="default: small; of amortized: broad")
    add(
        "--minutes",
        type=number(least=0),
        default=0.0,
        help="of work in each stage; its schedule ends there",
    )
    add("--steps", type=count, help="of each stage; default: the preset's")
    add("--out", type=place, help="folder of checkpoints and logs")
    add("--resume", type=place, help="such a folder, to go on from")
    add("--encoder", type=place, help="checkpoint to train the decoder on; default: OUT's")
    add("--begin", type=place, help="checkpoint whose weights a new run starts from")
    add("--device", default="cpu", help="cpu, cuda, cuda:1")
    add("--threads", type=threads, default=0, help=THREADS)
    add(
        "--workers",
        type=whole(1, THREADS_MOST),
        default=1,
        help="of Cond-FiP: chunks of a step at once; default: 1",
    )
    add("--seed", type=seed, default=0, help="of weights and draws; default: 0")
    add("--every", type=count, default=100, help="steps between validations")
    add = command.add_argument_group("in place of the preset's").add_argument
    add("--chunk", type=count, help="datasets held in memory at once")
    add("--rate", type=number(above=0), help="peak learning rate")
    add(
        "--effect",
        type=number(least=0),
        help="weight of the errors of effects in the decoder's loss",
    )
    add("--effect-from", type=whole(0), help="step at which it joins")
    add("--grow", type=whole(0), help="step at which contexts have all lengths")
    add("--pooling", choices=POOLINGS, help="over samples, in the decoder; a run goes on wider")
    add("--variant", choices=("lorch", "causica"), help="of the prior")
    add("--mechanisms", nargs="+", choices=("LIN", "RFF"), help="of the prior")
    command.set_defaults(run=run_train)


def _infer_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--data", type=place, required=True, help="CSV table of context rows")
    add("--graph", required=True, help="its graph: edge list (source,target), GML, DOT, ...")
    add("--out", type=place, required=True, help="CSV file to write")
    add("--n", type=count, help="rows to sample; default: as many as the table has")
    add(
        "--do", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="as in bench run"
    )
    add("--counterfactual", action="store_true", help="the table's own rows under --do")
    add("--seed", type=seed, default=0, help="of the draws; default: 0")
    add("--checkpoint", type=place, default=SHIPPED, help=CHECKPOINT)
    add("--device", default="cpu", help="cpu, cuda, cuda:1")
    command.set_defaults(run=run_infer)


def _gate_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("old", type=place, help="checkpoint of a training without a change")
    add("new", type=place, help="of the same training with it")
    add("--seed", type=seed, default=1, help="of the problems; default: 1, the one for choices")
    add("--scms", type=count, default=2, help="of each kind of graph; default: 2, 40 problems")
    add("--dims", nargs="+", type=count, default=[10, 20], help="nodes; default: 10 20")
    add("--rows", type=count, default=400, help="of each context; default: 400")
    add("--scenarios", nargs="+", default=[*SCENARIOS], help=f"default: {' '.join(SCENARIOS)}")
    command.set_defaults(run=run_gate)


def run_train(options: argparse.Namespace) -> int:
    """Trains one stage, both in turn, both together, or amortized-gp."""
    amortized = options.stage == "amortized"
    presets = AMORTIZED_PRESETS if amortized else PRESETS
    if options.preset is None:
        options.preset = "broad" if amortized else "small"
    if options.preset not in presets:
        raise ValueError(f"--preset {options.preset!r}: there are {', '.join(presets)}")
    name = "amortized" if amortized else "condfip"
    fresh = Path("runs") / f"{name}-{options.preset}"
    shared = {
        "out": options.out or options.resume or fresh,
        "resume": options.resume,
        "begin": options.begin,
        "minutes": options.minutes,
        "seed": options.seed,
        "every": options.every,
    }
    return (_train_amortized if amortized else _train_paper)(options, shared)


def _train_amortized(options: argparse.Namespace, shared: dict[str, Any]) -> int:
    from condfip.amortized.train import train

    config = AMORTIZED_PRESETS[options.preset]
    config = replace(config, steps=options.steps or config.steps, rate=options.rate or config.rate)
    return train(config, **shared)[1]


def _train_paper(options: argparse.Namespace, shared: dict[str, Any]) -> int:
    from condfip.paper.train import Plan, run_plan

    names = ("rate", "chunk", "steps", "effect", "effect_from")
    stage = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    prior = {key: getattr(options, key) for key in ("variant", "mechanisms", "grow")}
    prior = {k: tuple(v) if k == "mechanisms" else v for k, v in prior.items() if v is not None}
    config = PRESETS[options.preset]
    if options.pooling:
        config = replace(config, model=replace(config.model, pooling=options.pooling))
    stages = STAGES if options.stage == "both" else (options.stage,)
    for name in stages:
        config = config.with_stage(name, stage, prior)
    machine = {name: getattr(options, name) for name in ("encoder", "device", "workers")}
    return run_plan(
        Plan(
            stages,
            config,
            **shared,
            **machine,
            settings=stage,
            prior=prior,
            pooling=options.pooling or "",
        )
    )


def run_infer(options: argparse.Namespace) -> None:
    """Fits a table and writes rows."""
    from condfip.infer import infer

    written = infer(
        options.data,
        options.graph,
        options.out,
        n=options.n,
        do=options.do,
        counterfactual=options.counterfactual,
        seed=options.seed,
        checkpoint=options.checkpoint,
        device=options.device,
    )
    print(f"{written} rows in {options.out}")


def run_info(options: argparse.Namespace) -> None:
    """Prints a checkpoint's header."""
    from condfip.amortized import weights
    from condfip.checkpoint import describe, read

    kind = read(options.checkpoint)[1].get("kind")
    print((weights.describe if kind == weights.KIND else describe)(options.checkpoint))


def run_verify(options: argparse.Namespace) -> int:
    """Prints the largest relative difference of each answer; 1 where one is too large."""
    from condfip.paper.verify import LIMIT, differences

    worst = 0.0
    for name, difference in differences(options.file):
        print(f"{name:10s} {difference:.1e}")
        worst = max(worst, difference) if difference == difference else float("inf")
    print(f"{'as published' if worst < LIMIT else 'DIFFERENT'}: at most {worst:.1e}")
    return 0 if worst < LIMIT else BAD_INPUT


def run_gate(options: argparse.Namespace) -> int:
    """Prints errors of one checkpoint over those of another; 3 where it is not better."""
    from condfip.paper.gate import gate

    axes = {"d": options.dims, "scms": [options.scms], "n_context": [options.rows]}
    axes["scenario"] = options.scenarios
    return gate(options.old, options.new, options.seed, **axes)


def run_speed(options: argparse.Namespace) -> None:
    """Prints times beside the machine's matrix-product rate."""
    from condfip.paper.speed import report

    report(options.paper, options.workers)


def run_keep(options: argparse.Namespace) -> None:
    """Writes the state to go on from."""
    from condfip.training import keep

    for path in keep(options.folder, options.out):
        print(
            f"{path}, {path.stat().st_size / 2**20:.1f} MiB; train --resume {options.out} goes on"
        )


def run_scaling(options: argparse.Namespace) -> None:
    """Draws errors of the trainings behind the shipped files against what they had seen."""
    from condfip.curve import scaling_figure
    from condfip.figure import write_figure

    logs = {title: SHIPPED.parent / log for title, log in LOGS.items()}
    print(write_figure(scaling_figure(logs), options.out))


def run_ablation(options: argparse.Namespace) -> None:
    """Prints a Markdown table, network by network."""
    from condfip.amortized.ablation import ablate
    from condfip.paper.ablation import markdown

    out = options.out or Path("runs") / f"ablation-{options.model}"
    lines, steps = (markdown, 600) if options.model == "condfip" else (ablate, 400)
    for line in lines(out, options.steps or steps):
        print(line, flush=True)


def run_plot(options: argparse.Namespace) -> None:
    """Draws the training curves."""
    from condfip.curve import draw

    print(draw(options.folder, options.out or options.folder / "curve.png"))


if __name__ == "__main__":
    sys.exit(main())
