"""What an estimate answers to do() and to effects, with intervals; rows go to files.

Letters: N rows, D nodes, S SCMs that the data allow (draws of the estimate or bootstrap fits).
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bench.reading.do import Effect
from bench.scm.do import Do, Draw
from bench.suites.curves import curves, write_curves
from bench.task import Dataset, as_frame

if TYPE_CHECKING:
    import pandas as pd

VERSION = "1"
LEVEL = 0.9
ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
DRAWS = 100
NUMBERS = 2**22  # of all draws together: more rows than fit are thinned
Measured = dict[str, dict[str, Any]]


class Estimate(Protocol):
    """What is asked; see `bench.run.scorer.Asked`."""

    label: str  # of the method, as in the names of files
    noise_space: str
    can_draw: bool

    def noise(self, df: "pd.DataFrame") -> "pd.DataFrame":
        """Abducts the noise of rows."""

    def sample(self, n: int, do: Do | None = None, seed: int = 0) -> "pd.DataFrame":
        """Draws fresh rows."""

    def counterfactual(self, df: "pd.DataFrame", do: Do) -> "pd.DataFrame":
        """Says what rows would have been under do()."""

    def drawn(
        self, verb: str, df: "pd.DataFrame", do: Do, count: int, seed: int, bootstrap: int = 0
    ) -> np.ndarray:
        """Rows under do of SCMs that the data allow, [S, N, D]."""


@dataclass(frozen=True)
class Asked:
    """Questions about a table.

    Attributes:
        data: all rows.
        dos: (as written, do) of each question.
        effects: of one node on another.
        n: rows to sample.
        seed: of the samples and the draws.
        bootstrap: fits, 0: none.
        folder: of the files, None: none are written.
    """

    data: Dataset
    dos: Sequence[tuple[str, Do]]
    effects: Sequence[Effect]
    n: int
    seed: int = 0
    bootstrap: int = 0
    folder: Path | None = None

    @property
    def most_numbers(self) -> int:
        """How many numbers all draws together may have."""
        return NUMBERS

    def draws(self, estimate: "Estimate") -> bool:
        """Whether SCMs that the data allow can be asked."""
        return bool(self.bootstrap or estimate.can_draw)

    @property
    def count(self) -> int:
        """How many SCMs the data are asked for."""
        return self.bootstrap or DRAWS

    def drawn(self, estimate: "Estimate", verb: str, df: "pd.DataFrame", do: Do) -> np.ndarray:
        """What SCMs that the data allow answer, [S, N, D]."""
        return estimate.drawn(verb, df, do, self.count, self.seed, bootstrap=self.bootstrap)

    def below(self, causes: Sequence[str]) -> list[int]:
        """Nodes that descend from some of `causes` and are none of them."""
        reached = np.isin(np.array(self.data.names, dtype=object), list(causes))
        start = reached.copy()
        for _ in self.data.names:
            reached = reached | self.data.adjacency[reached].any(0)
        return np.flatnonzero(reached & ~start).tolist()


def name_of(*words: object) -> str:
    """A measured number's name in a record."""
    return json.dumps(words, ensure_ascii=False)


def answer(asked: Asked, estimate: Estimate) -> Measured:
    """Effects of every question as named numbers, and the files of rows beside them."""
    told: Measured = {}
    if asked.folder is not None:
        _samples(asked, estimate)
        found = curves(asked, estimate, ENDS)
        write_curves(asked.folder / "answers", estimate.label, found)
    for k, (text, do) in enumerate(asked.dos):
        _or_missing(told, ["do", text], lambda k=k, do=do: _under(asked, estimate, k, do))
    for effect in asked.effects:
        _or_missing(told, ["effect", effect.text], lambda e=effect: _between(asked, estimate, e))
    return told or {name_of("rows"): {"version": VERSION, "value": float(asked.n)}}


def _or_missing(told: Measured, place: list[str], ask: Any) -> None:
    """A question that has no finite answer ends nothing but itself."""
    try:
        found = ask()
    except ValueError as error:
        told[name_of(*place)] = {"version": VERSION, "missing": str(error)[:300]}
        return
    for words, value in found.items():
        finite = np.isfinite(value)
        said = {"value": float(value)} if finite else {"missing": "the answer is not finite"}
        told[name_of(*place, *words)] = {"version": VERSION, **said}


def _under(asked: Asked, estimate: Estimate, k: int, do: Do) -> dict[tuple, float]:
    """Of each node below: its mean under do, the effect and its interval."""
    names, rows, drawing = asked.data.names, asked.data.frame(), do
    do = _settled(asked, do, len(rows))
    done = estimate.counterfactual(rows, do).to_numpy(dtype=float)
    here, error = done - asked.data.rows, None
    below = asked.below(list(do))
    told: dict[tuple, float] = {}
    for node in do:
        values = done[:, names.index(node)]
        told |= {(node, "set to at least"): values.min(), (node, "set to at most"): values.max()}
    drawn = _drawn(asked, estimate, rows, do)
    if drawn is not None:
        kept, values = drawn
        error = _error(asked, here, values - asked.data.rows[kept] - here[kept])
    for j in below:
        told |= _effect(names[j], here[:, j].mean(), None if error is None else error[:, j])
        told[names[j], "mean under do"] = done[:, j].mean()
    _write_under(asked, estimate, k, drawing, done, drawn)
    return told


def _settled(asked: Asked, do: Do, n: int) -> Do:
    """A do() whose draws are values a row."""
    return {
        name: value.rows(n, np.random.default_rng([asked.seed, asked.data.names.index(name)]))
        if isinstance(value, Draw)
        else value
        for name, value in do.items()
    }


def _between(asked: Asked, estimate: Estimate, effect: Effect) -> dict[tuple, float]:
    """E[y | do(a = high)] - E[y | do(a = low)]."""
    rows, j = asked.data.frame(), asked.data.names.index(effect.outcome)
    ends = [{effect.cause: effect.low}, {effect.cause: effect.high}]
    low, high = (estimate.counterfactual(rows, do).to_numpy(dtype=float) for do in ends)
    here, error = high - low, None
    below, above = (_drawn(asked, estimate, rows, do) for do in ends)
    if below is not None and above is not None:
        (kept, a), (_, b) = below, above
        error = _error(asked, here, (b - a) - here[kept])[:, j]
    told = {(effect.cause, "set to at least"): min(effect.low, effect.high)}
    told[effect.cause, "set to at most"] = max(effect.low, effect.high)
    told[effect.outcome, "mean under do"] = high[:, j].mean()
    return told | _effect(effect.outcome, here[:, j].mean(), error)


def _effect(node: str, value: float, error: np.ndarray | None) -> dict[tuple, float]:
    told = {(node, "effect"): float(value)}
    if error is not None:
        low, high = _quantiles(error)
        told |= {(node, "low"): value + low, (node, "high"): value + high}
    return told


def _error(asked: Asked, here: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Draws of the error of a mean effect, [S, D]: of F, and of which rows there are.

    Args:
        here: effect of each row, [N, D]. off: error of some rows' effects by each draw, [S, M, D].
    """
    rng = np.random.default_rng([asked.seed, 7])
    spread = here.std(0, ddof=1) / len(here) ** 0.5
    return off.mean(1) + spread * rng.standard_normal((len(off), here.shape[1]))


def _drawn(
    asked: Asked, estimate: Estimate, rows: "pd.DataFrame", do: Do
) -> tuple[np.ndarray, np.ndarray] | None:
    """Numbers of the rows that were kept, and their values under do, [S, M, D]; None: no draws."""
    if not asked.draws(estimate):
        return None
    most = max(NUMBERS // (asked.count * rows.shape[1]), 20)
    step = -(-len(rows) // most)
    kept = np.arange(0, len(rows), step)
    some = {name: value[kept] if np.ndim(value) else value for name, value in do.items()}
    return kept, asked.drawn(estimate, "counterfactual", rows.iloc[kept], some)


def _samples(asked: Asked, estimate: Estimate) -> None:
    drawn = estimate.sample(asked.n, None, asked.seed)
    _write(asked, f"samples-{estimate.label}", drawn, _ends(asked, estimate, drawn, {}))


def _write_under(
    asked: Asked, estimate: Estimate, k: int, do: Do, done: np.ndarray, drawn: tuple | None
) -> None:
    if asked.folder is None:
        return
    more, ends = f"{f'-{k + 1}' if k else ''}-{estimate.label}", None
    if drawn is not None and len(drawn[0]) == len(done):
        ends = _quantiles(drawn[1])
    _write(asked, f"counterfactual{more}", as_frame(done, asked.data.names), ends)
    if any(np.ndim(value) for value in do.values()):
        _write(asked, f"do{more}", as_frame(done, asked.data.names), ends)
        return
    sampled = estimate.sample(asked.n, do, asked.seed)
    _write(asked, f"do{more}", sampled, _ends(asked, estimate, sampled, do))


def _ends(asked: Asked, estimate: Estimate, sampled: "pd.DataFrame", do: Do) -> np.ndarray | None:
    """Lower and upper ends of sampled rows, their noise kept, [2, N, D]."""
    small = asked.count * sampled.size <= NUMBERS
    if not (small and asked.draws(estimate)):
        return None
    free = estimate.sample(asked.n, None, asked.seed) if do else sampled
    do = {n: sampled[n].to_numpy() if isinstance(v, Draw) else v for n, v in do.items()}
    return _quantiles(asked.drawn(estimate, "generate", estimate.noise(free), do))


def _quantiles(draws: np.ndarray) -> np.ndarray:
    """Lower and upper ends of draws [S, ...], [2, ...]."""
    return np.quantile(draws, np.array(ENDS), axis=0, method="weibull")


def _write(asked: Asked, kind: str, rows: "pd.DataFrame", ends: np.ndarray | None) -> None:
    """Writes rows, and for each node that the estimate is unsure of the ends of its interval."""
    rows = rows.reset_index(drop=True)
    if ends is not None:
        wide = np.ptp(ends, axis=0).max(0) > 0
        for j in np.flatnonzero(wide):
            rows[f"{asked.data.names[j]} (5 %)"] = ends[0][:, j]
            rows[f"{asked.data.names[j]} (95 %)"] = ends[1][:, j]
    assert asked.folder is not None  # whoever asks has looked
    path = asked.folder / f"{kind}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        rows.to_csv(temporary, index=False)
        temporary.replace(path)  # a link in the file's place is replaced, not followed
    finally:
        temporary.unlink(missing_ok=True)


def read_answers(metrics: Mapping[str, Mapping[str, Any]]) -> list[tuple[list[str], Any]]:
    """(words, number or why there is none) of a record's metrics."""
    return [
        (json.loads(name), measured.get("value", measured.get("missing")))
        for name, measured in metrics.items()
    ]
