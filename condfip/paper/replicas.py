"""Gradients of several chunks of a step at once, each by a thread with its own copy of a network.

Small products leave a second core idle if it is to help with each of them; whole chunks do not.
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
P = TypeVar("P")


class Replicas(Generic[M]):
    """A network and further ones that share its weights and have gradients of their own.

    Attributes:
        models: the network first.
    """

    def __init__(self, model: M, count: int) -> None:
        self.models = [model, *(_sharing(model) for _ in range(count - 1))]
        self.pool = ThreadPoolExecutor(count)

    def gradients(self, parts: Sequence[P], loss: Callable[[M, P], Tensor]) -> float:
        """Adds the gradients of all parts to the first network's; returns the sum of the losses.

        Worker k takes parts k, k + count and so on, and gradients are added worker by worker, so
        that the sum does not depend on who is ready first.
        """
        count = len(self.models)

        def work(k: int) -> float:
            total = 0.0
            for part in parts[k::count]:
                value = loss(self.models[k], part)
                value.backward()
                total += value.item()
            return total

        total = work(0) if count == 1 else sum(self.pool.map(work, range(count)))
        for other in self.models[1:]:
            for mine, theirs in zip(self.models[0].parameters(), other.parameters(), strict=True):
                if theirs.grad is not None:
                    mine.grad = theirs.grad if mine.grad is None else mine.grad.add_(theirs.grad)
                    theirs.grad = None
        return total


def _sharing(model: M) -> M:
    other = copy.deepcopy(model)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        theirs.data = mine.data
    return other
