"""How far one set of rows lies from another: pure functions of arrays."""

import numpy as np

MANY_ROWS, FEW_ROWS = 4000, 1000  # distances of rows: of all of them, or of so many a side


def mmd(x: np.ndarray, y: np.ndarray, biased: bool = True) -> float:
    """Squared maximum mean discrepancy of rows x [N, D] and y [M, D], or of a sample of them.

    The kernel is exp(-D / (median / 2)) with D the squared distance and its median over all pairs
    of pooled rows; over those that differ where most are equal. The biased V-statistic (Gretton et
    al. 2012, equation 5) counts a row's kernel with itself; the unbiased U-statistic (equation 3)
    does not, and may be negative.
    """
    x, y = thinned(x, y)
    distance = _squared_distances(np.vstack([x, y]))
    if not distance.any():
        return 0.0
    pairs = distance[np.triu_indices(len(distance), 1)]
    median = np.median(pairs) or np.median(pairs[pairs > 0])
    kernel = np.exp(-distance / (median / 2))
    n = len(x)
    within = sum(_within(block, biased) for block in (kernel[:n, :n], kernel[n:, n:]))
    return float(within - 2 * kernel[:n, n:].mean())


def energy(x: np.ndarray, y: np.ndarray) -> float:
    """Energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| of rows x [N, D] and y [M, D].

    Of a sample where there are many rows.

    A V-statistic of Euclidean distances (Szekely and Rizzo 2013), 0 for equal sets of rows.
    """
    x, y = thinned(x, y)
    distance, n = np.sqrt(_squared_distances(np.vstack([x, y]))), len(x)
    return float(2 * distance[:n, n:].mean() - distance[:n, :n].mean() - distance[n:, n:].mean())


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """Mean over nodes of the 1-D Wasserstein-1 distance between columns of x and y, both [N, D]."""
    return float(np.abs(np.sort(x, 0) - np.sort(y, 0)).mean())


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keeps all of both sets of rows, or evenly spaced ones where all pairs would be too many."""
    if len(x) + len(y) <= MANY_ROWS:
        return x, y
    return _spaced(x), _spaced(y)


def _spaced(rows: np.ndarray) -> np.ndarray:
    """At most `FEW_ROWS` of them, evenly spaced."""
    return rows[:: -(-len(rows) // FEW_ROWS)]


def _squared_distances(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(0)
    squares = np.square(rows).sum(1)
    return np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0)


def _within(kernel: np.ndarray, biased: bool) -> float:
    if biased:
        return kernel.mean()
    return (kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1))
