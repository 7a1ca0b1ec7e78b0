"""B structural causal models x = F(x) + u and the five verbs, in torch."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Generator, Tensor

from bench.scm.mechanisms import Mechanism
from bench.scm.noise import Noise
from bench.scm.plan import Group, Plan


@dataclass(frozen=True)
class BatchedSCM:
    """B SCMs of D nodes that share one family of mechanisms.

    Rows are [B, N, D]. `do` is [B, D], or [B, N, D] for rows of their own: the value
    of a clamped node, NaN where a node is free.
    """

    adjacency: Tensor  # [B, D, D]
    plan: Plan
    mechanism: Mechanism
    noise_model: Noise

    def to(self, dtype: torch.dtype) -> Self:
        """The same SCMs with parameters of another floating type."""
        return replace(
            self,
            mechanism=_cast(self.mechanism, dtype),
            noise_model=replace(self.noise_model, scale=self.noise_model.scale.to(dtype)),
        )

    def mechanisms(self, x: Tensor) -> Tensor:
        """F(x) of all nodes, [B, N, D]."""
        flat = _flat(x)
        out = torch.empty_like(flat)
        for group in self.plan.groups:
            out[group.child] = self._apply(flat, group)
        return _rows(out, x.shape)

    def noise(self, x: Tensor) -> Tensor:
        """Abduction: u = x - F(x)."""
        return x - self.mechanisms(x)

    def generate(self, u: Tensor, do: Tensor | None = None) -> Tensor:
        """Solves x = F(x) + u, each node once, after its parents."""
        x = _flat(u).clone()
        clamp = None if do is None else _flat(do if do.ndim == 3 else do[:, None])
        for group in self.plan.groups:
            value = x[group.child] + self._apply(x, group)
            if clamp is not None:
                fixed = clamp[group.child]
                value = torch.where(fixed.isnan(), value, fixed)
            x[group.child] = value
        return _rows(x, u.shape)

    def counterfactual(self, x: Tensor, do: Tensor) -> Tensor:
        """The rows `x` had the nodes of `do` been clamped."""
        return self.generate(self.noise(x), do)

    def sample(self, n: int, generator: Generator, do: Tensor | None = None) -> Tensor:
        """Draws fresh rows of every SCM, [B, N, D]."""
        return self.generate(self.noise_model.draw(n, generator), do)

    def _apply(self, flat: Tensor, group: Group) -> Tensor:
        value = self.mechanism(flat[self.plan.parent[group.edge]], group)
        return value.expand(-1, flat.shape[1])


def _flat(x: Tensor) -> Tensor:
    """[B, N, D] -> [B * D, N], so that a node's rows are contiguous."""
    return x.mT.reshape(-1, x.shape[1])


def _rows(flat: Tensor, shape: torch.Size) -> Tensor:
    return flat.view(shape[0], shape[2], shape[1]).mT


def _cast(parameters: Any, dtype: torch.dtype) -> Any:
    cast = {f.name: getattr(parameters, f.name).to(dtype) for f in fields(parameters)}
    return replace(parameters, **cast)
