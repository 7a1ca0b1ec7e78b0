"""Rows of SCMs to train on, some of them under an intervention."""

import torch
from torch import Generator, Tensor

from bench.scm.model import SCM


def ancestral(
    scm: SCM, context: int, queries: int, intervened: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, F of the rows, and F plus noise, each [B, N, D]; context rows first, then queries.

    Args:
        scm: of B datasets. context, queries: how many rows of each. intervened: how many of the
            queries, the last ones, are drawn under a do() of the dataset's own: one node, uniform,
            at the value of a context row between its 10 % and 90 % quantiles. They are the
            counterfactuals of the first queries: same noise, in order. A clamped node's
            rows are its value, not F plus noise. generator: of the draws, on the SCM's device.

    Raises:
        ValueError: more than half of the queries intervened, so that some have no partner.
    """
    if 2 * intervened > queries:
        raise ValueError(f"{intervened} of {queries} queries intervened: at most half can be")
    u = scm.noise_model.draw(context + queries - intervened, generator)
    rows = scm.generate(u)
    if intervened:
        do = _interventions(rows[:, :context], generator)
        again = u[:, context : context + intervened]
        rows, u = torch.cat([rows, scm.generate(again, do)], 1), torch.cat([u, again], 1)
    f = scm.mechanisms(rows)
    return rows, f, f + u


def _interventions(context: Tensor, generator: Generator) -> Tensor:
    """One do() a dataset, NaN at free nodes, [B, D]; context rows [B, N, D]."""
    b, n, d = context.shape
    place, datasets = {"generator": generator, "device": context.device}, torch.arange(b)
    node = torch.randint(d, (b,), **place)
    level = 0.1 + 0.8 * torch.rand(b, dtype=context.dtype, **place)
    ranked = context[datasets, :, node].sort(1).values
    do = torch.full((b, d), torch.nan, dtype=context.dtype, device=context.device)
    do[datasets, node] = ranked[datasets, (level * (n - 1)).long()]
    return do
