"""What an estimate answers to do() and to effects, with intervals; rows go to files.

Letters: N rows, D nodes, S SCMs that the data allow (draws of the estimate or bootstrap fits).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reading.do import Effect
from bench.scm.do import Do, Draw
from bench.suites.asked import NUMBERS, Asked, Estimate, name_of
from bench.suites.curves import curves, write_curves
from bench.suites.outcomes import Outcome, outcomes
from bench.suites.pooling import pool
from bench.suites.written import write_progress, write_rows
from bench.task import as_frame

if TYPE_CHECKING:
    import pandas as pd

VERSION = "1"
LEVEL = 0.9
ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
STEPS = 40  # of a progress bar
Measured = dict[str, dict[str, Any]]


def answer(asked: Asked, estimate: Estimate) -> Measured:
    """Effects of every question as named numbers, and the files of rows beside them.

    Where values are missing every imputation is asked, and the answers are pooled; the files are of
    the first.
    """
    told, shape = [], asked.data.rows.shape
    for k in range(estimate.imputations):
        one = estimate.at(k)
        data = replace(asked.data, rows=one.completed(shape[0]))
        told.append(_answer(replace(asked, data=data, folder=None if k else asked.folder), one))
    return pool(told, LEVEL) if told else _answer(asked, estimate)


def _answer(asked: Asked, estimate: Estimate) -> Measured:
    told: Measured = {}
    for done in _steps(asked.bootstrap):
        estimate.prepare(done, asked.seed, asked.bootstrap)
        if asked.folder is not None:
            write_progress(asked.folder / "answers", estimate.label, done, asked.bootstrap)
    if asked.folder is not None:
        _samples(asked, estimate)
        found = curves(asked, estimate, ENDS)
        write_curves(asked.folder / "answers", estimate.label, found)
    for k, (text, do) in enumerate(asked.dos):
        _or_missing(told, ["do", text], lambda k=k, do=do: _under(asked, estimate, k, do))
    for effect in asked.effects:
        _or_missing(told, ["effect", effect.text], lambda e=effect: _between(asked, estimate, e))
    return told or {name_of("rows"): {"version": VERSION, "value": float(asked.n)}}


def _steps(count: int) -> list[int]:
    """Numbers of fits after which it is said how many are done."""
    return sorted({-(-count * k // STEPS) for k in range(1, STEPS + 1)} - {0})


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
    data, drawing = asked.data, do
    rows = as_frame(data.rows, data.names)
    do = _settled(asked, do, len(rows))
    done = estimate.counterfactual(rows, do).to_numpy(dtype=float)
    told: dict[tuple, float] = {}
    for node in do:
        values = done[:, data.names.index(node)]
        told |= {(node, "set to at least"): values.min(), (node, "set to at most"): values.max()}
    drawn = _drawn(asked, estimate, rows, do)
    for outcome in outcomes(data, asked.below(list(do))):
        told |= _effect(asked, outcome, data.rows, done, drawn and (drawn[0], None, drawn[1]))
    _write_under(asked, estimate, k, drawing, done, drawn)
    return told


def _settled(asked: Asked, do: Do, n: int) -> Do:
    """A do() whose draws are values a row."""
    return {name: _rows_of(asked, name, v, n) for name, v in do.items()}


def _rows_of(asked: Asked, name: str, value: Any, n: int) -> Any:
    if not isinstance(value, Draw):
        return value
    j = asked.data.names.index(name)
    drawn = value.rows(n, np.random.default_rng([asked.seed, j]))
    return asked.data.columns[j].keep(drawn) if asked.data.columns else drawn


def _between(asked: Asked, estimate: Estimate, effect: Effect) -> dict[tuple, float]:
    """E[y | do(a = high)] - E[y | do(a = low)]."""
    data = asked.data
    rows, j = as_frame(data.rows, data.names), data.names.index(effect.outcome)
    ends = [{effect.cause: effect.low}, {effect.cause: effect.high}]
    low, high = (estimate.counterfactual(rows, do).to_numpy(dtype=float) for do in ends)
    a, b = (_drawn(asked, estimate, rows, do) for do in ends)
    told = {(effect.cause, "set to at least"): min(effect.low, effect.high)}
    told[effect.cause, "set to at most"] = max(effect.low, effect.high)
    for outcome in outcomes(data, [j]):
        told |= _effect(asked, outcome, low, high, a and b and (a[0], a[1], b[1]))
    return told


def _effect(
    asked: Asked,
    outcome: Outcome,
    low: np.ndarray,
    high: np.ndarray,
    drawn: tuple[np.ndarray, np.ndarray | None, np.ndarray] | None,
) -> dict[tuple, float]:
    """Mean, effect and interval of one outcome.

    Args:
        low, high: rows that are compared, [N, D]. drawn: numbers of the rows that were kept, and
            their values by each draw in place of low (None: they are low's own) and high [S, M, D].
    """
    name, there = outcome.name, outcome.of(high[:, outcome.j])
    here = there - outcome.of(low[:, outcome.j])
    told = {(name, "effect"): float(here.mean()), (name, "mean under do"): float(there.mean())}
    if drawn:
        kept, a, b = drawn
        before = outcome.of(low[kept, outcome.j] if a is None else a[..., outcome.j])
        off = outcome.of(b[..., outcome.j]) - before - here[kept]
        ends = _quantiles(_error(asked, outcome, here, off))
        told |= {(name, "low"): here.mean() + ends[0], (name, "high"): here.mean() + ends[1]}
    return told


def _error(asked: Asked, outcome: Outcome, here: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Draws of the error of a mean effect, [S]: of F, and of which rows there are.

    Args:
        here: effect of each row, [N]. off: error of some rows' effects by each draw, [S, M].
    """
    rng = np.random.default_rng([asked.seed, 7, outcome.j, outcome.level or 0])
    spread = here.std(ddof=1) / len(here) ** 0.5
    return off.mean(1) + spread * rng.standard_normal(len(off))


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
    more = f"{f'-{k + 1}' if k else ''}-{estimate.label}"
    whole = drawn is not None and len(drawn[0]) == len(done)
    ends = _quantiles(drawn[1]) if drawn is not None and whole else None
    rows = as_frame(done, asked.data.names)
    _write(asked, f"counterfactual{more}", rows, ends)
    if any(np.ndim(value) for value in do.values()):
        _write(asked, f"do{more}", rows, ends)
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
    assert asked.folder is not None  # whoever asks has looked
    write_rows(asked.data, asked.folder / f"{kind}.csv", rows, ends)


def read_answers(metrics: Mapping[str, Mapping[str, Any]]) -> list[tuple[list[str], Any]]:
    """(words, number or why there is none) of a record's metrics."""
    return [
        (json.loads(name), measured.get("value", measured.get("missing")))
        for name, measured in metrics.items()
    ]
