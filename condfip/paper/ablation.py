"""`python -m condfip ablation`: one stage trained on one kind of mechanism, or on both.

The layout is that of tables 19-23 of Mahajan et al. 2025: the noise that the encoder finds, and
what the decoder generates, where either was trained on linear mechanisms, on random features or on
both (the other stage on both). Every network has the same number of steps on short contexts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.analysis.published import figures
from bench.metrics import METRICS
from bench.registry import load_method, load_suite
from bench.task import Task
from condfip.paper.config import SMALL, Config
from condfip.paper.train import Plan, run_plan

KINDS = {"LIN": ("LIN",), "RFF": ("RFF",), "both": ("LIN", "RFF")}
TABLES = {  # of the paper: metric, the stage that differs
    19: ("noise_smoothed", "encoder"),
    20: ("sample", "encoder"),
    21: ("intervention", "encoder"),
    22: ("sample", "decoder"),
    23: ("intervention", "decoder"),
}
COLUMNS = ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")
ROWS = (48, 80)  # of contexts in training: short, so that a network takes minutes
SHORT = SMALL.with_stage("encoder", {}, {"rows": ROWS}).with_stage(
    "decoder", {}, {"rows": ROWS, "queries": 48}
)

Scores = dict[tuple[str, int, str], float]  # metric, d, scenario


def markdown(out: Path, steps: int) -> Iterator[str]:
    """`ablate` on the quick preset of the suite lorch, as lines of a Markdown table."""
    for number, row in enumerate(ablate(out, steps, load_suite("lorch"))):
        yield f"| {' | '.join(row)} |"
        if not number:
            yield "|" + "---|" * len(row)


def ablate(
    out: Path, steps: int, tasks: Sequence[Task], config: Config = SHORT
) -> Iterator[list[str]]:
    """Trains and scores the five pairs of stages; yields rows of a table, the header first.

    Networks that are in `out` already are not trained again.
    """
    yield ["table", "metric", "stage", "trained on", "d", *COLUMNS]
    scores = {pair: _scores(_network(out, *pair, steps, config), tasks) for pair in _pairs()}
    printed = _published()
    for table, (metric, stage) in TABLES.items():
        for d in sorted({task.size[0] for task in tasks}):
            for kind in KINDS:
                ours = scores[(kind, "both") if stage == "encoder" else ("both", kind)]
                cells = [
                    f"{ours[metric, d, name]:.3f} (paper {printed[table, kind, d, name]})"
                    for name in COLUMNS
                ]
                yield [str(table), metric, stage, kind, str(d), *cells]


def _pairs() -> list[tuple[str, str]]:
    """What the encoder and the decoder were trained on."""
    return [(kind, "both") for kind in KINDS] + [("both", kind) for kind in KINDS if kind != "both"]


def _network(out: Path, encoder: str, decoder: str, steps: int, config: Config) -> Path:
    first = _trained("encoder", encoder, out / f"encoder-{encoder}", steps, config)
    return _trained("decoder", decoder, out / f"{encoder}-{decoder}", steps, config, first)


def _trained(
    stage: str, kind: str, out: Path, steps: int, config: Config, encoder: Path | None = None
) -> Path:
    """The networks of a finished training, done now or before; what is unfinished begins anew."""
    done = out / f"done-{steps}"
    if not done.exists():
        for other in out.glob("done-*"):  # of the networks that are replaced now
            other.unlink()
        config = config.with_stage(stage, {"steps": steps}, {"mechanisms": KINDS[kind]})
        if run_plan(Plan((stage,), config, out, encoder=encoder, anew=True)):
            raise KeyboardInterrupt
        done.touch()
    return out / "model.safetensors"


def _scores(checkpoint: Path, tasks: Sequence[Task]) -> Scores:
    """Means over the tasks of each size and scenario."""
    method = load_method("condfip.paper.method:CondFiPPublished", checkpoint=checkpoint)
    values: dict[tuple[str, int, str], list[float]] = {}
    for task in tasks:
        problem = task.problem()
        estimate = method.fit_problem(problem, 0)
        for metric in dict.fromkeys(metric for metric, _ in TABLES.values()):
            place = metric, task.size[0], str(task.settings["scenario"])
            values.setdefault(place, []).append(METRICS[metric].value(problem, estimate))
    return {place: float(np.mean(errors)) for place, errors in values.items()}


def _published() -> dict[tuple[int, str, int, str], float]:
    """{(table, kind, d, scenario): mean}."""
    kinds = {f"Cond-FiP ({kind})": kind for kind in KINDS} | {"Cond-FiP": "both"}
    return {
        (f.table, kinds[f.method], f.d, f.scenario): f.mean for f in figures() if f.table in TABLES
    }
