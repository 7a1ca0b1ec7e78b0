"""The stages that Cond-FiP can be trained in: what each draws, what it scores, what it moves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Muon, Optimizer

from bench.task import Problem, seed_of
from condfip.checkpoint import Checkpoint, is_history
from condfip.device import has_bfloat16
from condfip.layout import built
from condfip.paper.config import Config, StageConfig
from condfip.paper.decoder import Targets
from condfip.paper.layers import Attentive
from condfip.paper.method import CondFiPPublished, Mechanisms
from condfip.paper.model import CondFiPModel
from condfip.paper.replicas import Replicas
from condfip.prior import Batch, draw_batch
from condfip.run import Record
from condfip.saved import Saved
from condfip.validate import every_node, fixed_problems, mean_scores

ENCODER_WEIGHT = 0.5  # of the encoder's loss where both networks are trained together

Loss = Callable[[CondFiPModel, Batch, StageConfig, float], Tensor]


def encoder_loss(model: CondFiPModel, batch: Batch, config: StageConfig, _: float = 0) -> Tensor:
    """Mean over rows of the root of the mean squared error over nodes, for each dataset: [B]."""
    answer = model.encoder(batch.rows, batch.adjacency)
    return of_rows(answer.float() - batch.target, batch.adjacency, config)


def decoder_loss(
    model: CondFiPModel, batch: Batch, config: StageConfig, effect: float = 0
) -> Tensor:
    """Root of the mean squared error on the query rows, for each dataset: [B].

    `effect` times the mean squared error of F's difference within the batch's pairs joins it: a
    counterfactual needs no more than this difference.
    """
    with torch.no_grad():
        tokens = model.encoder.tokens(batch.rows[:, : batch.context], batch.adjacency)
    return of_queries(model, tokens, batch, config, effect)


def joint_loss(model: CondFiPModel, batch: Batch, config: StageConfig, effect: float = 0) -> Tensor:
    """The decoder's loss, and half of the encoder's on the context, through the same tokens: [B].

    The published training has two stages, the second on a frozen encoder.
    """
    context = batch.rows[:, : batch.context]
    tokens = model.encoder.tokens(context, batch.adjacency)
    error = model.encoder.read(tokens).float() - batch.target[:, : batch.context]
    smoothed = of_rows(error, batch.adjacency, config)
    return of_queries(model, tokens, batch, config, effect) + ENCODER_WEIGHT * smoothed


def of_rows(error: Tensor, adjacency: Tensor, config: StageConfig) -> Tensor:
    """The encoder's loss of errors [B, N, D], roots included unless the stage masks them: [B]."""
    if config.mask_roots:
        weight = adjacency.any(1)[:, None].float()
        squares = (error.square() * weight).sum(2) / weight.sum(2).clamp(min=1)
    else:
        squares = error.square().mean(2)
    return squares.add(1e-12).sqrt().mean(1)


def of_queries(
    model: CondFiPModel, tokens: Tensor, batch: Batch, config: StageConfig, effect: float
) -> Tensor:
    """The decoder's loss from the encoder's tokens: [B]. See `decoder_loss`.

    Where roots are masked they are not even asked for, and a node weighs as the square root of how
    many parents it has.
    """
    data = model.decoder.embedding(tokens, batch.adjacency)
    queries, d = batch.rows[:, batch.context :], batch.adjacency.shape[1]
    parents = batch.adjacency.sum(1).flatten()  # [B D]
    asked = (parents > 0).nonzero().squeeze(1) if config.mask_roots else torch.arange(len(parents))
    asked = asked.to(parents.device)
    truth = batch.target[:, batch.context :].mT.flatten(0, 1)[asked]
    answers, order = [], []
    for part in buckets(parents[asked]):
        answers.append(
            model.decoder.answer(queries, data, Targets.of(batch.adjacency, asked[part]))
        )
        order.append(part)
    error = torch.cat(answers).float() - truth[torch.cat(order)]
    squares = error.square().mean(1)
    if effect and batch.pairs:
        differences = error[:, -batch.pairs :] - error[:, : batch.pairs]
        squares = squares + effect * differences.square().mean(1)
    node = asked[torch.cat(order)]
    weight = parents[node].float().sqrt() if config.mask_roots else torch.ones_like(squares)
    zeros = squares.new_zeros(len(queries))
    total = zeros.index_add(0, node // d, weight)
    return (zeros.index_add(0, node // d, weight * squares) / total.clamp(min=1e-6) + 1e-12).sqrt()


def buckets(parents: Tensor) -> list[Tensor]:
    """Places of targets with alike numbers of parents, so that padding is short."""
    bounds = torch.bucketize(parents, torch.tensor([2, 5, 11], device=parents.device))
    return [place for b in range(4) if len(place := (bounds == b).nonzero().squeeze(1))]


LOSSES: dict[str, Loss] = {"encoder": encoder_loss, "decoder": decoder_loss, "joint": joint_loss}


@dataclass
class Stage:
    """What `condfip.run` needs to know of Cond-FiP: see `condfip.run.Trainee`.

    Attributes:
        name: of `LOSSES`.
        config: the preset.
        model: both networks.
        seed: of the data.
        history: records of the other stages and of what came before.
        workers: how many chunks of a step are computed at once.
    """

    name: str
    config: Config
    model: CondFiPModel
    seed: int
    history: dict[str, dict[str, Any]]
    workers: int = 1

    method = "condfip"
    patience = 0

    @classmethod
    def restored(cls, saved: Saved, device: torch.device) -> Self:
        """From a saved run, with networks to be filled.

        Raises:
            ValueError: the file describes no stage of these networks.
        """
        name, config = saved.header.get("stage"), saved.config(Config.from_dict)
        if not isinstance(name, str) or name not in LOSSES:
            raise saved.odd("stage")
        history: Any = saved.header.get("history")
        if not is_history(history) or not history.keys() <= LOSSES.keys():
            raise saved.odd("history")
        tensors = saved.below("model.")
        model = built(lambda: CondFiPModel(config.model), tensors, saved.path).to(device)
        return cls(name, config, model, saved.seed, history)

    @property
    def header(self) -> dict[str, Any]:
        """All but weights and counts."""
        return {
            "stage": self.name,
            "config": self.config.as_dict(),
            "seed": self.seed,
            "history": self.history,
        }

    @property
    def settings(self) -> StageConfig:
        """How this stage is trained."""
        return getattr(self.config, self.name)

    def trained(self, model: CondFiPModel) -> nn.Module:
        """The part of the networks that this stage moves."""
        return model if self.name == "joint" else getattr(model, self.name)

    def optimisers(self) -> list[Optimizer]:
        """The optimisers of what this stage moves."""
        return make_optimisers(self.trained(self.model), self.settings)

    def gradients(self, step: int, device: torch.device) -> tuple[float, int]:
        """Draws the datasets of a step, adds its gradients; returns loss and number of datasets."""
        generator = Generator(device).manual_seed(seed_of("condfip", self.name, self.seed, step))
        settings = self.settings
        batch = draw_batch(settings.prior, settings.batch, generator, step)
        for model in self.replicas.models:
            model.train()
            for module in model.decoder.modules():
                if isinstance(module, Attentive):
                    module.dropout = settings.dropout
        size = len(batch.rows)
        parts = [batch.chunk(start, settings.chunk) for start in range(0, size, settings.chunk)]
        total = self.replicas.gradients(
            parts, lambda model, part: self.loss(model, part, device, step) / size
        )
        return total, size

    @cached_property
    def replicas(self) -> Replicas[CondFiPModel]:
        """The networks of the workers, the model first."""
        return Replicas(self.model, self.workers)

    def loss(self, model: CondFiPModel, part: Batch, device: torch.device, step: int) -> Tensor:
        """Summed over the datasets of a batch; those of linear mechanisms may weigh more."""
        settings = self.settings
        effect = settings.effect if step >= settings.effect_from else 0.0
        half = settings.half and has_bfloat16(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            losses = LOSSES[self.name](model, part, settings, effect)
        return (losses * torch.where(part.linear, settings.linear, 1.0)).sum()

    def largest(self, chunk: int, device: torch.device) -> None:
        """The gradients of `chunk` datasets of the largest size, to see whether they fit."""
        prior = self.settings.prior
        prior = replace(prior, nodes=(max(prior.nodes),), rows=(max(prior.rows),), tokens=0)
        batch = draw_batch(prior, chunk, Generator(device).manual_seed(0))
        self.loss(self.model, batch, device, 0).backward()

    def result(self, average: CondFiPModel, record: Record) -> Checkpoint:
        """The averaged networks with their history, counts of an earlier run included."""
        own = record.after(self.history.get(self.name, {}))
        return Checkpoint(self.config, average, self.history | {self.name: own})

    def validation(self) -> Callable[[CondFiPModel], dict[str, float]]:
        """Scores of averaged networks on fixed problems."""
        problems = fixed_problems()

        def scores(average: CondFiPModel) -> dict[str, float]:
            checkpoint = Checkpoint(self.config, average.eval(), {self.name: {}})
            method = CondFiPPublished.of(checkpoint)  # one reading
            found: dict[str, float] = {}
            if self.name != "encoder":
                found |= mean_scores(problems, lambda p: every_node(_mechanisms(method, p)))
            if self.name != "decoder":
                smoothed = mean_scores(problems, lambda p: _mechanisms(method, p).smoothed)
                ending = "" if self.name == "encoder" else "_smoothed"
                found |= {f"{scenario}{ending}": value for scenario, value in smoothed.items()}
            return found

        return scores


def make_optimisers(module: nn.Module, config: StageConfig) -> list[Optimizer]:
    """Adam; or Muon (Jordan et al. 2024) for matrices and Adam for the rest."""
    matrices = [p for p in module.parameters() if config.muon and p.ndim == 2 and min(p.shape) > 1]
    chosen = set(map(id, matrices))
    others = [p for p in module.parameters() if id(p) not in chosen]
    adam = Adam(others, config.rate, config.betas, weight_decay=config.decay)
    if not matrices:
        return [adam]
    muon = Muon(matrices, config.rate, weight_decay=config.decay, adjust_lr_fn="match_rms_adamw")
    return [adam, muon]


def _mechanisms(method: CondFiPPublished, problem: Problem) -> Mechanisms:
    return method.mechanisms(problem.data)
