"""What held-out rows say of an estimate, node by node."""

from itertools import combinations

import numpy as np

from bench.analysis.trust.check import FAILS, OK, Check, untestable
from bench.analysis.trust.independence import Kernel, growth, hsic
from bench.mixed.encode import Encoder
from bench.scm.support import Range
from bench.suites.held import Held
from bench.task import Dataset

FEW_ROWS = 10  # for each parent
MARGIN, SURE = 1.1, 2.33  # of what is left beside another fit; of its paired difference
NOMINAL, LEAST = 0.9, 0.8  # coverage that is asked for, and below which it fails
ROWS = 1000  # whose noise is compared by kernels
TAIL = 0.001  # of a distribution's places
IN_DOUBT = 0.1  # largest variance of F, of that of noise, in rows that tell the size of noise
KNOWN = 0.5  # least share of such rows
OUTSIDE = 0.05  # share of held-out rows out of a parent's range, above that of chance


def least_squares_left(data: Dataset, halves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """What lines leave of each half, fitted to the other: [N, D] of the table."""
    encoder = Encoder(data)
    encoded, left = encoder(data.rows), np.empty_like(data.rows)
    for context, query in (halves, halves[::-1]):
        for j in range(len(data.names)):
            parents = encoded[:, encoder.places(np.flatnonzero(data.adjacency[:, j]).tolist())]
            design = np.column_stack([np.ones(len(parents)), parents])
            weights = np.linalg.lstsq(design[context], data.rows[context, j], rcond=None)[0]
            left[query, j] = data.rows[query, j] - design[query] @ weights
    return left


def check_rows(data: Dataset, fitted: int) -> list[Check]:
    """Checks that enough rows are fitted for each parent of a node."""
    checks = []
    for name, parents in zip(data.names, data.parents(), strict=True):
        if len(parents):
            each = fitted / len(parents)
            result = FAILS if each < FEW_ROWS else OK
            words = f"{each:.3g} rows a parent in each half"
            checks.append(Check("rows", str(name), words, each, result=result))
    return checks


def check_constant(data: Dataset, context: np.ndarray) -> list[Check]:
    """Checks which columns do not vary among the rows that are fitted, whose numbers are [N]."""
    constant = np.flatnonzero(np.ptp(data.rows[context], axis=0) == 0)
    words = "constant in the half that is fitted: nothing is learnt of what it does"
    return [Check("constant", str(data.names[j]), words, 0.0, result=FAILS) for j in constant]


def check_explained(
    data: Dataset, held: Held, halves: tuple[np.ndarray, np.ndarray]
) -> list[Check]:
    """Held-out R^2 of each node with parents against its mean and against least squares."""
    lines, checks = least_squares_left(data, halves)[held.rows], []
    alone = np.zeros_like(data.adjacency)
    means = least_squares_left(Dataset(data.rows, data.names, alone, data.columns), halves)
    means = means[held.rows]
    for j, name in enumerate(data.names):
        if not data.adjacency[:, j].any():
            continue
        mine = np.square(held.left[:, j])
        if np.isnan(mine).any():
            why = "the estimate has no expectation of it"
            checks.append(untestable("explained", str(name), why))
            continue
        total = np.square(means[:, j])
        categorical = data.columns and data.columns[j].kind == "category"
        line = None if categorical else np.square(lines[:, j])
        checks.append(_explained(str(name), mine, total, line))
    return checks


def _explained(name: str, mine: np.ndarray, mean: np.ndarray, line: np.ndarray | None) -> Check:
    """Of squares of what is left, [N] each."""
    share = 1 - mine.sum() / mean.sum()
    words = f"its parents explain {100 * share:.3g} % of held-out rows"
    worse = ["the mean"] if _worse(mine, mean) else []
    if line is not None:
        words += f" (least squares {100 * (1 - line.sum() / mean.sum()):.3g} %)"
        worse += ["least squares"] if _worse(mine, line) else []
    if worse:
        words += f": WORSE than {' and '.join(worse)}"
    return Check("explained", name, words, float(share), result=FAILS if worse else OK)


def _worse(mine: np.ndarray, other: np.ndarray) -> bool:
    """Whether more is left by a tenth, and by more than chance."""
    gap = mine - other
    error = gap.std(ddof=1) / len(gap) ** 0.5
    return bool(mine.sum() > MARGIN * other.sum() and gap.mean() > SURE * error)


def check_support(data: Dataset, halves: tuple[np.ndarray, np.ndarray]) -> list[Check]:
    """Held-out rows with a parent beyond the range of the fitted ones."""
    gap = Range.of(data.rows[halves[0]]).gap(data.rows[halves[1]])
    checks = []
    for name, parents in zip(data.names, data.parents(), strict=True):
        numbers = [i for i in parents if i not in data.discrete]
        if numbers:
            share = float((gap[:, numbers] > 0).any(1).mean())
            words = f"{100 * share:.2g} % of held-out rows have a parent outside the fitted ones"
            chance = 2 / (len(halves[0]) + 1)  # of one more row to be the least or the greatest
            result = FAILS if share > (OUTSIDE + chance) * len(numbers) else OK
            checks.append(Check("support", str(name), words, share, result=result))
    return checks


def check_coverage(data: Dataset, held: Held) -> list[Check]:
    """Share of held-out rows in the estimate's own central 90 % given their parents."""
    checks, tail = [], (1 - NOMINAL) / 2
    for j, name in enumerate(data.names):
        if j in data.discrete:
            continue  # noise of levels is told from within its interval
        share = float(((held.place[:, j] >= tail) & (held.place[:, j] <= 1 - tail)).mean())
        words = f"its 90 % intervals hold {100 * share:.3g} % of held-out rows"
        result = FAILS if share < LEAST else OK
        checks.append(Check("coverage", str(name), words, share, result=result))
    return checks


def check_noise(data: Dataset, held: Held) -> list[Check]:
    """Noise of held-out rows: against each parent, against that of each other node, and its size.

    Noise is taken as the normal deviate of its place in the estimate's own distribution, so that
    where an estimate knows that it is unsure of F, its error there does not look like noise.
    """
    kept = np.linspace(0, len(held.rows) - 1, min(ROWS, len(held.rows))).astype(int)
    rows, noise = held.rows[kept], deviates(held.place[kept])
    encoder, names = Encoder(data), data.names
    encoded, checks = encoder(data.rows[rows]), []
    kernels = [Kernel(column) for column in noise.T]
    causes = {
        i: Kernel(encoded[:, encoder.parts[i]]) for i in np.flatnonzero(data.adjacency.any(1))
    }
    for i, j in np.argwhere(data.adjacency):
        of, words = f"{names[i]} -> {names[j]}", f"noise of {names[j]} against {names[i]}"
        p = hsic(causes[i], kernels[j])
        checks.append(Check("noise and parents", of, words, p, p))
        if not {i, j} & set(data.discrete):
            checks.append(_size(data, held, i, j))
    for i, j in combinations(range(len(names)), 2):
        of, p = f"{names[i]}, {names[j]}", hsic(kernels[i], kernels[j])
        checks.append(Check("noise and noise", of, "noise of one against the other", p, p))
    if not data.adjacency.any():
        checks.append(untestable("noise and parents", "graph", "no node has a parent"))
    return checks


def deviates(place: np.ndarray) -> np.ndarray:
    """Normal deviates of places in a distribution."""
    from scipy.stats import norm

    return norm.ppf(place.clip(TAIL, 1 - TAIL))


def _size(data: Dataset, held: Held, i: int, j: int) -> Check:
    """Whether the noise of node j grows or shrinks along its parent i, where F is well known.

    Elsewhere what the fit misses has a size of its own.
    """
    of, doubt = f"{data.names[i]} -> {data.names[j]}", held.doubt[:, j]
    noise = max(held.noise[:, j].var() - doubt.mean(), 0.0)
    known = doubt <= IN_DOUBT * noise
    if known.mean() < KNOWN:
        why = f"the fit knows too little of F in {1 - known.mean():.0%} of the rows"
        return untestable("size of noise", of, why)
    missed = doubt[known].mean()
    share = missed / (noise + missed) if missed else 0.0
    p = growth(deviates(held.place[known, j]), data.rows[held.rows[known], i], share)
    words = f"size of the noise of {data.names[j]} along {data.names[i]}"
    return Check("size of noise", of, words, p, p)


def hidden(data: Dataset) -> list[Check]:
    """What no table tells: a common cause of two nodes that an edge joins already."""
    edges = np.argwhere(data.adjacency)
    if not len(edges):
        return []
    why = "a hidden common cause of a node and its parent looks like a stronger or weaker edge"
    return [untestable("hidden cause", "each edge", why)]
