"""The classifier of a node with levels: multinomial logistic regression and its own uncertainty."""

from collections.abc import Callable

import numpy as np

DEVIATION = 2.5  # of the prior of a slope per deviation of its parent: rules out infinite slopes
STEPS, HALVINGS, ENOUGH = 60, 20, 1e-10
LEAST = 1e-9  # probability of a level that no row has, so that every row has its noise

Probabilities = Callable[[np.ndarray], np.ndarray]  # x [N, P] -> [N, K]


class Logistic:
    """Probabilities of K levels, softmax of a line in the parents for each level.

    The mode of the posterior under normal priors of the slopes (Gelman et al. 2008, with the normal
    in place of the Cauchy) by Newton's method; `draw` takes the normal around it.

    Args:
        x: parents [N, P]. codes: levels [N]. count: K.
    """

    def __init__(self, x: np.ndarray, codes: np.ndarray, count: int) -> None:
        self.count = count
        self.there, y = np.unique(codes.astype(int), return_inverse=True)
        self.mean, deviation = x.mean(0), np.where(np.ptp(x, axis=0) > 0, x.std(0), 0.0)
        self.inverse = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        self.weights, self.root = newton(self._design(x), np.eye(len(self.there))[y])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows [N, P] -> probabilities [N, K]."""
        answer = np.zeros((len(x), self.count))
        answer[:, self.there] = softmax(self._design(x) @ self.weights)
        return answer

    def draw(self, rng: np.random.Generator) -> "Logistic":
        """Draws a model whose weights the rows allow, from their Gaussian approximation."""
        other = object.__new__(Logistic)
        vars(other).update(vars(self))
        step = np.linalg.solve(self.root.T, rng.standard_normal(len(self.root)))
        other.weights = self.weights.copy()
        other.weights[:, 1:] += step.reshape(len(self.there) - 1, -1).T
        return other

    def relearn(self, x: np.ndarray, codes: np.ndarray) -> "Logistic":
        """Fits the same kind of model to other rows."""
        return Logistic(x, codes, self.count)

    def _design(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([(x - self.mean) * self.inverse, np.ones(len(x))])


def newton(design: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [P + 1, K], 0 of the first level, and the Cholesky factor of the rest's precision.

    Args:
        design: [N, P + 1], the last column ones. levels: indicators [N, K].
    """
    size, count = design.shape[1], levels.shape[1]
    penalty = np.full(size, DEVIATION**-2)
    penalty[-1] = 1e-6
    weights = np.zeros((size, count))
    loss = _loss(design, levels, weights, penalty)
    for _ in range(STEPS):
        p = softmax(design @ weights)
        gradient = design.T @ (p - levels)[:, 1:] + penalty[:, None] * weights[:, 1:]
        step = (
            np.linalg.solve(_hessian(design, p, penalty), gradient.T.ravel())
            .reshape(count - 1, size)
            .T
        )
        step, decrease = np.column_stack([np.zeros(size), step]), float((gradient * step).sum())
        for halving in range(HALVINGS):
            trial = weights - 0.5**halving * step
            new = _loss(design, levels, trial, penalty)
            if new <= loss:
                break
        weights, loss = trial, new
        if decrease < ENOUGH * max(1.0, abs(loss)):
            break
    return weights, np.linalg.cholesky(_hessian(design, softmax(design @ weights), penalty))


def _loss(
    design: np.ndarray, levels: np.ndarray, weights: np.ndarray, penalty: np.ndarray
) -> float:
    z = design @ weights
    top = z.max(1)
    total = np.log(np.exp(z - top[:, None]).sum(1)) + top - (z * levels).sum(1)
    return float(total.sum() + 0.5 * (penalty[:, None] * weights**2).sum())


def _hessian(design: np.ndarray, p: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Of the loss, over levels 1.. and, within, the design's columns."""
    size, count = design.shape[1], p.shape[1] - 1
    hessian = np.zeros((count, size, count, size))
    for a in range(count):
        for b in range(a, count):
            share = p[:, a + 1] * ((a == b) - p[:, b + 1])
            block = design.T @ (share[:, None] * design)
            hessian[a, :, b] = block
            hessian[b, :, a] = block.T
        hessian[a, :, a] += np.diag(penalty)
    return hessian.reshape(count * size, count * size)


def softmax(z: np.ndarray) -> np.ndarray:
    """Turns each row of z [N, K] into probabilities that add up to 1."""
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
