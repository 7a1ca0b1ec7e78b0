"""`bench run --data`: every method on a user's own table."""

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

from bench.analysis.answers import (
    Answered,
    agreement,
    distances,
    doubts,
    effect_table,
    gather,
    outside,
)
from bench.analysis.outputs import write_csv, write_tables
from bench.analysis.render import render
from bench.analysis.report.own import write_own_page
from bench.analysis.results import metrics_of, read_results
from bench.analysis.summary import node_table
from bench.analysis.table import metric_table
from bench.cli.lines import shown
from bench.cli.run import order
from bench.cli.trust import TRUST_FAILED, trust
from bench.reading.do import Question
from bench.reading.edges import ORIENTATIONS
from bench.reading.missing import MISSING
from bench.registry import declared, default_methods
from bench.run.execute import OK, SOME_FAILED, Order, execute
from bench.run.fingerprint import fingerprint_of
from bench.run.records import read_records, write_text
from bench.run.shape import Record, cell_of
from bench.scm.do import Shift
from bench.suites.asked import label_of
from bench.suites.own import (
    AnswerTask,
    OwnTask,
    answer_task,
    complete_rows,
    constant_columns,
    own_task,
    parse_questions,
)
from bench.task import Dataset

SAMPLED = 10_000  # rows, where --n says nothing


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """Options of a run on one's own table."""
    part = parser.add_argument_group("a table of your own")
    part.add_argument("--data", type=Path, metavar="FILE", help="your own table, CSV or parquet")
    about = "edge list (source,target), GML, GraphML, DOT, JSON or a matrix; or its text"
    part.add_argument("--graph", metavar="FILE", help=about)
    about = "one question: x=5, y=shift:+2, z=scale:1.1, column:NAME, normal:M,SD, function:EXPR"
    part.add_argument("--do", nargs="+", action="append", default=[], metavar="X=5", help=about)
    about = "E[y | do(a=2)] - E[y | do(a=1)], as in --effect a=1,2 on=y"
    part.add_argument("--effect", nargs="+", action="append", default=[], metavar="W", help=about)
    about = "rows to sample; default: as in the table"
    part.add_argument("--n", type=int, metavar="ROWS", help=about)
    about = "bootstrap intervals from N refits to resampled rows"
    part.add_argument("--bootstrap", type=int, default=0, metavar="N", help=about)
    about = "of columns, as x=category: float, count, bool or category; found where not said"
    part.add_argument("--types", nargs="+", action="extend", default=[], metavar="X=T", help=about)
    about = "rows that lack a value: left out, filled by each method's own SCM, or refused"
    part.add_argument("--missing", choices=MISSING, default=MISSING[0], help=about)
    about = "keep columns that are in no edge"
    part.add_argument("--all-columns", action="store_true", help=about)
    about = "which way a matrix reads"
    part.add_argument("--adjacency", choices=ORIENTATIONS, default="", help=about)
    about = f"end with exit code {TRUST_FAILED} where a check of the answers fails"
    part.add_argument("--strict", action="store_true", help=about)


def run_own(options: argparse.Namespace) -> int:
    """Scores every method on held-out rows of a table, then answers about all of its rows.

    Raises:
        ValueError: a file, a graph or a question that cannot be read.
    """
    _check(options)
    options.methods = options.methods or ",".join(_competing())
    graph = str(options.graph)
    task = own_task(
        options.data,
        graph,
        options.seed,
        options.all_columns,
        options.adjacency,
        ",".join(options.types),
        options.missing,
    )
    folder = options.out or Path("results") / f"own-{options.data.stem}"
    data, n = complete_rows(task.dataset()), options.n or min(len(task.own.frame), SAMPLED)
    asked = answer_task(task, options.do, options.effect, n, options.bootstrap, folder)
    dos, effects = parse_questions(asked.questions, task.own)
    for question in dos:
        question.over(task.own.beside(question.columns), task.own.kinds)
    for line in [*task.own.notes, *_split_notes(task, data)]:
        print(shown(line))
    said = _foreseen(dos, data)
    for line in said:
        print(shown(line), file=sys.stderr)
    generator = fingerprint_of(OwnTask.__module__)
    asked_order = order(options, [task], folder, generator)
    code = execute(asked_order)
    if options.dry_run or code not in (OK, SOME_FAILED):
        return code
    records = _records(asked_order, task)
    _print_failures(records)
    _show_fit(records, task, folder)
    ended, questions = _answer(asked_order, asked, records, data, said)
    code = max(code, ended)
    trusted = trust(asked_order, task, data, records, questions, folder)
    print(f"page: {write_own_page(folder)}")
    return code if trusted or not options.strict else TRUST_FAILED


def _competing() -> list[str]:
    """The methods of a run that names none: no control says anything of a table of one's own."""
    return [m for m in default_methods() if declared(m).get("role", "baseline") == "baseline"]


def _check(options: argparse.Namespace) -> None:
    if options.graph is None:
        raise ValueError("--data needs --graph FILE, as an edge list with the header source,target")
    if options.set or options.where:
        raise ValueError("--set and --where go with --suite")
    if options.n is not None and options.n < 1:
        raise ValueError(f"--n takes 1 or more, not {options.n}")
    if options.bootstrap < 0 or options.bootstrap == 1:
        raise ValueError(f"--bootstrap takes 2 or more fits, not {options.bootstrap}")


def _split_notes(task: OwnTask, data: Dataset) -> list[str]:
    constant, mended = constant_columns(data, task.seed)
    if not constant:
        return []
    names = ", ".join(constant)
    if mended:
        return [
            f"note: {names} would be constant in the half that is fitted: another half is taken"
        ]
    return [
        f"warning: {names} is constant in the half that is fitted: nothing is learnt of what it "
        "does, and scores there say nothing of it"
    ]


def _foreseen(dos: list[Question], data: Dataset) -> list[str]:
    """Warnings about numbers and shifts outside the data, known before anything runs."""
    lines = []
    for question in dos:
        values = {}
        for node, value in question.do.items():
            column = data.rows[:, data.names.index(node)]
            if isinstance(value, float):
                values[node] = (value, value)
            elif isinstance(value, Shift):
                moved = value(column)
                values[node] = (float(moved.min()), float(moved.max()))
        lines += outside(f"do({question.text})", values, data)
    return lines


def _records(order: Order, task: OwnTask | AnswerTask) -> dict[str, Record]:
    """{method: record} of this very task, whatever else lies in the folder."""
    found = {cell_of(r["key"]): r for r in read_records(order.folder).current}
    keys = {m: {"suite": task.suite, "settings": task.settings, "method": m} for m in order.methods}
    return {m: found[cell_of(key)] for m, key in keys.items() if cell_of(key) in found}


def _print_failures(records: dict[str, Record]) -> None:
    """What did not end well, also where it was recorded by an earlier run."""
    for method, record in records.items():
        result = record["result"]
        if result["status"] != "ok":
            print(f"{method}: {result['status']}: {result['reason']}", file=sys.stderr)


def _show_fit(records: dict[str, Record], task: OwnTask, folder: Path) -> None:
    """Tables of every metric and the fit of every node, of this task only."""
    frame = read_results(folder)
    write_csv(frame, folder / "results.csv")
    frame = frame[frame["task"] == task.name]
    write_tables(frame, folder / "tables")
    fits = {m: r["result"] for m, r in records.items() if r["result"]["status"] == "ok"}
    tables = [metric_table(frame, "residual", "show")] if "residual" in metrics_of(frame) else []
    tables += [distances(fits, task.n_query)] if fits else []
    if residuals := {m: r["nodes"] for m, r in fits.items() if r["nodes"]}:
        tables.append(node_table(residuals))
    for table in tables:
        write_text(folder / "tables" / f"{table.name}.md", render(table))
        print("\n" + render(table), end="")


def _answer(
    scored: Order, task: AnswerTask, records: dict[str, Record], data: Dataset, said: list[str]
) -> tuple[int, list[Answered]]:
    """Fits all rows with what could fit half of them, as cells of a run of its own.

    Returns:
        Its exit code, and the questions with their answers.
    """
    able = {m: r for m, r in records.items() if r["result"]["status"] == "ok"}
    methods = [m for m, r in able.items() if r["result"]["role"] != "truth"]
    if not methods:
        print("no method could be fitted to half of the rows: no answers")
        return SOME_FAILED, []
    print(f"\nanswers of {', '.join(methods)}, fitted to all rows")
    folder = Path(task.folder)
    lost = [m for m in methods if not list(folder.glob(f"samples-{label_of(m)}.csv"))]
    asked = replace(
        scored,
        tasks=[task],
        methods=methods,
        folder=folder / "answers",
        generator=fingerprint_of(AnswerTask.__module__),
        force=[m for m in methods if m in {*scored.force, *lost}],
        finish=None,
    )
    code = execute(asked)
    answers = _records(asked, task)
    _print_failures(answers)
    return code, _show_answers(answers, data, folder, said)


def _show_answers(
    records: dict[str, Record], data: Dataset, folder: Path, said: list[str]
) -> list[Answered]:
    metrics = {m: r["result"]["metrics"] for m, r in records.items()}
    questions = gather(metrics, data.names)
    for k, question in enumerate(questions, 1):
        name = "effects" if len(questions) == 1 else f"effects-{k}"
        text = render(effect_table(question, data, name))
        lines = [*map(shown, [*agreement(question, data), *_missing(question)])]
        write_text(folder / "tables" / f"{name}.md", text + "\n" + "\n".join(lines) + "\n")
        print("\n" + text + "\n" + "\n".join(lines))
    for line in doubts(questions, data, said):
        print(shown(line), file=sys.stderr)
    for method in records:
        print(f"{method}: {', '.join(_files(folder, method))}")
    return questions


def _files(folder: Path, method: str) -> list[str]:
    """Names of the files of a method's rows."""
    mine = re.compile(rf"(samples|(do|counterfactual)(-\d+)?)-{re.escape(label_of(method))}\.csv")
    return sorted(path.name for path in folder.glob("*.csv") if mine.fullmatch(path.name))


def _missing(question: Answered) -> list[str]:
    return [f"{method} has no answer: {why}" for method, why in question.missing.items()]
