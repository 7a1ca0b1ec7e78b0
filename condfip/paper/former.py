"""The network of the shipped weights, from before it was the published one.

It differs in: GELU; no norm before or after the pooling, nor before the last map; maps to codebook,
position and condition with bias; scale and shift act on queries, not on keys and values; begins
with gates of 1. It goes when better weights of the published network are there.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condfip.paper.config import ModelConfig
from condfip.paper.decoder import AdaptiveLayer
from condfip.paper.layers import Attentive
from condfip.paper.model import CondFiPModel

RENAMED = (
    (r"\.norms\.0\.", ".norm_query."),
    (r"\.norms\.1\.", ".norm_key."),
    (r"\.norms\.2\.", ".norm_value."),
    (r"\.maps\.0\.", ".query."),
    (r"\.maps\.1\.", ".key."),
    (r"\.maps\.2\.", ".value."),
    (r"\.feed_forward\.0\.", ".norm_feed_forward."),
    (r"\.feed_forward\.1\.", ".feed_forward.0."),
    (r"\.feed_forward\.3\.", ".feed_forward.1."),
    (r"\.head\.2\.", ".head.1."),
    (r"\.head\.4\.", ".head.2."),
    (r"\.(codebook|position|condition)\.0\.", r".\1."),
    (r"\.(codebook|position|condition)\.1\.", r".norm_\1."),
)


class FormerLayer(AdaptiveLayer):
    """Scale before shift, and keys and values as they are."""

    steers_keys = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        with torch.no_grad():
            self.modulation.weight.mul_(0.1)
            start = torch.tensor([0.0, 0, 1, 0, 0, 1]).repeat_interleave(config.width)
            self.modulation.bias.copy_(start)

    def steer(self, condition: Tensor) -> tuple[Tensor, ...]:
        """See `AdaptiveLayer`."""
        scale, shift, gate, scale2, shift2, gate2 = super().steer(condition)
        return shift, scale, gate, shift2, scale2, gate2


class FormerModel(CondFiPModel):
    """See the module."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        decoder, width = self.decoder, config.width
        decoder.layers = nn.ModuleList(FormerLayer(config) for _ in range(config.decoder_layers))
        for name in ("codebook", "position", "condition"):
            setattr(decoder, name, nn.Linear(width, width))
        for name in ("norm_tokens", "norm_pooled", "norm"):
            setattr(decoder, name, nn.Identity())
        for module in self.modules():
            if isinstance(module, Attentive):
                module.activation = F.gelu


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file from before, under today's names."""
    if not any(".norms.0." in name for name in tensors):
        return dict(tensors)
    answer = {}
    for name, tensor in tensors.items():
        for old, new in RENAMED:
            name, changed = re.subn(old, new, name)
            if changed:
                break
        answer[name] = tensor
    return answer
