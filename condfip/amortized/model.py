"""The network: from the statistics of a node's context to its Gaussian process, in a few rounds.

Every round reads the same first statistics and, from the second on, how the process of the round
before fits; it answers for all nodes and parents at once, blind to the parents' order.
"""

from typing import cast

import torch
from torch import Tensor, nn

from condfip.amortized import features
from condfip.amortized.config import ModelConfig
from condfip.amortized.features import Features, Ridge
from condfip.amortized.fit import examine
from condfip.amortized.kernel import Hyper

PARENT_FIRST, NODE_FIRST = 6 + 2 * len(features.BINS), 2 * len(features.BINS)
SHAPE = len(features.LEVELS) + 3
CONTEXT = 8  # numbers of a node that its rows read
MANY = 6  # parents beyond which none has a component of its own
FEW = 2  # parents up to which the rounds that were trained are enough
BOUND = 3.0  # largest change of a logarithm in a round
LENGTHS, LINEARS, SIZES, NOISES = (-3.0, 6.0), (-9.0, 3.0), (-12.0, 9.0), (-9.0, 1.0)


def widths(config: ModelConfig, later: bool) -> tuple[int, int]:
    """T and U of the first round or of a later one."""
    parents = PARENT_FIRST
    node = NODE_FIRST + SHAPE + 1 + len(features.RIDGES) + 2
    if later:
        parents += 6 + 2 + 1 + 4 * config.own
        node += 4 * (config.scales + 1) + SHAPE + 5 + config.gate
    return parents, node


class Round(nn.Module):
    """Statistics to changes of the hyper-parameters; untrained, it changes nothing."""

    def __init__(self, config: ModelConfig, later: bool) -> None:
        super().__init__()
        width, (parents, node) = config.width, widths(config, later)
        self.parent = nn.Sequential(
            nn.Linear(parents + node, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.node = nn.Sequential(
            nn.Linear(3 * width + node, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.node_head = nn.Linear(width, config.scales + 1 + 2 * config.gate)
        self.parent_head = nn.Sequential(
            nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 2 + config.own)
        )
        self.row_context = nn.Linear(width, CONTEXT)
        self.row = nn.Sequential(nn.Linear(4 + CONTEXT, 32), nn.SiLU(), nn.Linear(32, 2))
        for last in (self.node_head, self.parent_head[-1], self.row[-1]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, seen: Features, mask: Tensor, rows: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Computes the changes that this round makes to each node's hyper-parameters.

        Args:
            seen: statistics. mask: [G, P] of true parents. rows: [G, N, 4], None for no rows.

        Returns:
            Of amplitudes, noise, and gate and growth if any [G, S + 1 or S + 3], of lengths, linear
            and, if any, own variances [G, P, 2 or 3], and of rows' stretch and shift [G, N, 2].
        """
        node = seen.node
        spread = node[:, None, :].expand(-1, mask.shape[1], -1)
        tokens = self.parent(torch.cat([seen.parents, spread], 2)) * mask[:, :, None]
        count = mask.sum(1, keepdim=True)
        largest = tokens.masked_fill(mask[:, :, None] == 0, -torch.inf).amax(1)
        pooled = [tokens.sum(1) / count, largest, tokens.sum(1) / count.sqrt()]
        state = self.node(torch.cat([*pooled, node], 1))
        both = torch.cat([tokens, state[:, None, :].expand_as(tokens)], 2)
        node, parents = _bounded(self.node_head(state)), _bounded(self.parent_head(both))
        return node, parents, self._rows(state, rows)

    def _rows(self, state: Tensor, rows: Tensor | None) -> Tensor | None:
        if rows is None:
            return None
        context = self.row_context(state)[:, None, :].expand(-1, rows.shape[1], -1)
        return _bounded(self.row(torch.cat([rows, context], 2)))


def _bounded(change: Tensor) -> Tensor:
    return BOUND * torch.tanh(change / BOUND)


class InContextModel(nn.Module):
    """Rounds of `Round`, each correcting the one before.

    Args:
        config: sizes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.rounds = nn.ModuleList(Round(config, later=r > 0) for r in range(config.rounds))

    def forward(self, x: Tensor, y: Tensor, mask: Tensor) -> list[Hyper]:
        """The answer of each round; gradients reach its own round only.

        Args:
            x: standardised parents [G, N, P], zero where padded. y: standardised child [G, N].
            mask: [G, P] of true parents.
        """
        few = self.config.few
        if len(y[0]) > few and len(self.rounds) > 1:
            first = self._answers(x[:, :few], y[:, :few], mask, None, self.rounds[:-1])
            return [*first, *self._answers(x, y, mask, first[-1], self.rounds[-1:])]
        return self._answers(x, y, mask, None, self.rounds)

    def settled(self, x: Tensor, y: Tensor, mask: Tensor) -> Hyper:
        """The last answer; of nodes with several parents, corrected by the last round once more.

        Args:
            x, y, mask: see `forward`.
        """
        answer = self(x, y, mask)[-1]
        if x.shape[2] <= FEW or len(self.rounds) == 1:
            return answer
        return self._answers(x, y, mask, answer, self.rounds[-1:])[-1]

    def _answers(
        self, x: Tensor, y: Tensor, mask: Tensor, before: Hyper | None, rounds: nn.ModuleList
    ) -> list[Hyper]:
        seen_x, seen_y = x[:, : self.config.most], y[:, : self.config.most]
        with torch.no_grad():
            line = features.ridge(seen_x, seen_y)
            begin = features.first(seen_x, seen_y, mask, line, self.config.ridge)
        answers = []
        for layer in rounds:
            seen, rows = begin, None
            if before is None:
                before = start(line, x, mask, self.config)
            else:
                before = before.over(len(seen_y[0]))
                with torch.no_grad():
                    fit = examine(before, seen_x, seen_y)
                    seen = begin.beside(features.again(before, fit, line))
                    if self.config.sites:
                        rows = features.row_features(before, fit.gap, fit.cavity)
            answers.append(self._answer(cast(Round, layer), before, seen, mask, rows))
            before = answers[-1].detach()
        return answers

    def _answer(
        self, layer: Round, before: Hyper, seen: Features, mask: Tensor, rows: Tensor | None
    ) -> Hyper:
        single = Features(seen.parents.float(), seen.node.float())
        rows = None if rows is None else rows.float()
        node, parent, sites = layer(single, mask.float(), rows)
        node, parent = node.to(before.noise), parent.to(before.noise)
        stretch, shift = (
            (before.stretch, before.shift) if sites is None else sites.to(before.noise).unbind(2)
        )
        scales, own = self.config.scales, None
        if self.config.own:
            own = (before.own + parent[:, :, 2]).clamp(*SIZES).where(_several(mask), SIZES[0])
        return Hyper(
            amplitude=(before.amplitude + node[:, :scales]).clamp(*SIZES),
            noise=(before.noise + node[:, scales]).clamp(2 * NOISES[0], NOISES[1]),
            length=(before.length + parent[:, :, 0]).clamp(*LENGTHS),
            linear=(before.linear + parent[:, :, 1]).clamp(*LINEARS),
            stretch=stretch,
            shift=shift,
            own=own,
            gate=before.gate + node[:, scales + 1] if self.config.gate else None,
            growth=before.growth + node[:, scales + 2] if self.config.gate else None,
        )


def _several(mask: Tensor) -> Tensor:
    """Which parents have a component of their own: those of nodes with several, but not many."""
    count = mask.sum(1, keepdim=True)
    return mask.bool() & (count > 1) & (count <= MANY)


def start(line: Ridge, x: Tensor, mask: Tensor, config: ModelConfig) -> Hyper:
    """What the first round corrects: sizes in units of the ridge residual."""
    level = line.spread.log()[:, None]
    shares = x.new_tensor([0.7 * 0.1**s for s in range(config.scales)]).log()
    zeros, node = x.new_zeros(x.shape[:2]), x.new_zeros(len(x))
    own = (level - 2.0).clamp(*SIZES).where(_several(mask), SIZES[0])
    return Hyper(
        amplitude=(level + shares).clamp(*SIZES),
        noise=level[:, 0] - 1.0,
        length=torch.ones_like(x[:, 0]),
        linear=torch.zeros_like(x[:, 0]) - 0.5,
        stretch=zeros,
        shift=zeros,
        own=own if config.own else None,
        gate=node if config.gate else None,
        growth=node - 1.0 if config.gate else None,
    )
