"""The Lorch et al. 2022 prior over SCMs (AVICI, table 3), in and out of distribution.

Two variants: `lorch` (AVICI) draws features for each node and a noise scale for each node;
`causica` (the published Cond-FiP code) shares one set of features between the nodes of an SCM and
one standard deviation between the nodes of a linear Gaussian SCM, and has unmixed OUT ranges.
"""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from bench.scm.batched import BatchedSCM
from bench.scm.graphs import draw_graphs
from bench.scm.mechanisms import MECHANISMS, Draw, Ranges
from bench.scm.noise import NOISES, Noise
from bench.scm.plan import make_plan

NOISE_SCALE = (0.2, 2.0)

SCENARIOS = ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")
VARIANTS = ("lorch", "causica")
SHIFTS = ("mechanism", "noise")
GRAPH_KINDS = {"IN": ("er", "sf_in", "sf_out"), "OUT": ("ws", "sbm")}

IN = Ranges()
OUT = {
    "lorch": Ranges(
        weight=(0.5, 4.0), length=((5.0, 8.0), (8.0, 12.0)), scale=((8.0, 12.0), (18.0, 22.0))
    ),
    "causica": Ranges(weight=(0.5, 4.0), length=((5.0, 12.0),), scale=((8.0, 22.0),)),
}


@dataclass(frozen=True)
class Family:
    """One cell of the prior: a scenario, a variant, and scales of its own.

    Attributes:
        scenario: of `SCENARIOS`.
        variant: of `VARIANTS`.
        alpha, shift: factor on the mechanisms' or the noise's ranges (paper, tables 4-9).
        noise: of `NOISES`, "" for the scenario's own: Gaussian IN, Laplace OUT.
        noise_scale, length_scale: of every node, in place of the prior's draws; 0 for these. See
            `bench.scm.noise` for what a scale is; lengths are those of random features.
    """

    scenario: str
    variant: str = "lorch"
    shift: str = ""
    alpha: float = 1.0
    noise: str = ""
    noise_scale: float = 0.0
    length_scale: float = 0.0

    @property
    def mechanism(self) -> str:
        """The family of mechanisms, LIN or RFF."""
        return self.scenario.split("_")[0]

    @property
    def side(self) -> str:
        """The side of the prior, IN or OUT."""
        return self.scenario.split("_")[1]

    @property
    def draw(self) -> Draw:
        """Draws the ranges of the mechanisms."""
        ranges = IN if self.side == "IN" else OUT[self.variant]
        if self.length_scale:
            ranges = replace(ranges, length=((self.length_scale, self.length_scale),))
        stretch = self.alpha if self.shift == "mechanism" else 1.0
        return Draw(ranges, stretch, shared=self.variant == "causica")


def draw_scms(
    family: Family, graph_kind: str, d: int, batch: int, generator: Generator, edges: float = 0
) -> BatchedSCM:
    """Draws `batch` SCMs (float32) on graphs of one kind; `edges` per node, 0: the prior's."""
    return on_graphs(family, draw_graphs(graph_kind, batch, d, generator, edges), generator)


def on_graphs(family: Family, adjacency: Tensor, generator: Generator) -> BatchedSCM:
    """Draws mechanisms and noise scales for given graphs [B, D, D]."""
    plan = make_plan(adjacency)
    mechanism = MECHANISMS[family.mechanism](plan, family.draw, generator)
    kind = family.noise or ("gaussian" if family.side == "IN" else "laplace")
    return BatchedSCM(
        adjacency, plan, mechanism, Noise(NOISES[kind](), _scale(family, plan.level, generator))
    )


def _scale(family: Family, level: Tensor, generator: Generator) -> Tensor:
    low, high = NOISE_SCALE
    draws = torch.rand(level.shape, generator=generator, device=generator.device)
    if family.variant == "causica" and family.scenario == "LIN_IN":
        draws = draws[:, :1].expand_as(draws)
    scale = low + (high - low) * draws
    if family.noise_scale:
        scale = torch.full_like(scale, family.noise_scale)
    return scale * (family.alpha if family.shift == "noise" else 1.0)
