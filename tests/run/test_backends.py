"""Engines and grids: whoever carries a cell, in whatever order, however often, gives one record."""

import json
import os
import pickle
import shutil
import signal
import tempfile
from functools import partial
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli.parser import main
from bench.registry import load_suite
from bench.run.backends import dask, loky
from bench.run.cell import Cell, compute
from bench.run.grid import complete, pending, run_cells
from bench.run.records import FAILED, fingerprint, read_record
from bench.run.schedule import Expectations, longest_first
from bench.run.supervisor import Answer
from bench.run.units import duration, seconds, size

TASKS = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind=["er", "sf_in"])
METHODS = ("marginal", "linear", "tests.odd_methods:Sometimes")
CELLS = [Cell(task, method) for task in TASKS for method in METHODS]


def results(folder):
    found = (read_record(path) for path in sorted((folder / "records").glob("*.json")))
    return {r["sha"]["key"]: json.dumps(r["result"], sort_keys=True) for r in found}


def inline(jobs):
    """The smallest engine: this very process."""
    for job in jobs:
        record, log = compute(pickle.loads(job.payload))
        yield Answer(job.index, record, log=log)


def run_all(folder, engine, cells=CELLS):
    return [record for _, record in run_cells(cells, folder, engine)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inline")
    run_all(folder, inline)
    return results(folder)


def test_loky_gives_the_bytes_of_this_process(reference, tmp_path):
    run_all(tmp_path, lambda jobs: loky(jobs, 1), CELLS[::-1])
    assert results(tmp_path) == reference


@pytest.mark.slow
def test_loky_goes_on_when_one_of_its_workers_is_killed(reference, tmp_path):
    for done, _ in enumerate(run_cells(CELLS, tmp_path, lambda jobs: loky(jobs, 2))):
        if done == 0:
            workers = [p for p in psutil.Process().children() if "loky" in " ".join(p.cmdline())]
            assert workers
            workers[0].kill()
    assert results(tmp_path) == reference


@pytest.mark.slow
def test_dask_gives_the_bytes_of_loky_though_a_worker_is_killed(reference, tmp_path):
    """Two worker processes; one is killed in mid-run and not replaced."""
    distributed = pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    cluster = distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "dask")
    )
    with cluster:
        victim = next(iter(cluster.workers.values())).pid
        engine = partial(dask, workers=2, scheduler=cluster.scheduler_address)
        for done, _ in enumerate(run_cells(CELLS, tmp_path, engine)):
            if done == 0:
                os.kill(victim, signal.SIGKILL)
    assert results(tmp_path) == reference


@pytest.mark.slow
def test_dask_starts_a_cluster_of_its_own(reference, tmp_path):
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    grid = ["run", "--suite", "lorch", "--preset", "smoke", "--quiet", "--backend", "dask"]
    where = ["--where", "scenario=LIN_IN", "graph_kind=er,sf_in", "--methods", ",".join(METHODS)]
    assert main([*grid, *where, "--jobs", "2", "--out", str(tmp_path)]) == 2
    assert results(tmp_path) == reference


def test_no_scheduler_is_one_line(tmp_path, capsys):
    grid = ["run", "--suite", "lorch", "--preset", "smoke", "--out", str(tmp_path), "--quiet"]
    assert main([*grid, "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "--scheduler goes with --backend dask" in capsys.readouterr().err


@settings(max_examples=8, deadline=None)
@given(st.permutations(METHODS), st.permutations(["er", "sf_in", "sf_out"]), st.integers(1, 3))
def test_cells_and_keys_do_not_depend_on_the_order_of_arguments(methods, kinds, scms):
    def keys(methods, kinds):
        tasks = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind=kinds, scms=scms)
        cells = [Cell(task, method) for task in tasks for method in methods]
        return {cell.path(Path()).name: fingerprint(cell.key()) for cell in cells}

    ordered = keys(sorted(METHODS), ["er", "sf_in", "sf_out"])
    assert keys(methods, kinds) == ordered
    assert len(set(ordered.values())) == len(ordered) == 9 * scms


STEPS = st.tuples(
    st.permutations(range(len(CELLS))),
    st.integers(0, len(CELLS)),
    st.sampled_from(["whole", "truncated", "edited", "deleted"]),
)


@settings(max_examples=6, deadline=None)
@given(st.lists(STEPS, max_size=4))
def test_any_sequence_of_runs_kills_and_retries_converges(reference, steps):
    """Each step runs some cells in some order, is killed after some, and loses or harms a file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for order, survive, harm in steps:
            todo = pending([CELLS[i] for i in order], folder, (), FAILED)
            for done, _ in enumerate(run_cells(todo, folder, inline)):
                if done >= survive:
                    break
            damage(folder, harm)
        run_all(folder, inline, pending(CELLS, folder, (), FAILED))
        assert results(folder) == reference
        left = pending(CELLS, folder, (), FAILED)
        assert {cell.method for cell in left} <= {"tests.odd_methods:Sometimes"}
        assert not pending(CELLS, folder, (), ())


def damage(folder, harm):
    paths = sorted((folder / "records").glob("*.json"))
    if not paths or harm == "whole":
        return
    if harm == "deleted":
        shutil.rmtree(folder / "records")
    elif harm == "truncated":
        paths[0].write_text(paths[0].read_text()[:200])
    else:
        paths[0].write_text(paths[0].read_text().replace('"ok"', '"skipped"'))


def test_the_longest_expected_cells_start_first_and_strangers_before_them():
    expectations = Expectations()
    for method, fit_s in (("marginal", 0.2), ("linear", 9.0), ("linear", 11.0), ("linear", 8.0)):
        row = {"method": method, "d": 10, "n_context": 50, "status": "ok"}
        expectations.add({"result": row, "run": {"fit_s": fit_s, "query_s": 0.5}})
    assert expectations.seconds(Cell(TASKS[0], "linear")) == 9.5
    larger = load_suite("lorch", preset="smoke", d=[30])[0]
    assert expectations.seconds(Cell(larger, "linear")) == pytest.approx(3 * 9.5)
    order = [cell.method for cell in longest_first(CELLS, expectations)]
    assert order == [METHODS[2]] * 2 + ["linear"] * 2 + ["marginal"] * 2
    assert expectations.total(CELLS) == (pytest.approx(2 * 9.5 + 2 * 0.7), 2)


def test_a_dry_run_prints_cells_cached_and_expected_time(tmp_path, capsys):
    grid = ["run", "--suite", "lorch", "--preset", "smoke", "--out", str(tmp_path / "a" / "b")]
    run_all(tmp_path / "a" / "b", inline, [Cell(TASKS[0], "linear")])
    assert main([*grid, "--methods", "linear,marginal", "--jobs", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "20 cells: 1 done before, 19 to run" in out
    assert "linear: 1 done before, 9 to run, about " in out
    assert "marginal: 0 done before, 10 to run, time not known" in out
    assert "(10 cells not known) with 1 workers" in out


def test_a_killed_cell_gets_a_record_that_names_all_that_was_known(reference):
    record, _ = compute(CELLS[0])
    ended = complete(CELLS[0], Answer(0, record, "timeout", "over the limit of 1 s", wall_s=1.0))
    assert ended["result"]["status"] == "timeout" and ended["run"]["wall_s"] == 1.0
    unknown = complete(CELLS[0], Answer(0, None, "oom", "killed"))
    assert unknown["result"]["problem"] == TASKS[0].name
    assert unknown["sha"]["key"] != ended["sha"]["key"]


@pytest.mark.parametrize("text,expected", [("20m", 1200), ("90", 90), ("1.5h", 5400), ("0", 0)])
def test_durations(text, expected):
    assert seconds(text) == expected


def test_sizes_and_what_is_none():
    assert size("4G") == size("4GiB") == 4 * 2**30 and size("500M") == 500 * 2**20
    assert duration(45) == "45 s" and duration(7500) == "2 h 5 min"
    for wrong in ("fast", "-3m", "4 parsecs", ""):
        with pytest.raises(ValueError):
            seconds(wrong)
