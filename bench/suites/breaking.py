"""Ways to break an SCM's assumptions, each by a degree from 0 to 1.

- `scale`: noise is larger and smaller with the parents, between 5**-q and 5**q times;
- `product`: noise grows with the distance of F from its mean (multiplicative noise);
- `bend`: what F and the noise add up to is bent, the slope above its mean 1 - .95 q of that below
  (post-nonlinear noise);
- `cauchy`: a share q of the noise is Cauchy, of the scale that the normal noise has;
- `hidden`: the noise of half of the nodes shares a cause, with correlation q**2;
- `measurement`: context rows are measured with errors of q deviations of their column;
- `selection`: a share .95 q of the population, with the largest values of one sink, is not in the
  context;
- `collinear`: of some children's parents one follows another, with correlation 1 - (1 - q)**4; at 1
  it is its duplicate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator

from bench.scm.batched import BatchedSCM
from bench.scm.violated import Additive, Bent, Draws, Form, Line, Mechanisms, Scaled

WIDEST = np.log(5)  # of the factor on noise, at degree 1
NEARLY = 0.95  # of what would be lost altogether


@dataclass(frozen=True)
class Whole:
    """An SCM before it is broken, and what its population is like.

    Attributes:
        scm: as drawn. x, f: rows of the population and their mechanisms, [N, D]. rng: for choices.
    """

    scm: BatchedSCM
    x: np.ndarray
    f: np.ndarray
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        """For choices that are the same at every degree."""
        return np.random.default_rng(self.seed)

    @property
    def adjacency(self) -> np.ndarray:
        """[D, D]."""
        return self.scm.adjacency[0].numpy()

    @property
    def noise_scale(self) -> np.ndarray:
        """Deviation of the noise, [D]."""
        return self.scm.noise_model.scale[0].numpy()

    def noise(self, n: int, generator: Generator) -> np.ndarray:
        """Normal noise, [n, D]."""
        return self.scm.noise_model.draw(n, generator)[0].numpy()


@dataclass(frozen=True)
class Broken:
    """What a violation changes; everything else stays.

    Attributes:
        f, form, draws: of the SCM. keep: rows [N, D] -> whether a row can be in the context.
        error: deviation of the context's measurement error, [D].
    """

    f: Mechanisms
    form: Form
    draws: Draws
    keep: Callable[[np.ndarray], np.ndarray] | None = None
    error: np.ndarray | None = None


def unbroken(whole: Whole) -> Broken:
    """The SCM as drawn."""
    return Broken(Mechanisms(whole.scm), Additive(), whole.noise)


def scale(whole: Whole, degree: float) -> Broken:
    """The noise's size depends on its parents."""
    sign = whole.rng.choice((-1.0, 1.0), size=whole.adjacency.shape)
    parents = np.maximum(whole.adjacency.sum(0), 1)
    weights = sign * whole.adjacency / np.sqrt(parents) / whole.x.std(0)[:, None]
    mean = whole.x.mean(0)

    def size(f: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.exp(degree * WIDEST * np.tanh((x - mean) @ weights))

    return _replaced(whole, form=Scaled(size))


def product(whole: Whole, degree: float) -> Broken:
    """The noise is multiplied by how far F is from its mean."""
    mean, deviation = whole.f.mean(0), whole.f.std(0)
    moves = whole.adjacency.any(0)
    unit = np.where(moves, deviation, 1.0)

    def size(f: np.ndarray, x: np.ndarray) -> np.ndarray:
        far = np.hypot(1 - NEARLY * degree, degree * (f - mean) / unit)
        return np.where(moves, far, 1.0)

    return _replaced(whole, form=Scaled(size))


def bend(whole: Whole, degree: float) -> Broken:
    """F and noise are bent together."""
    loss = NEARLY * degree * whole.adjacency.any(0)
    form = Bent(np.asarray(loss), whole.x.mean(0), whole.x.std(0), whole.noise_scale)
    return _replaced(whole, form=form)


def cauchy(whole: Whole, degree: float) -> Broken:
    """Some of the noise is Cauchy."""

    def draws(n: int, generator: Generator) -> np.ndarray:
        z = whole.noise(n, generator)
        parts = torch.rand((2, *z.shape), generator=generator, dtype=torch.float64).numpy()
        wild = np.tan(np.pi * (parts[0] - 0.5)) * whole.noise_scale
        return np.where(parts[1] < degree, wild, z)

    return _replaced(whole, draws=draws)


def hidden(whole: Whole, degree: float) -> Broken:
    """Half of the nodes share a cause that no column tells of; both ends of an edge do."""
    rng, d = whole.rng, len(whole.adjacency)
    edges = np.argwhere(whole.adjacency)
    first = edges[rng.integers(len(edges))] if len(edges) else np.arange(0)
    others = [j for j in rng.permutation(d) if j not in first]
    touched = np.zeros(d)
    touched[[*first, *others[: max(d // 2 - len(first), 0)]]] = 1
    sign = rng.choice((-1.0, 1.0), size=d) * touched

    def draws(n: int, generator: Generator) -> np.ndarray:
        own = whole.noise(n, generator)
        cause = torch.randn((n, 1), generator=generator, dtype=torch.float64).numpy()
        left = np.sqrt(1 - degree**2 * touched)
        return own * left + degree * cause * sign * whole.noise_scale

    return _replaced(whole, draws=draws)


def measurement(whole: Whole, degree: float) -> Broken:
    """The context's values are measured with errors."""
    return _replaced(whole, error=degree * whole.x.std(0))


def selection(whole: Whole, degree: float) -> Broken:
    """Rows with large values of one sink are lost to the context."""
    ancestors = np.linalg.matrix_power(np.eye(len(whole.adjacency)) + whole.adjacency, 64) > 0
    sink = int(np.argmax(ancestors.sum(0) * ~whole.adjacency.any(1)))
    most = np.quantile(whole.x[:, sink], 1 - NEARLY * degree)
    return _replaced(whole, keep=lambda rows: rows[:, sink] <= most)


def collinear(whole: Whole, degree: float) -> Broken:
    """Of some children's parents one follows another."""
    correlation = 1 - (1 - degree) ** 4
    mean, deviation = whole.x.mean(0), whole.x.std(0)
    lines, loose = {}, np.ones(len(mean))
    for leader, follower in _pairs(whole):
        slope = correlation * deviation[follower] / deviation[leader]
        lines[follower] = Line(leader, slope, mean[follower] - slope * mean[leader])
        own = deviation[follower] * np.sqrt(1 - correlation**2)
        loose[follower] = own / whole.noise_scale[follower]
    return Broken(Mechanisms(whole.scm, lines), Additive(), lambda n, g: loose * whole.noise(n, g))


def _pairs(whole: Whole) -> list[tuple[int, int]]:
    """(leader, follower): parents of one child, each node once, a quarter of the nodes at most."""
    place = np.argsort(np.argsort(whole.scm.plan.level[0].numpy(), kind="stable"))
    pairs: list[tuple[int, int]] = []
    used: set[int] = set()
    for child in whole.rng.permutation(len(place)).tolist():
        parents = set(np.flatnonzero(whole.adjacency[:, child]).tolist()) - used
        if len(parents) > 1 and child not in used and len(pairs) < max(len(place) // 4, 1):
            leader, follower, *_ = sorted(parents, key=place.__getitem__)
            pairs.append((leader, follower))
            used |= {leader, follower, child}
    return pairs


def _replaced(whole: Whole, **changes: object) -> Broken:
    return Broken(**{**vars(unbroken(whole)), **changes})


VIOLATIONS: dict[str, Callable[[Whole, float], Broken]] = {
    "scale": scale,
    "product": product,
    "bend": bend,
    "cauchy": cauchy,
    "hidden": hidden,
    "measurement": measurement,
    "selection": selection,
    "collinear": collinear,
}
