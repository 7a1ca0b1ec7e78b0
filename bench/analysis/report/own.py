"""The page of a table of one's own: what was asked, what the methods say, and how well they fit."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.answers import Answered, agreement, doubts, effect_table, gather
from bench.analysis.plots import own as pictures
from bench.analysis.report import svg, template
from bench.analysis.trust import read_trust, trust_lines, trust_table
from bench.run.records import read_launches, read_records, write_text
from bench.run.shape import FAILED, Record
from bench.suites.asked import label_of
from bench.suites.curves import read_curves
from bench.suites.own import OwnTask, complete_rows
from bench.task import Dataset

ROWS = 5000
POOR, FAIR = 0.98, 0.8  # residuals, in deviations, above which a fit is none, or weak


def is_own(folder: Path) -> bool:
    """Whether a run's folder is of a table of one's own."""
    return any(record["key"]["suite"] == "own" for record in read_records(folder).current)


def write_own_page(folder: Path) -> Path:
    """Writes report.html into the folder of a run on one's own table.

    Raises:
        ValueError: no such run there, or the table is no longer what it was.
    """
    path = folder / "report.html"
    write_text(path, own_page(folder))
    return path


def own_page(folder: Path) -> str:
    """The page as text; see `write_own_page`."""
    scored = [r for r in read_records(folder).current if r["key"]["suite"] == "own"]
    if not scored:
        raise ValueError(f"{folder} has no run on a table of one's own")
    settings = scored[-1]["key"]["settings"]
    fits = {r["key"]["method"]: r for r in scored if r["key"]["settings"] == settings}
    task = OwnTask(suite="own", **settings)
    answered = _answers(folder, settings)
    data = complete_rows(task.dataset())
    questions = gather({m: r["result"]["metrics"] for m, r in answered}, data.names)
    methods = sorted((m for m, _ in answered), key=lambda m: _misfit(fits.get(m))) or [*fits]
    checks, judged = read_trust(folder, task.name)
    return template("own.html").render(
        title=Path(task.table).stem,
        trust=trust_table(checks, judged) if checks else None,
        verdict=trust_lines(checks, judged) if checks else [],
        facts=_facts(folder, task, data, fits),
        questions=[_question(q, k, data, folder, methods) for k, q in enumerate(questions)],
        graph=None if questions else svg(pictures.draw_graph(data, None, "")),
        warnings=doubts(questions, data, []),
        mechanisms=_svg(
            pictures.draw_mechanisms(data, {m: read_curves(folder / "answers", m) for m in methods})
        ),
        nodes=fit_in_words(fits, data),
        draws=_svg(
            pictures.draw_distributions(data, _rows(folder, "samples", methods), data.names, "")
        ),
        failures=[r for r in [*fits.values(), *(r for _, r in answered)] if _failed(r)],
    )


def _answers(folder: Path, settings: Mapping[str, Any]) -> list[tuple[str, Record]]:
    """(method, record) of the questions that were asked last about this very table."""
    found = [
        r
        for r in read_records(folder / "answers").current
        if r["key"]["settings"].get("data") == settings["data"]
        and r["key"]["settings"].get("seed") == settings["seed"]
    ]
    last = found[-1]["key"]["settings"] if found else None
    return [(r["key"]["method"], r) for r in found if r["key"]["settings"] == last]


def _failed(record: Record) -> bool:
    return record["result"]["status"] in (*FAILED, "skipped")


def _svg(figure: Any) -> str | None:
    return None if figure is None else svg(figure)


def _facts(
    folder: Path, task: OwnTask, data: Dataset, fits: Mapping[str, Record]
) -> list[tuple[str, str]]:
    launches = read_launches(folder)
    command = launches[-1].get("command", "") if launches else ""
    return [
        ("table", f"{task.table}: {len(task.own.frame)} rows x {len(data.names)} columns"),
        ("graph", f"{task.graph[:200]}: {int(data.adjacency.sum())} edges"),
        ("methods", ", ".join(fits)),
        ("command", command),
        *[("note", note) for note in task.own.notes],
    ]


def _question(
    question: Answered, k: int, data: Dataset, folder: Path, methods: Sequence[str]
) -> dict[str, Any]:
    """All that is shown of one question."""
    best = shown_method(question, methods)
    number = k + 1
    kind = "do" if number == 1 else f"do-{number}"
    rows = _rows(folder, kind, methods) if question.kind == "do" else {}
    return {
        "title": question.title,
        "table": effect_table(question, data, question.title),
        "lines": agreement(question, data),
        "missing": list(question.missing.items()),
        "graph": svg(pictures.draw_graph(data, question, best)),
        "method": best,
        "observed": _svg(
            pictures.draw_distributions(
                data, rows, _nodes_of(question, data), f" under {question.title}"
            )
        ),
    }


def _nodes_of(question: Answered, data: Dataset) -> list[str]:
    """The nodes that answer, a category once."""
    named = {str(name).rpartition("=")[0] for name in question.nodes} | {*question.nodes}
    return [name for name in data.names if name in named]


def shown_method(question: Answered, methods: Sequence[str]) -> str:
    """Whose effects the graph shows: the best fit of those that know an interval, else of all."""
    answering = [m for m in methods if any(m in told for told in question.nodes.values())]
    known = [
        m
        for m in answering
        if any(math.isfinite(told[m].low) for told in question.nodes.values() if m in told)
    ]
    return next(iter([*known, *answering]), "")


def _misfit(record: Record | None) -> float:
    """Mean over nodes of what a method leaves of held-out rows."""
    nodes = record["result"]["nodes"] if record else {}
    return sum(nodes.values()) / len(nodes) if nodes else math.inf


def _rows(folder: Path, kind: str, methods: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The files of rows that there are."""
    found = {}
    for method in methods:
        path = folder / f"{kind}-{label_of(method)}.csv"
        if path.is_file():
            found[method] = pd.read_csv(path, nrows=ROWS)
    return found


def fit_in_words(fits: Mapping[str, Record], data: Dataset) -> list[tuple[str, str]]:
    """(node, what its parents tell of it), by the share of held-out variance that F explains."""
    told = []
    residuals = {m: r["result"]["nodes"] for m, r in fits.items() if r["result"]["nodes"]}
    roles = {m: r["result"]["role"] for m, r in fits.items()}
    for j, name in enumerate(data.names):
        parents = [str(data.names[i]) for i in data.adjacency[:, j].nonzero()[0]]
        mine = {m: nodes[name] for m, nodes in residuals.items() if name in nodes}
        mine = {m: v for m, v in mine.items() if roles[m] == "baseline"}
        if not parents:
            told.append((str(name), "has no parents here: nothing explains it"))
        elif mine:
            told.append((str(name), _fit(mine, parents)))
    return told


def _fit(residuals: Mapping[str, float], parents: Sequence[str]) -> str:
    best = min(residuals, key=residuals.__getitem__)
    who = ", ".join(parents)
    if residuals[best] > POOR:
        return f"is not explained by {who}: no method beats its mean on held-out rows"
    much = "little of it, " if residuals[best] > FAIR else ""
    others = [f"{m} {_percent(v)}" for m, v in residuals.items() if m != best]
    more = f" ({', '.join(others)})" if others else ""
    verb = "explain" if len(parents) > 1 else "explains"
    said = f"{much}{_percent(residuals[best])} of its variance on held-out rows"
    return f"{who} {verb} {said}, by {best}{more}"


def _percent(residual: float) -> str:
    """Share of the variance that leaves so much of a deviation."""
    return f"{100 * max(1 - residual**2, 0.0):.3g} %"
