"""Small runs of training, for the tests of it."""

from pathlib import Path

import torch

from condfip.paper.config import JOINT, SMOKE, STAGES, Config, PriorConfig
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import Stage
from condfip.paper.train import Plan
from condfip.prior import Batch, draw_batch
from condfip.run import Run

CPU = torch.device("cpu")


def start(stage: str = "decoder", steps: int = 20, **settings) -> Run:
    config = SMOKE.with_stage(stage, {"steps": steps, "half": False, **settings}, {})
    torch.manual_seed(0)
    return Run.start(Stage(stage, config, CondFiPModel(config.model), 0, {}))


def seeded(config: PriorConfig, size: int = 6, seed: int = 0) -> Batch:
    return draw_batch(config, size, torch.Generator().manual_seed(seed))


def weights(model: CondFiPModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def same(one: Run, other: Run) -> bool:
    pairs = (one.trainee.model, other.trainee.model), (one.average, other.average)
    return all(torch.equal(weights(a), weights(b)) for a, b in pairs)


def plan(out: Path, config: Config = SMOKE, **settings) -> Plan:
    for stage in (*STAGES, JOINT):
        config = config.with_stage(stage, {"steps": 4}, {})
    return Plan(**{"stages": ("encoder", "decoder"), "config": config, "out": out} | settings)
