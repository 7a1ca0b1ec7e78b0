"""`python -m condfip ablation amortized`: each choice of the design undone, at an equal budget."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.task import Task
from condfip.amortized.config import BENCHMARK, BROAD, Config
from condfip.amortized.goals import OURS, Bench, mean
from condfip.amortized.train import train

ROWS = (20, 160)  # of contexts in training: short, so that a variant takes a minute
SEED = 7  # of the problems that variants are scored on; the benchmark's own have seed 0
COLUMNS = ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")

SHORT = replace(BROAD, prior=replace(BROAD.prior, rows=ROWS, queries=32), numbers=2**17)


def variant(**settings: Any) -> Config:
    """The short design with other sizes."""
    return replace(SHORT, model=replace(SHORT.model, **settings))


VARIANTS: dict[str, Config] = {
    "shipped design": SHORT,
    "untrained: the kernel that the first round would correct": replace(SHORT, rate=0.0),
    "no ridge residual in the features": variant(ridge=False),
    "one round: no look at the fit": variant(rounds=1),
    "two rounds": variant(rounds=2),
    "head: one squared exponential": variant(scales=1),
    "head: no noise of a row's own": variant(sites=False),
    "loss: CRPS": replace(SHORT, loss="crps"),
    "width 24": variant(width=24),
    "width 128": variant(width=128),
    "prior: the benchmark's alone": replace(
        SHORT, prior=replace(SHORT.prior, benchmark=1.0, noises=0.0), name=BENCHMARK.name
    ),
    "prior: the broad part alone": replace(SHORT, prior=replace(SHORT.prior, benchmark=0.0)),
}


def ablate(out: Path, steps: int, names: Mapping[str, Config] = VARIANTS) -> Iterator[str]:
    """Trains and scores every variant; yields the lines of a Markdown table."""
    bench = Bench(out, SEED, scms=2)
    sets = {name: bench.tasks(scenario=[name], n_context=[100]) for name in COLUMNS}
    sets["Laplace RFF_IN"] = bench.tasks(scenario=["RFF_IN"], n_context=[100], noise=["laplace"])
    yield f"| noise error / floor, n = 100, {steps} steps | " + " | ".join(sets) + " |"
    yield "|---|" + "---|" * len(sets)
    for number, (name, config) in enumerate(names.items()):
        path = train(replace(config, steps=steps), out / f"variant{number}", anew=True)[0]
        yield f"| {name} | " + " | ".join(f"{r:.3f}" for r in _ratios(path, bench, sets)) + " |"


def _ratios(path: Path, bench: Bench, sets: Mapping[str, list[Task]]) -> list[float]:
    trained = Bench(path, SEED)
    return [
        mean(trained.scores(OURS, tasks), "noise") / mean(bench.scores("floor", tasks), "noise")
        for tasks in sets.values()
    ]
