"""A node's Gaussian process, many nodes at once, in closed form.

Letters: G nodes, N context rows, M query rows, P parents (padded with zero columns), S scales. The
kernel is that of `bench.scm.kernel`; algebra follows Rasmussen and Williams 2006, section 2.2.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from bench.scm.kernel import Kernel, factor, kernel, variance


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters, all logarithms, all variances in units of the child's variance.

    Attributes:
        amplitude: a [G, S].
        noise: [G].
        length: l [G, P].
        linear: w [G, P].
        stretch: log of each row's noise variance over `noise`, [G, N].
        shift: expected noise of each row over the noise's standard deviation, [G, N].
        own: c [G, P], None for a kernel without components of one parent.
        gate: beyond the context, how much F goes on as a line (a logit), [G], None for not at all.
        growth: log of the variance that F gains there, [G]; see `gain`.
    """

    amplitude: Tensor
    noise: Tensor
    length: Tensor
    linear: Tensor
    stretch: Tensor
    shift: Tensor
    own: Tensor | None = None
    gate: Tensor | None = None
    growth: Tensor | None = None

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{n: change(t) for n, t in vars(self).items() if t is not None})

    def detach(self) -> Self:
        """The same hyper-parameters without gradients."""
        return self._each(lambda t: t.detach())

    def to(self, like: Tensor) -> Self:
        """In the precision of another tensor."""
        return self._each(lambda t: t.to(like))

    @property
    def is_finite(self) -> bool:
        """Whether all of them are numbers."""
        return all(bool(t.isfinite().all()) for t in vars(self).values() if t is not None)

    def __getitem__(self, nodes: Tensor | slice) -> Self:
        """Those of some nodes."""
        return self._each(lambda t: t[nodes])

    def replaced(self, nodes: Tensor, others: Self) -> Self:
        """With those of some nodes from elsewhere."""
        return replace(
            self,
            **{
                name: whole.index_copy(0, nodes, getattr(others, name))
                for name, whole in vars(self).items()
                if whole is not None
            },
        )

    def over(self, rows: int) -> Self:
        """For so many rows; rows that are new have the node's own noise."""
        more = rows - self.stretch.shape[1]
        pad = torch.nn.functional.pad
        return replace(self, stretch=pad(self.stretch, (0, more)), shift=pad(self.shift, (0, more)))

    def of_rows(self, rows: slice) -> Self:
        """The hyper-parameters for some of the rows."""
        return replace(self, stretch=self.stretch[:, rows], shift=self.shift[:, rows])

    def narrow(self, parents: int) -> Self:
        """For the first so many parents."""
        of_parents = ("length", "linear", "own")
        cut = {k: v[:, :parents] for k in of_parents if (v := getattr(self, k)) is not None}
        return replace(self, **cut)._each(torch.Tensor.clone)

    @property
    def kernel(self) -> Kernel:
        """The hyper-parameters of the kernel alone, without the noise."""
        return Kernel(self.amplitude, self.length, self.linear, self.own)

    @property
    def row_variance(self) -> Tensor:
        """Noise variance of each row, [G, N]."""
        return (self.noise[:, None] + self.stretch).exp()

    def targets(self, y: Tensor) -> Tensor:
        """The child without the rows' expected noise, [G, N]."""
        return y - self.shift * (0.5 * self.noise)[:, None].exp()


def posterior(hyper: Hyper, x: Tensor, y: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of F at query rows.

    Args:
        hyper: of each node. x: parents [G, N, P]. y: child [G, N]. query: parents [G, M, P].

    Returns:
        Mean [G, M], variance [G, M].
    """
    root = factor(kernel(hyper.kernel, x, x).total, hyper.row_variance)
    cross = kernel(hyper.kernel, x, query).total
    joined = torch.cat([cross, hyper.targets(y)[:, :, None]], 2)
    half = torch.linalg.solve_triangular(root, joined, upper=False)
    mean = (half[:, :, :-1] * half[:, :, -1:]).sum(1)
    spread = variance(hyper.kernel, query) - half[:, :, :-1].square().sum(1)
    return mean, spread


def continued(
    hyper: Hyper, line: Tensor, x: Tensor, y: Tensor, query: Tensor
) -> tuple[Tensor, Tensor]:
    """`posterior`, in part going on as a line where a query leaves the context's range.

    Args:
        hyper: of each node, with a gate. line: weights of a line [G, P]. others: see `posterior`.
    """
    inside = query.clamp(x.amin(1, keepdim=True), x.amax(1, keepdim=True))
    means, spreads = posterior(hyper, x, y, torch.cat([query, inside], 1))
    gap = query - inside
    straight = means.chunk(2, 1)[1] + (gap @ line[:, :, None]).squeeze(2)
    assert hyper.gate is not None
    gate, (first, second) = hyper.gate.sigmoid()[:, None], spreads.chunk(2, 1)
    return beyond(gate, (means.chunk(2, 1)[0], straight), (first, second), gain(hyper, gap))


def gain(hyper: Hyper, gap: Tensor) -> Tensor:
    """Variance that F gains at gaps [G, M, P] from the context's range, [G, M].

    `growth` times the squared gap times the squared slope that the kernel expects of each parent.
    """
    steep = (hyper.kernel.bend - 2 * hyper.length).exp()
    assert hyper.growth is not None
    return hyper.growth.exp()[:, None] * (gap.square() @ steep[:, :, None]).squeeze(2)


def beyond(
    gate: Tensor | float, means: tuple[Tensor, Tensor], spreads: tuple[Tensor, Tensor], more: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance of F beyond the context's range.

    Args:
        gate: weight of a line. means: of F at the query, and of F at the nearest place in range
            plus the line's change. spreads: variances there. more: added to the variance.
    """
    mean = means[0] + gate * (means[1] - means[0])
    return mean, spreads[0] + gate * (spreads[1] - spreads[0]) + more
