"""Runs: what is computed, what is not computed again, and what a folder then holds."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.metrics import METRICS
from bench.registry import find_suite, load_suite
from bench.run.cell import Cell
from bench.run.execute import known_methods
from bench.run.grid import Known
from bench.run.records import FILE, Records, drifts, read_launches, read_records
from bench.run.shape import canonical, cell_of, seal
from tests.run.running import main

GRID = ["--suite", "lorch", "--preset", "smoke", "--where", "scenario=LIN_IN,RFF_OUT"]
METHODS = "linear,marginal,truth"
MINE = '''from baselines.linear import Linear
from helper import twice


class Mine(Linear):
    """Least squares."""

    version = "1"
    factor = twice(0.5)
'''


def run(folder, *more, methods=METHODS, jobs=2, grid=GRID):
    return main([*grid, "--methods", methods, "--jobs", str(jobs), "--out", str(folder), *more])


def counts(text):
    """(done before, to run) of the first line."""
    return tuple(map(int, re.search(r"cells: (\d+) done before, (\d+) to run", text).groups()))


def results(folder):
    """The part of every record that must have equal bytes."""
    found = read_records(folder)
    assert not found.spoilt
    return {cell_of(r["key"]): canonical([r["key"], r["result"]]) for r in found.current}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    assert run(folder) == 0
    return folder


def test_every_cell_has_one_record_and_points_to_its_launch(reference):
    records = read_records(reference).current
    assert len(records) == 15 and {r["result"]["status"] for r in records} == {"ok"}
    assert {r["run"]["launch"] for r in records} == {0}
    (launch,) = read_launches(reference)
    assert launch["cells"] == {"ok": 15} and launch["jobs"] == 2 and launch["seconds"] > 0
    assert launch["command"].startswith("python -m bench run --suite lorch")
    roles = {r["key"]["method"]: r["result"]["role"] for r in records}
    assert roles == {"truth": "truth", "marginal": "reference", "linear": "baseline"}
    truth = [r["result"]["metrics"] for r in records if r["key"]["method"] == "truth"]
    assert all(metric["value"] < 1e-9 for metrics in truth for metric in metrics.values())


def test_a_record_gives_its_task_back_and_says_what_its_columns_are(reference):
    for record in read_records(reference).current:
        task = find_suite(record["key"]["suite"]).task(record["key"]["settings"])
        assert (task.name, task.scm) == (record["result"]["task"], record["result"]["scm"])
        problem = task.problem()
        mean, deviation = record["result"]["columns"]["x0"]
        rows = [*problem.data.rows[:, 0], *problem.query_rows[:, 0]]
        assert mean == pytest.approx(sum(rows) / len(rows)) and deviation > 0


def test_finished_cells_are_not_computed_again(reference, capsys):
    before = (reference / FILE).read_bytes()
    assert run(reference) == 0
    assert counts(capsys.readouterr().out) == (15, 0)
    assert (reference / FILE).read_bytes() == before
    assert len(read_launches(reference)) == 1
    run(reference, "--force", "linear", "--dry-run")
    assert "linear: 0 done before, 5 to run" in capsys.readouterr().out


def test_what_is_lost_or_spoilt_is_computed_again_to_the_same_bytes(reference, tmp_path, capsys):
    lines = (reference / FILE).read_bytes().splitlines(keepends=True)
    spoilt = lines[1].replace(b'"ok"', b'"skipped"')
    kept = lines[:1] + [spoilt] + lines[2:-2] + [lines[-2][:100]]
    (tmp_path / FILE).write_bytes(b"".join(kept))
    assert run(tmp_path, methods="truth,marginal,linear", jobs=1) == 0
    out = capsys.readouterr().out
    assert counts(out) == (12, 3) and "line 2: its sha does not match" in out
    assert results(tmp_path) == results(reference)


def test_a_failing_method_takes_nothing_down_and_is_tried_again(reference, tmp_path, capsys):
    sometimes = "tests.fake_methods.patient:Sometimes"
    assert run(tmp_path, methods=f"{sometimes},linear", jobs=1) == 2
    out = capsys.readouterr().out
    failed = [r for r in read_records(tmp_path).current if r["result"]["status"] == "error"]
    assert failed and f"{len(failed)} error" in out
    assert failed[0]["result"]["reason"] == "RuntimeError: an even number of edges"
    logs = [p for p in (tmp_path / "logs").glob("*.txt") if "Sometimes" in p.name]
    assert len(logs) == len(failed) and "Traceback" in logs[0].read_text()
    ours = {c: r for c, r in results(tmp_path).items() if '"linear"' in c}
    assert ours == {c: r for c, r in results(reference).items() if c in ours}
    run(tmp_path, "--dry-run", methods=sometimes)
    assert counts(capsys.readouterr().out) == (5 - len(failed), len(failed))
    run(tmp_path, "--dry-run", "--retry", "timeout", methods=sometimes)
    assert counts(capsys.readouterr().out) == (5, 0)


def test_a_suite_with_an_axis_of_its_own_leaves_nothing_pending(tmp_path, capsys):
    grid = ["--suite", "tests.run.strength:STRENGTH"]
    assert run(tmp_path, methods="linear,marginal", grid=grid, jobs=1) == 0
    assert counts(capsys.readouterr().out) == (0, 8)
    records = read_records(tmp_path).current
    assert len({r["result"]["task"] for r in records}) == 4
    assert {r["key"]["settings"]["strength"] for r in records} == {1.0, 10.0}
    assert run(tmp_path, methods="linear,marginal", grid=grid) == 0
    assert counts(capsys.readouterr().out) == (8, 0)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A method of one's own, with a helper beside it, computed on one problem."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.chdir(tmp_path)
    smoke = ["--suite", "lorch", "--preset", "smoke"]
    one = [*smoke, "--where", "scenario=LIN_IN", "graph_kind=er"]

    def told(*more, methods="mine:Mine,linear"):
        return run(tmp_path / "out", *more, methods=methods, grid=one, jobs=1)

    assert told() == 0
    return told


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))


def test_an_edited_method_or_helper_is_computed_again_and_nothing_else(mine, tmp_path, capsys):
    capsys.readouterr()
    for file, old, new in (
        ("mine.py", '"""Least squares."""', '"""Least squares, of mine."""  # better words'),
        ("helper.py", "def twice", "# doubles\ndef twice"),
    ):
        edit(tmp_path / file, old, new)
        mine("--dry-run")
        assert counts(capsys.readouterr().out) == (2, 0)
    edit(tmp_path / "helper.py", "2 * x", "x + x")
    mine("--dry-run")
    out = capsys.readouterr().out
    assert counts(out) == (1, 1) and "linear: 1 done before, 0 to run" in out
    assert mine() == 0
    capsys.readouterr()
    assert mine() == 0
    out = capsys.readouterr().out
    assert counts(out) == (2, 0) and "1 older record" in out
    (stale,) = [r for r in read_records(tmp_path / "out").current if r["key"]["method"] != "linear"]
    assert stale["run"]["launch"] == 1
    dirty = read_launches(tmp_path / "out")[1]["dirty"]
    assert [name for name in dirty if not Path(name).is_absolute()] == ["helper.py", "mine.py"]


def test_quiet_says_only_what_failed(tmp_path, capsys):
    raises = "tests.fake_methods.dying:Raises"
    assert run(tmp_path, "--quiet", methods=f"linear,{raises}", jobs=1) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and lines[-1].startswith("failures: 5 ok, 5 error: tracebacks in")
    assert all(line.startswith(f"error: {raises} on lorch/") for line in lines[:5])
    assert run(tmp_path, "--quiet", methods="linear") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_reader_that_leaves_as_head_does_is_no_error():
    command = [sys.executable, "-m", "bench", *GRID, "--methods", METHODS, "--dry-run"]
    command.insert(3, "run")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 130


def test_a_new_metric_computes_nothing_again_unless_asked_to(reference, capsys, monkeypatch):
    monkeypatch.setitem(METRICS, "newest", METRICS["noise"])
    run(reference, "--dry-run")
    assert counts(capsys.readouterr().out) == (15, 0)
    run(reference, "--dry-run", "--fill")
    assert counts(capsys.readouterr().out) == (0, 15)


def test_a_changed_generator_computes_all_again(reference, monkeypatch, capsys):
    monkeypatch.setattr(type(find_suite("lorch")), "generator", "another")
    run(reference, "--dry-run")
    assert counts(capsys.readouterr().out) == (0, 15)


def test_a_changed_finder_changes_what_its_own_problems_answer_to(monkeypatch):
    """And says so in the record: its source is part of `generator`."""
    graphs = {"true": {}, "inferred": {"discovery": "r2sort"}}
    cells = {
        given: Cell(
            load_suite("lorch-graph", "smoke", given=given, **more)[0], "linear", "cpu", "g"
        )
        for given, more in graphs.items()
    }
    before = {given: cell.key({})["generator"] for given, cell in cells.items()}
    assert before["true"] == "g" != before["inferred"]
    monkeypatch.setattr("bench.suites.lorch_graph.finder_module", lambda name: "baselines.dagma")
    assert cells["true"].maker == "g" and cells["inferred"].maker not in ("g", *before.values())


def test_cells_of_several_finders_are_not_older_than_one_another(tmp_path):
    words = [*("--suite", "lorch-graph", "--preset", "smoke", "--set", "scms=1", "d=4")]
    words += ["given=true,inferred", "n_context=20", "n_query=10", "--where", "graph_kind=er"]
    words += ["--methods", "marginal", "--jobs", "1", "--out", str(tmp_path), "--quiet"]
    assert main(words) == 0
    records = read_records(tmp_path)
    assert len({record["key"]["generator"] for record in records.current}) == 2
    assert records.older == []


def moved(columns, gap):
    """Columns as another make of processor may give them."""
    return {name: [mean + gap * unit, unit * (1 + gap)] for name, (mean, unit) in columns.items()}


def test_rows_that_differ_from_those_recorded_before_warn(tmp_path, capsys, reference):
    """1e-5 is the same problem; 1e-2 is told."""
    record = read_records(reference).current[0]
    columns = record["result"]["columns"]
    assert not drifts(columns, moved(columns, 1e-5))
    assert len(drifts(columns, moved(columns, 1e-2))) == 2 * 5
    result = {**record["result"], "columns": moved(columns, 1e-2)}
    line = canonical(seal(record["key"], result, record["run"]))
    (tmp_path / FILE).write_text(f"{line}\n")
    settings = record["key"]["settings"]
    where = [f"{axis}={settings[axis]}" for axis in ("scenario", "graph_kind")]
    grid = ["--suite", "lorch", "--preset", "smoke", "--where", *where]
    method = "marginal" if record["key"]["method"] != "marginal" else "linear"
    assert run(tmp_path, methods=method, grid=grid, jobs=1) == 0
    assert "warning: lorch/" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong,said",
    [
        (["--force", "nonsense"], "unknown method nonsense; the run has linear"),
        (["--methods", "lineer"], "unknown method lineer; there are"),
        (["--methods", "no.such.module:Mine"], "no module no.such.module"),
        (["--methods", "tests.made_rows:Nobody"], "module tests.made_rows has no Nobody"),
        (["--retry", "never"], "--retry takes error, timeout, oom or none"),
        (["--set", "scms=100000000"], "settings ask for more than 1,000,000 problems"),
        (["--backend", "rai"], "--backend: joblib has no rai; there are "),
        (["--env", "linear"], "--env linear is neither NAME=requirements.txt nor a .toml file"),
        (["--env", "mlp=x.txt"], "--env: unknown method mlp; the run has linear"),
        (["--env", "linear=no/such.txt"], "--env: cannot read no/such.txt"),
        (["--jobs", "0"], "--jobs takes 1 or more"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler ADDRESS goes with --backend dask"),
    ],
)
def test_what_is_unknown_is_an_error_in_one_line(wrong, said, tmp_path, capsys):
    options = [*GRID, "--methods", "linear", "--out", str(tmp_path / "new"), *wrong]
    assert main(options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "new").exists()


def test_naming_a_method_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text("raise SystemExit(3)\nclass Loud: ...\n")
    monkeypatch.chdir(tmp_path)
    assert known_methods(["loud:Loud", "linear", "linear"]) == ["loud:Loud", "linear"]


def test_pending_cells_of_a_large_grid_are_told_at_once(tmp_path, reference):
    """2,000 cells, half of them recorded: no problem is made, no method imported."""
    tasks = load_suite("lorch", "paper", d=[10], n_context=list(range(50, 450, 50)), scms=5)
    generator = find_suite("lorch").generator
    methods = ("linear", "marginal", "truth", "mlp", "gp")
    cells = [Cell(t, m, "cpu", generator) for t in tasks for m in methods][:2000]
    assert len(cells) == 2000
    like = read_records(reference).current[0]
    known = Known(Records(), "told")
    lines = []
    for cell in cells[::2]:
        source = known._source(cell.method)
        key = cell.key({"version": "1", "source": source})
        result = like["result"] | {"task": cell.task.name}
        lines.append(canonical(seal(key, result, like["run"])))
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    started = time.process_time()
    left = Known(read_records(tmp_path), "told").pending(cells)
    assert len(left) == 1000 and time.process_time() - started < 1.2


def test_a_run_says_how_its_sources_differ_from_their_commit(reference):
    launch = read_launches(reference)[0]
    assert all(isinstance(path, str) for path in launch["dirty"])
    assert not [path for path in launch["dirty"] if Path(path).name.startswith("test_")]
    assert json.loads((reference / "run.json").read_text())["launches"] == [launch]
