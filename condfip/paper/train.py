"""Pretraining of Cond-FiP: an encoder, then a decoder, or both together."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from condfip.checkpoint import Checkpoint, load
from condfip.device import pick_device
from condfip.paper.config import Config
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import Stage
from condfip.printable import NAME_MOST, plain
from condfip.run import Run
from condfip.saved import KEPT
from condfip.training import DONE, INTERRUPTED, Folder, resumed, room, train


@dataclass(frozen=True)
class Plan:
    """What to train, and where.

    Attributes:
        stages: in order. config: the preset. out: folder of checkpoints and logs.
        resume: folder of a run to go on from, often `out`. encoder: checkpoint to train a decoder
            on, by default that in `out`.
        begin: checkpoint whose weights a new run starts from, by default random ones.
        device: by name. minutes: of work in each stage, 0 where its steps decide. seed: of weights
            and data. every: steps between validations. workers: chunks of a step that are computed
            at once. anew: whether a run that is in `out` already is deleted.
        settings, prior, pooling: what a run that is gone on with has from now on in place of its
            own, "" for its own pooling.
    """

    stages: tuple[str, ...]
    config: Config
    out: Path
    resume: Path | None = None
    encoder: Path | None = None
    begin: Path | None = None
    device: str = "cpu"
    minutes: float = 0.0
    seed: int = 0
    every: int = 100
    workers: int = 1
    anew: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    prior: dict[str, Any] = field(default_factory=dict)
    pooling: str = ""


def run_plan(plan: Plan) -> int:
    """Trains the planned stages one after the other; returns the exit code.

    Raises:
        ValueError: no such device; a decoder without an encoder; nothing to resume; a run in the
            folder that would be lost, or another training in it; too little memory, with the number
            of datasets that fits.
        Diverged: the loss is no longer a number.
    """
    device = pick_device(plan.device)
    with room(plan.out, plan.stages, plan.resume, plan.anew):
        done = all(_train_stage(stage, plan, device) for stage in plan.stages)
    return DONE if done else INTERRUPTED


def _train_stage(stage: str, plan: Plan, device: torch.device) -> bool:
    """Whether the stage came to its end."""
    run = prepare(stage, plan, device)
    run.trainee.workers = plan.workers
    name = plain(run.trainee.config.name, NAME_MOST)
    print(f"{stage}: {name} preset on {device}, into {plan.out}", flush=True)
    check_memory(run.trainee, device)
    return train(run, plan.out, device, plan.every)


def prepare(stage: str, plan: Plan, device: torch.device) -> Run[Stage]:
    """The run to go on with, or a fresh one."""
    if plan.resume:
        names = [s for s in plan.stages if Folder(plan.resume, s).state.exists()]
        if stage in names or not names:
            run = resumed(plan.resume, stage, lambda saved: Stage.restored(saved, device))
            run.minutes = plan.minutes or run.minutes
            run = pooled(run, plan.pooling or run.trainee.config.model.pooling, device)
            config = run.trainee.config.with_stage(stage, plan.settings, plan.prior)
            run.trainee.config = config
            return run
    torch.manual_seed(plan.seed)
    config, model, history = plan.config, CondFiPModel(plan.config.model).to(device), {}
    if plan.begin:
        begun = _trained(plan.begin, plan, device)
        model.load_state_dict(begun.model.state_dict())
        history = dict(begun.stages)
    if stage == "decoder":
        path = plan.encoder or plan.out / "model.safetensors"
        trained = _trained(path, plan, device)
        model.encoder.load_state_dict(trained.model.encoder.state_dict())
        before = [name for name in trained.stages if name != stage]  # encoder, or joint
        if not before:
            raise ValueError(f"the encoder of {path} is untrained")
        history |= {name: trained.stages[name] for name in before}
        config = replace(config, **{name: getattr(trained.config, name) for name in before})
    trainee = Stage(stage, config, model, plan.seed, history)
    return Run.start(trainee, minutes=plan.minutes)


def pooled(run: Run[Stage], pooling: str, device: torch.device) -> Run[Stage]:
    """The run with another pooling: what is new in it begins with no part in the answers.

    Weights and moments of the optimisers are kept, which is why new parameters must be the last.

    Raises:
        ValueError: the other pooling lacks weights that the run has.
    """
    before = run.trainee.config
    if pooling == before.model.pooling:
        return run
    config = replace(before, model=replace(before.model, pooling=pooling))
    model = CondFiPModel(config.model).to(device)
    if before.model.pooling == "wide":
        raise ValueError(f"a run with wide pooling cannot go on with {pooling}")
    model.load_state_dict(run.trainee.model.state_dict(), strict=False)
    stage = replace(run.trainee, config=config, model=model)
    counts = {name: getattr(run, name) for name in KEPT}
    other = Run.start(stage, **counts)
    other.average.load_state_dict(run.average.state_dict(), strict=False)
    for new, old in zip(other.optimisers, run.optimisers, strict=True):
        new.load_state_dict(new.state_dict() | {"state": old.state_dict()["state"]})
    return other


def check_memory(stage: Stage, device: torch.device) -> None:
    """Tries the gradients of one chunk; says which chunk fits if this one does not.

    Raises:
        ValueError: it does not.
    """
    asked = chunk = min(stage.settings.chunk, stage.settings.batch)
    while not _fits(stage, chunk, device):
        if chunk == 1:
            raise ValueError("too little memory for even one dataset at a time (--chunk 1)")
        chunk //= 2
    if chunk < asked:
        raise ValueError(f"too little memory for {asked} datasets at once; --chunk {chunk} fits")


def _fits(stage: Stage, chunk: int, device: torch.device) -> bool:
    """Whether the gradients of so many datasets fit into memory."""
    try:
        stage.largest(chunk, device)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if "memory" not in str(error) and not isinstance(error, torch.OutOfMemoryError):
            raise
        return False
    finally:
        stage.model.zero_grad()
    return True


def _trained(path: Path, plan: Plan, device: torch.device) -> Checkpoint:
    checkpoint = load(path, str(device))
    if checkpoint.config.model != plan.config.model:
        raise ValueError(f"{path} has other sizes or pooling than the preset")
    return checkpoint
