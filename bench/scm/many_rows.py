"""Gaussian processes of many rows, node by node, in bounded memory.

Up to `EXACT_ROWS` rows the process is solved exactly. Beyond, either some rows span its bent part,
and then all rows count (the deterministic training conditional of Quinonero-Candela and Rasmussen
2005, section 5, with the constant and the line kept exact, and the prior variance that the rows
miss added back to the variance), or they cannot, as where parents are many: then experts of
`EXPERT_ROWS` rows each are solved exactly, and averaged as a committee (Tresp 2000).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.scm.kernel import CONSTANT, Kernel, bent_variance, covariance, factor, kernel
from bench.scm.process import Exact, Induced, Process, features, pieces, solve

EXACT_ROWS = 2000  # solved exactly up to here
EXPERT_ROWS, EXPERTS = 4000, 3  # rows of each, and how many at most
CANDIDATES = 2000  # rows that inducing rows are chosen from
MOST = 1024  # inducing rows
CHUNK = 2048  # rows whose features are held at once
ENOUGH, TOLERABLE = 0.05, 0.5  # of F's variance with R inducing rows, noise times R / N: may miss
COARSE = 1e-7  # of the bent variance: what single precision tells apart


def solve_any(hyper: Kernel, x: Tensor, y: Tensor, noise: Tensor) -> Process:
    """The process of one node after any number of rows; arguments as of `solve`."""
    if len(x) <= EXACT_ROWS:
        return solve(hyper, x, y, noise)
    few = x[some_rows(len(x), CANDIDATES).to(x.device)]
    share = float(noise.median()) / len(x)
    chosen, missed = inducing_rows(hyper, few, share)
    if missed <= TOLERABLE * share * len(chosen):
        return induce(hyper, few[chosen], x, y, noise)
    return commit(hyper, x, y, noise)


def some_rows(count: int, most: int) -> Tensor:
    """At most `most` of 0..count, drawn once and for all, so that sorted tables do no harm."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[:most]


def induce(hyper: Kernel, rows: Tensor, x: Tensor, y: Tensor, noise: Tensor) -> Induced:
    """The bent part projected onto `rows` [R, P]; other arguments as of `solve`."""
    inner = factor(kernel(hyper, rows[None], rows[None]).bent, noise.new_zeros(1, len(rows)))[0]
    p, size = x.shape[1], 1 + x.shape[1] + len(rows)
    precision, moment = x.new_zeros(size, size), x.new_zeros(size)
    for part in pieces(len(x), CHUNK):
        phi = features(hyper, x[part], rows, inner)
        weighted = phi / noise[part, None]
        precision.addmm_(phi.T, weighted)
        moment.addmv_(weighted.T, y[part])
    outer = factor(precision[None], x.new_ones(1, size))[0]
    weights = torch.cholesky_solve(moment[:, None], outer)[:, 0]
    line = weights[1 : 1 + p] * (0.5 * hyper.linear[0]).exp()
    dual = torch.linalg.solve_triangular(inner.T, weights[1 + p :, None], upper=True)[:, 0]
    return Induced(hyper, rows, dual, line, CONSTANT**0.5 * weights[0], inner, outer)


def inducing_rows(hyper: Kernel, x: Tensor, share: float) -> tuple[Tensor, float]:
    """Places in x [N, P] of at most `MOST` rows that span the bent part, and the variance missed.

    Pivots of an incomplete Cholesky factorisation (Fine and Scheinberg 2001), in single precision,
    since only their order counts. It ends where little is missed beside the variance that the
    noise leaves in F, which is `share`, noise over context rows, for each inducing row.
    """
    single = hyper.each(Tensor.float)
    x, most = x.float(), min(MOST, len(x))
    missed = bent_variance(single).expand(1, len(x))[0].clone()
    least = COARSE * float(missed[0])
    factors, chosen = x.new_zeros(most, len(x)), []
    for m in range(most):
        if float(missed.mean()) <= max(ENOUGH * share * m, least):
            break
        pivot = int(missed.argmax())
        row = kernel(single, x[None, pivot : pivot + 1], x[None]).bent[0, 0]
        row = (row - factors[:m, pivot] @ factors[:m]) / missed[pivot].sqrt()
        chosen.append(pivot)
        factors[m] = row
        missed = (missed - row.square()).clamp(min=0)
        missed[pivot] = 0
    return torch.tensor(chosen, device=x.device), float(missed.mean())


@dataclass(frozen=True)
class Committee(Process):
    """Expanded in the rows of all experts.

    Attributes:
        cautious: the process after some of the rows, whose variance is never the smaller.
    """

    cautious: Exact

    def _variance(self, here: Tensor) -> Tensor:
        return self.cautious.variance(here)


def commit(hyper: Kernel, x: Tensor, y: Tensor, noise: Tensor) -> Committee:
    """At most `EXPERTS` experts with rows of their own; arguments as of `solve`.

    Their average is too flat where one expert alone has rows near by, so that what it leaves is
    averaged once more: two steps of damped block Jacobi (Saad 2003, section 4.1.1).
    """
    used = some_rows(len(x), EXPERTS * EXPERT_ROWS).to(x.device)
    x, y, noise = x[used], y[used], noise[used]
    count = -(-len(x) // EXPERT_ROWS)
    blocks = list(pieces(len(x), -(-len(x) // count)))
    roots = [_root(hyper, x[block], noise[block]) for block in blocks]
    dual = torch.cat([_solved(r, y[b]) for r, b in zip(roots, blocks, strict=True)]) / count
    before = dual.clone()
    for root, block in zip(roots, blocks, strict=True):
        rest = y[block] - root @ (root.T @ before[block])
        for other in (other for other in blocks if other != block):
            rest -= _told(hyper, x[block], x[other], before[other])
        dual[block] += _solved(root, rest) / count
    few = slice(0, EXACT_ROWS)
    alone = Exact.of(hyper, x[few], noise[few], dual[few])  # asked for its variance only
    line = hyper.linear[0].exp() * (dual @ x)
    return Committee(hyper, x, dual, line, CONSTANT * dual.sum(), alone)


def _root(hyper: Kernel, x: Tensor, noise: Tensor) -> Tensor:
    root, failed = torch.linalg.cholesky_ex(covariance(hyper, x, noise))
    return factor(kernel(hyper, x[None], x[None]).total, noise[None])[0] if failed else root


def _solved(root: Tensor, y: Tensor) -> Tensor:
    return torch.cholesky_solve(y[:, None], root)[:, 0]


def _told(hyper: Kernel, here: Tensor, rows: Tensor, dual: Tensor) -> Tensor:
    """What rows [R, P] with dual weights [R] say of F at `here` [M, P]: [M], in single precision.

    Constant and line in double precision, since their sums cancel.
    """
    single = hyper.each(Tensor.float)
    flat = torch.zeros_like(dual.sum()).float()
    bent = Process(single, rows.float(), dual.float(), rows[0].float() * 0, flat).mean(here.float())
    line = hyper.linear[0].exp() * (dual @ rows)
    return bent.double() + here @ line + CONSTANT * dual.sum()
