"""Cells, records and resume."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bench.analysis.table import paper_table, read_results
from bench.cli.parser import main
from bench.registry import load_suite
from bench.run.cell import Cell, run_cell
from bench.run.records import COLUMNS, read_record, read_records

GRID = [
    "run",
    "--suite",
    "lorch",
    "--preset",
    "smoke",
    "--where",
    "scenario=LIN_IN,RFF_OUT",
    "--quiet",
]
METHODS = "linear,marginal,gp"


def run(folder, *more, methods=METHODS, jobs=1):
    options = ["--methods", methods, "--jobs", str(jobs), "--out", str(folder), *more]
    return main([*GRID, *options])


def results(folder):
    """The part of every record that must have equal bytes."""
    return {
        path.name: json.dumps(read_record(path)["result"], sort_keys=True)
        for path in (folder / "records").glob("*.json")
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    assert run(folder) == 0
    return folder


def test_every_cell_has_one_record_with_its_columns(reference):
    records = read_records(reference)
    assert len(records) == 15
    assert {r["result"]["status"] for r in records} == {"ok"}
    frame = read_results(reference)
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 15 * 4


def test_workers_and_order_do_not_change_a_byte(reference, tmp_path):
    assert run(tmp_path, methods="gp,marginal,linear", jobs=2) == 0
    assert results(tmp_path) == results(reference)


def test_a_cell_alone_gives_the_same_bytes(reference, tmp_path):
    run(tmp_path, "--where", "graph_kind=sf_in", methods="gp")
    ((name, alone),) = results(tmp_path).items()
    assert alone == results(reference)[name]


def test_finished_cells_are_not_run_again(reference, capsys):
    before = {p: p.stat().st_mtime_ns for p in (reference / "records").glob("*.json")}
    assert run(reference) == 0
    assert "15 done before, 0 to run" in capsys.readouterr().out
    assert before == {p: p.stat().st_mtime_ns for p in (reference / "records").glob("*.json")}
    run(reference, "--force", "linear", "--dry-run")
    assert "linear: 0 done before, 5 to run" in capsys.readouterr().out


def test_lost_and_damaged_records_are_run_again(reference, tmp_path, capsys):
    run(tmp_path)
    paths = sorted((tmp_path / "records").glob("*.json"))
    paths[0].unlink()
    paths[1].write_text(paths[1].read_text()[:100])
    capsys.readouterr()
    assert run(tmp_path) == 0
    assert "13 done before, 2 to run" in capsys.readouterr().out
    assert results(tmp_path) == results(reference)


def test_a_killed_run_resumes_to_the_same_records(reference, tmp_path):
    command = [sys.executable, "-m", "bench", *GRID, "--methods", METHODS, "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(list((tmp_path / "records").glob("*.json"))) < 4:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(read_records(tmp_path)) >= 4
    assert run(tmp_path) == 0
    assert results(tmp_path) == results(reference)


def test_a_failing_method_takes_nothing_down(reference, tmp_path, capsys):
    raising = "tests.odd_methods:Raises"
    assert run(tmp_path, methods=f"{raising},linear,marginal,gp", jobs=2) == 2
    out = capsys.readouterr().out
    assert "10 failed" not in out and "5 error" in out
    failed = [r for r in read_records(tmp_path) if r["result"]["status"] == "error"]
    assert len(failed) == 5
    assert failed[0]["result"]["reason"] == "RuntimeError: out of ideas"
    logs = list((tmp_path / "logs").glob("*.txt"))
    assert len(logs) == 5 and "out of ideas" in logs[0].read_text()
    others = {n: r for n, r in results(tmp_path).items() if "Raises" not in n}
    assert others == results(reference)


def test_failures_are_tried_again_unless_told_otherwise(tmp_path, capsys):
    raising = "tests.odd_methods:Raises"
    run(tmp_path, methods=raising)
    capsys.readouterr()
    run(tmp_path, "--dry-run", methods=raising)
    assert "0 done before, 5 to run" in capsys.readouterr().out
    run(tmp_path, "--dry-run", "--retry", "timeout", methods=raising)
    assert "5 done before, 0 to run" in capsys.readouterr().out


def test_skipping_is_a_result(tmp_path):
    code = run(tmp_path, "--set", "n_context=4", methods="linear,gp,marginal")
    assert code == 0
    skipped = [r["result"] for r in read_records(tmp_path) if r["result"]["status"] == "skipped"]
    assert {r["method"] for r in skipped} == {"linear", "gp"}
    assert all("rows" in r["reason"] for r in skipped)


def test_unequal_sets_are_refused_or_shown(tmp_path):
    sometimes = "tests.odd_methods:Sometimes"
    assert run(tmp_path, methods=f"linear,{sometimes}") == 2
    frame = read_results(tmp_path)
    with pytest.raises(ValueError, match="unequal sets"):
        paper_table(frame, "noise")
    assert main(["table", str(tmp_path)]) == 1
    rows = paper_table(frame, "noise", "show").rows
    shown = next(row for row in rows if row[1] == sometimes)
    assert [cell.text()[-4:] for cell in shown[2:]] == [" 2/3", " 1/2"]
    common = paper_table(frame, "noise", "common").rows
    assert {cell.n for row in common for cell in row[2:] if not isinstance(cell, str)} == {1, 2}


def test_keys_change_with_what_matters_only():
    tasks = load_suite("lorch", "smoke")
    keys = [Cell(task, "linear").key() for task in tasks]
    assert len({json.dumps(key) for key in keys}) == len(tasks)
    assert Cell(tasks[0], "linear").key() == keys[0]
    foreign = Cell(tasks[0], "tests.odd_methods:Raises").key()
    assert len(foreign["source"]) == 64 and keys[0]["source"] == ""


def test_a_problem_that_cannot_be_made_ends_in_errors(tmp_path):
    from bench.task import Task

    record = run_cell(Cell(Task("lorch", "LIN_IN"), "linear"), tmp_path)
    assert record["result"]["status"] == "error"
    assert record["result"]["reason"].startswith("NotImplementedError")
