"""Whether the rows tell of what was asked: values hardly seen, and who disagrees there."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.analysis.answers import Answered, differences
from bench.analysis.trust.check import FAILS, OK, Check
from bench.scm.support import Range
from bench.task import Dataset

RARE = 0.01  # share of rows at a value or beyond it, below which it counts as outside
OUTSIDE = 0.05  # share of rows under do with a parent out of range, above which an answer fails


def check_values(question: Answered, data: Dataset) -> list[Check]:
    """Rows with a value as extreme as the one that a node is set to, the fewer of both ends."""
    checks = []
    for node, (low, high) in question.values.items():
        j = data.names.index(node)
        column = data.rows[:, j]
        if j in data.discrete:
            share = min(float((column == value).mean()) for value in (low, high))
            words = f"{node} is set to what {100 * share:.2g} % of rows have"
        else:
            ends = [np.mean(column >= high), np.mean(column <= low)]
            share = float(min(ends))
            far = max(high - column.mean(), column.mean() - low) / column.std(ddof=1)
            words = f"{100 * share:.2g} % of rows have {node} as far out, {far:.2g} deviations"
        if low != high and j not in data.discrete:
            continue  # rows of their own: see `check_moved`
        checks.append(_answer(question, data, words, share, share < RARE))
    return checks


def check_moved(question: Answered, data: Dataset, rows: pd.DataFrame | None) -> list[Check]:
    """Rows under do with some value that moved beyond the range of the table.

    Args:
        rows: these very rows under do, in codes or numbers; None: there are none.
    """
    if rows is None:
        return []
    numbers = [j for j in range(len(data.names)) if j not in data.discrete]
    values = rows[[str(data.names[j]) for j in numbers]].to_numpy(dtype=float)
    gap = Range.of(data.rows[:, numbers]).gap(values)
    share = float((gap > 0).any(1).mean())
    words = f"{100 * share:.3g} % of rows are outside the table under do"
    if share:
        words += (
            f", {data.names[numbers[int(gap.max(0).argmax())]]} by up to {gap.max():.2g} deviations"
        )
    return [_answer(question, data, words, share, share > OUTSIDE)]


def _answer(question: Answered, data: Dataset, words: str, share: float, fails: bool) -> Check:
    if fails:
        words += ": answers there are extrapolation"
        if told := differences(question, data):
            words += f"; {told}"
    return Check("answer", question.title, words, share, result=FAILS if fails else OK)


def check_answers(
    questions: Sequence[Answered], data: Dataset, rows: Mapping[str, pd.DataFrame]
) -> list[Check]:
    """Both checks of each question that was asked.

    Args:
        rows: {title of a question: these very rows under it}.
    """
    checks = []
    for question in questions:
        checks += check_values(question, data)
        checks += check_moved(question, data, rows.get(question.title))
    return checks
