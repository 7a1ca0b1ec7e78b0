"""Rows of SCMs to train on, some of them under an intervention."""

import torch
from torch import Generator, Tensor

from bench.scm.batched import BatchedSCM


def ancestral(
    scm: BatchedSCM, context: int, queries: int, intervened: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, F of the rows, and F plus noise, each [B, N, D]; context rows first, then queries.

    Args:
        scm: of B datasets. context, queries: how many rows of each. intervened: how many of the
            queries, the last ones, are counterfactuals of the first ones: the same noise under a
            do() of the row's own, one node, uniform, at the value of a context row between its
            10 % and 90 % quantiles. A clamped node's rows are its value, not F plus noise.
        generator: of the draws, on the SCM's device.

    Raises:
        ValueError: more than half of the queries intervened, so that some have no partner.
    """
    if 2 * intervened > queries:
        raise ValueError(f"{intervened} of {queries} queries intervened: at most half can be")
    u = scm.noise_model.draw(context + queries - intervened, generator)
    rows = scm.generate(u)
    if intervened:
        do = _interventions(rows[:, :context], intervened, generator)
        again = u[:, context : context + intervened]
        rows, u = torch.cat([rows, scm.generate(again, do)], 1), torch.cat([u, again], 1)
    f = scm.mechanisms(rows)
    return rows, f, f + u


def _interventions(context: Tensor, rows: int, generator: Generator) -> Tensor:
    """A do() for each of `rows` rows, NaN at free nodes, [B, rows, D]; context rows [B, N, D]."""
    b, n, d = context.shape
    place = {"generator": generator, "device": context.device}
    node = torch.randint(d, (b, rows, 1), **place)
    level = 0.1 + 0.8 * torch.rand(b, rows, 1, dtype=context.dtype, **place)
    ranked = context.mT.sort(2).values.flatten(1)  # [B, D N]
    chosen = node * n + (level * (n - 1)).long()
    value = ranked.gather(1, chosen.flatten(1)).unsqueeze(2)
    do = torch.full((b, rows, d), torch.nan, dtype=context.dtype, device=context.device)
    return do.scatter(2, node, value)
