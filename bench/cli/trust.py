"""Trust in the answers about a table of one's own, as a part of the run."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.answers import Answered
from bench.analysis.render import render
from bench.analysis.trust import check_all, failed, trust_lines, trust_table, write_trust
from bench.cli.lines import shown
from bench.run.environment import one_thread
from bench.run.execute import Order, execute
from bench.run.fingerprint import fingerprint_of
from bench.run.records import read_records, write_text
from bench.run.shape import Record
from bench.suites.asked import label_of
from bench.suites.held import Held, HeldTask, held_path, held_tasks, read_held
from bench.suites.own import OwnTask, split
from bench.task import Dataset

TRUST_FAILED = 3  # exit code


def trust(
    order: Order,
    task: OwnTask,
    data: Dataset,
    fits: Mapping[str, Record],
    questions: Sequence[Answered],
    folder: Path,
) -> bool:
    """Asks the best fit about rows that it was not fitted to, and prints what to believe.

    Args:
        order: of the scored run. data: complete rows. fits: {method: record} of the scored run.
        questions: with their answers. folder: of the run.

    Returns:
        Whether no check failed.
    """
    method, halves = judged(fits), split(data.rows, task.seed)
    held = _held(order, task, data, method, folder) if method else None
    rows = _rows_under(questions, folder, method)
    with one_thread():  # many small systems: more threads would wait for each other
        checks = check_all(data, halves, held, questions, rows, task.seed)
    write_trust(checks, folder, task.name, method)
    text = render(trust_table(checks, method))
    write_text(folder / "tables" / "trust.md", text)
    print("\n" + text)
    for line in trust_lines(checks, method):
        print(shown(line), file=sys.stderr if failed(checks) else sys.stdout)
    return not failed(checks)


def judged(fits: Mapping[str, Record]) -> str:
    """The method that leaves least of held-out rows, "" where none could be fitted."""
    able = {m: r["result"] for m, r in fits.items() if r["result"]["status"] == "ok"}
    able = {m: r for m, r in able.items() if r["role"] == "baseline"}
    left = {m: r["metrics"].get("residual", {}).get("value", np.inf) for m, r in able.items()}
    return min(left, key=left.__getitem__) if left else ""


def _held(order: Order, task: OwnTask, data: Dataset, method: str, folder: Path) -> Held | None:
    """What the method leaves of each half, the other one fitted; None where it failed."""
    second = split(data.rows, task.seed)[1]
    folds = (0, 1) if np.ptp(data.rows[second], axis=0).all() else (0,)
    inside = folder / "trust"
    tasks = held_tasks(task, inside, folds)
    lost = any(not held_path(inside, method, fold).is_file() for fold in folds)
    print(f"\ntrust: {method}, fitted to each half in turn")
    execute(
        replace(
            order,
            tasks=tasks,
            methods=[method],
            folder=inside,
            generator=fingerprint_of(HeldTask.__module__),
            force=[method] if lost or method in order.force else [],
            finish=None,
        )
    )
    found = [r for r in read_records(inside).current if r["key"]["method"] == method]
    settings = [t.settings for t in tasks]
    ended = [r["result"] for r in found if r["key"]["settings"] in settings]
    for result in ended:
        if result["status"] != "ok":
            print(f"{method}: {result['status']}: {result['reason']}", file=sys.stderr)
    try:
        return read_held(inside, method, folds)
    except OSError:
        return None


def _rows_under(
    questions: Sequence[Answered], folder: Path, method: str
) -> dict[str, pd.DataFrame]:
    """{title: these very rows under do} of the questions that have a file of them."""
    found = {}
    for k, question in enumerate(q for q in questions if q.kind == "do"):
        more = f"-{k + 1}" if k else ""
        path = folder / f"counterfactual{more}-{label_of(method)}.csv"
        if path.is_file() and method not in question.missing:
            found[question.title] = pd.read_csv(path)
    return found
