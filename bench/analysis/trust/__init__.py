"""Whether to trust answers about a table of one's own: every check, in words and numbers."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.answers import Answered
from bench.analysis.table import Entry, Table
from bench.analysis.trust.asked import check_answers
from bench.analysis.trust.check import FAILS, LEVEL, OK, UNTESTABLE, Check, judge, untestable
from bench.analysis.trust.fit import (
    check_constant,
    check_coverage,
    check_explained,
    check_noise,
    check_rows,
    check_support,
    hidden,
)
from bench.analysis.trust.graph import check_directions, check_graph
from bench.suites.held import Held
from bench.task import Dataset

FILE = "trust.csv"
FEWEST = 20  # held-out rows, below which nothing is tested
SHOWN = 40  # lines of what passed

Halves = tuple[np.ndarray, np.ndarray]


def check_all(
    data: Dataset,
    halves: Halves,
    held: Held | None,
    questions: Sequence[Answered] = (),
    rows: Mapping[str, pd.DataFrame] | None = None,
    seed: int = 0,
) -> list[Check]:
    """Every check of a table, a graph, an estimate and its answers, judged together.

    Args:
        data: complete rows and the graph. halves: numbers of the rows that are fitted, and of the
            others. held: what the estimate leaves of each half, None: it could not be asked.
        questions, rows: see `check_answers`. seed: of the permuted graphs.
    """
    checks = [*check_rows(data, len(halves[0])), *check_constant(data, halves[0])]
    checks += check_support(data, halves)
    if len(data.rows) < 2 * FEWEST:
        checks.append(untestable("independences", "graph", f"{len(data.rows)} rows"))
    else:
        checks += check_graph(data, seed) + check_directions(data)
    if held is None or len(held.rows) < FEWEST:
        checks.append(untestable("noise", "graph", "no estimate was asked about held-out rows"))
    else:
        checks += check_explained(data, held, halves) + check_coverage(data, held)
        checks += check_noise(data, held)
    checks += hidden(data)
    return judge([*checks, *check_answers(questions, data, rows or {})])


def failed(checks: Sequence[Check]) -> list[Check]:
    """The checks whose result is that something fails."""
    return [check for check in checks if check.result == FAILS]


def trust_table(checks: Sequence[Check], method: str) -> Table:
    """What fails, what cannot be told, and of what passed the least sure of each kind and node."""
    caption = (
        f"Checks of the table, the graph and {method or 'no method'}, on rows that were not "
        f"fitted. p: corrected for the number of tests, for {LEVEL:.0%} over all of them. "
        f"All checks: {FILE}."
    ).replace("%", " %")
    header = ["check", "of", "result", "number", "p", "in words"]
    shown = [*failed(checks), *(c for c in checks if c.result == UNTESTABLE), *_least_sure(checks)]
    rows: list[list[str | Entry]] = [
        [c.kind, c.of, c.result.upper() if c.result == FAILS else c.result, *_numbers(c), c.says]
        for c in shown
    ]
    return Table("trust", caption, header, rows)


def _numbers(check: Check) -> list[str]:
    same = math.isnan(check.value) or not math.isnan(check.p)
    p = "-" if math.isnan(check.p) else f"{check.p:.2g}"
    return ["-" if same else f"{check.value:.3g}", p]


def _least_sure(checks: Sequence[Check]) -> list[Check]:
    """Of what passed: tests by the least p of each kind, the rest as they are."""
    passed = [check for check in checks if check.result == OK]
    tests: dict[str, Check] = {}
    for check in (c for c in passed if not math.isnan(c.p)):
        kept = tests.get(check.kind)
        tests[check.kind] = check if kept is None or check.p < kept.p else kept
    return [*(c for c in passed if math.isnan(c.p)), *tests.values()][:SHOWN]


def trust_lines(checks: Sequence[Check], method: str) -> list[str]:
    """The verdict and what is behind it, in sentences."""
    bad = failed(checks)
    told = sum(check.result == OK for check in checks)
    open_ones = sum(check.result == UNTESTABLE for check in checks)
    counts = f"{len(bad)} of {len(checks) - open_ones} checks fail, {open_ones} cannot be told"
    verdict = "DOUBT" if bad else "no check speaks against"
    lines = [f"trust: {verdict} {f'the answers of {method}' if method else 'the graph'}: {counts}"]
    return (
        lines + [f"trust: {c.of}: {c.kind}: {c.says}{_p(c)}" for c in bad] if told or bad else lines
    )


def _p(check: Check) -> str:
    return "" if math.isnan(check.p) else f" (p = {check.p:.2g})"


def write_trust(checks: Sequence[Check], folder: Path, task: str, method: str) -> None:
    """Writes every check into trust.csv."""
    frame = pd.DataFrame([vars(check) for check in checks])
    frame["method"], frame["task"] = method, task
    frame.to_csv(folder / FILE, index=False)


def read_trust(folder: Path, task: str) -> tuple[list[Check], str]:
    """The checks of a task and the method that they judge; none where none were made."""
    try:
        frame = pd.read_csv(folder / FILE, keep_default_na=False, dtype=str)
    except (OSError, ValueError):
        return [], ""
    frame = frame[frame["task"] == task]
    checks = [
        Check(kind, of, says, float(value or "nan"), float(p or "nan"), result)
        for kind, of, says, value, p, result in zip(
            *(frame[name] for name in ("kind", "of", "says", "value", "p", "result")), strict=True
        )
    ]
    return checks, frame["method"].iloc[0] if len(frame) else ""
