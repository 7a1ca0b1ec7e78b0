"""Engines, schedule and units: whoever carries a cell, in whatever order, gives one record."""

import os
import signal
import time
from functools import partial

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.registry import Unavailable, find_suite, load_suite
from bench.run.backends import dask, engine_of, streamed, threads
from bench.run.cell import Cell
from bench.run.grid import run_cells
from bench.run.progress import Progress
from bench.run.records import RecordFile, read_records
from bench.run.schedule import Expectations, longest_first
from bench.run.shape import canonical, cell_of
from bench.run.units import duration, seconds, size
from tests.run.made_records import made
from tests.run.running import main

TASKS = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind=["er", "sf_in"])
METHODS = ("marginal", "linear", "tests.fake_methods.patient:Sometimes")
CELLS = [Cell(t, m, "cpu", find_suite("lorch").generator) for t in TASKS for m in METHODS]


def results(folder):
    return {cell_of(r["key"]): canonical(r["result"]) for r in read_records(folder).current}


def run_all(folder, engine, cells=CELLS):
    with RecordFile(folder) as file:
        yield from run_cells(cells, file, engine, folder.name)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    assert len(list(run_all(folder, partial(threads, workers=1)))) == len(CELLS)
    return results(folder)


@pytest.mark.slow
def test_loky_gives_the_bytes_of_threads_though_a_worker_is_killed(reference, tmp_path):
    for done, _ in enumerate(
        run_all(tmp_path, partial(streamed, workers=2, backend="loky"), CELLS[::-1])
    ):
        if done == 0:
            alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
            workers = [p for p in alive if "loky" in " ".join(p.cmdline())]
            assert workers
            workers[0].kill()
    assert results(tmp_path) == reference


@pytest.mark.slow
def test_dask_gives_the_bytes_of_threads_though_a_worker_is_killed(reference, tmp_path):
    """Two worker processes; one is killed in mid-run and not replaced."""
    distributed = pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    cluster = distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path / "dask")
    )
    with cluster:
        victim = next(iter(cluster.workers.values())).pid
        engine = partial(dask, workers=2, scheduler=cluster.scheduler_address)
        for done, _ in enumerate(run_all(tmp_path, engine)):
            if done == 0:
                os.kill(victim, signal.SIGKILL)
    assert results(tmp_path) == reference


@pytest.mark.slow
def test_dask_starts_a_cluster_of_its_own(reference, tmp_path):
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    grid = ["--suite", "lorch", "--preset", "smoke", "--quiet", "--backend", "dask", "--jobs", "2"]
    where = ["--where", "scenario=LIN_IN", "graph_kind=er,sf_in", "--methods", ",".join(METHODS)]
    assert main([*grid, *where, "--out", str(tmp_path)]) == 2
    assert results(tmp_path) == reference


FORTY = load_suite("lorch", "smoke", scms=2)
TWENTY = [
    Cell(task, m, "cpu", find_suite("lorch").generator) for task in FORTY for m in METHODS[:1]
]
HANDS = {"multiprocessing": "joblib", "loky": "joblib", "dask": "distributed", "ray": "ray"}


@pytest.fixture(scope="module")
def twenty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twenty")
    assert len(list(run_all(folder, engine_of("local", 2), TWENTY))) == len(TWENTY) == 20
    return results(folder)


@pytest.mark.slow
@pytest.mark.parametrize("backend", HANDS)
def test_every_engine_gives_the_same_bytes(backend, twenty, tmp_path):
    pytest.importorskip(HANDS[backend], reason=f"{HANDS[backend]} is not installed")
    try:
        given = [record for _, record in run_all(tmp_path, engine_of(backend, 2), TWENTY)]
    except ValueError as error:
        pytest.skip(str(error))  # a ray that does not start on a busy machine
    assert {r["result"]["status"] for r in given} == {"ok"}
    assert results(tmp_path) == twenty


HUNDRED = [
    Cell(task, METHODS[0], "cpu", find_suite("lorch").generator)
    for task in load_suite("lorch", "smoke", scms=10)
]


@pytest.fixture(scope="module")
def hundred(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hundred")
    assert len(list(run_all(folder, engine_of("local", 1), HUNDRED))) == len(HUNDRED) == 100
    return results(folder)


@pytest.mark.soak
@pytest.mark.parametrize("backend", ["threading", "loky", "dask", "ray"])
def test_a_hundred_cells_through_every_engine_are_the_same_bytes(backend, hundred, tmp_path):
    pytest.importorskip({"threading": "joblib", **HANDS}[backend])
    begun = time.monotonic()
    try:
        count = len(list(run_all(tmp_path, engine_of(backend, 2), HUNDRED)))
    except ValueError as error:
        pytest.skip(str(error))
    print(f"{backend}: {count} cells in {time.monotonic() - begun:.0f} s")
    assert results(tmp_path) == hundred


def test_what_cannot_stream_keeps_records_after_each_batch(twenty, tmp_path):
    """Two workers take eight cells at once, and eight records follow; then the last two."""
    taken = []
    with RecordFile(tmp_path) as file:
        engine = engine_of("tests.run.batching:batching", 2)
        told = run_cells(TWENTY[:10], file, engine, "batches", started=taken.append)
        for done, _ in enumerate(told, 1):
            assert len(taken) == (8 if done <= 8 else 10)
            assert len(read_records(tmp_path).current) == done
    assert results(tmp_path).items() <= twenty.items()


def test_a_backend_that_is_not_there_is_one_line(tmp_path):
    for name, said in (("rai", "joblib has no rai; there are"), ("no_such:b", "needs no_such")):
        with pytest.raises((ValueError, Unavailable), match=said):
            engine_of(name, 2)


@settings(max_examples=8, deadline=None)
@given(st.permutations(METHODS), st.permutations(["er", "sf_in", "sf_out"]), st.integers(1, 3))
def test_cells_and_names_do_not_depend_on_the_order_of_arguments(methods, kinds, scms):
    def jobs(methods, kinds):
        tasks = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind=kinds, scms=scms)
        cells = [Cell(task, method) for task in tasks for method in methods]
        return {cell.name: (cell.seed, canonical(cell.key({}))) for cell in cells}

    ordered = jobs(sorted(METHODS), ["er", "sf_in", "sf_out"])
    assert jobs(methods, kinds) == ordered
    assert len({seed for seed, _ in ordered.values()}) == len(ordered) == 9 * scms


def test_the_longest_expected_cells_start_first_and_strangers_before_them():
    expectations = Expectations()
    columns = {f"x{j}": [0.0, 1.0] for j in range(10)}
    for method, wall_s in (("marginal", 0.7), ("linear", 9.5), ("linear", 11.5), ("linear", 8.5)):
        record = made(method=method, wall_s=wall_s, columns=columns)
        record["key"]["settings"]["n_context"] = 50
        expectations.add(record)
    assert expectations.seconds(Cell(TASKS[0], "linear")) == 9.5
    larger = load_suite("lorch", preset="smoke", d=[30])[0]
    assert expectations.seconds(Cell(larger, "linear")) == pytest.approx(3 * 9.5)
    order = [cell.method for cell in longest_first(CELLS, expectations)]
    assert order == [METHODS[2]] * 2 + ["linear"] * 2 + ["marginal"] * 2
    assert expectations.total(CELLS) == (pytest.approx(2 * 9.5 + 2 * 0.7), 2)


def test_another_machines_times_are_taken_at_this_machines_pace():
    """What took 1 s there takes 10 s here, so what took 3 s there will take 30 s."""
    expectations, columns = Expectations(), {f"x{j}": [0.0, 1.0] for j in range(10)}
    for method, wall_s, here in (("linear", 1.0, False), ("marginal", 3.0, False)):
        record = made(method=method, wall_s=wall_s, columns=columns)
        expectations.add(record, here)
    assert expectations.seconds(Cell(TASKS[0], "marginal")) == 3.0
    expectations.add(made(method="linear", wall_s=10.0, columns=columns))
    assert expectations.seconds(Cell(TASKS[0], "linear")) == 10.0
    assert expectations.seconds(Cell(TASKS[0], "marginal")) == pytest.approx(30.0)


def test_progress_counts_what_runs_and_not_what_was_taken(tmp_path):
    """One worker was given four cells: one runs, and the time left is that of all of them."""
    expectations, columns = Expectations(), {f"x{j}": [0.0, 1.0] for j in range(10)}
    for method in METHODS:
        expectations.add(made(method=method, wall_s=10.0, columns=columns))
    with Progress(CELLS, 1, expectations, tmp_path / "log", quiet=True) as progress:
        assert "0 running" in progress.line()
        for cell in CELLS[:4]:
            progress.started(cell)
        assert f"0/{len(CELLS)} cells, 0 failed, 1 running, 0 s, about 1 min" in progress.line()
        for cell in CELLS:
            progress.add(cell, made(method=cell.method, wall_s=10.0, columns=columns))
        assert progress.line().endswith("6/6 cells, 0 failed, in 0 s")


def test_a_plan_says_what_is_expected(tmp_path, capsys):
    with RecordFile(tmp_path) as file:
        file.append(made(method="linear"))
    grid = ["--suite", "lorch", "--preset", "smoke", "--out", str(tmp_path), "--jobs", "1"]
    assert main([*grid, "--methods", "linear,marginal", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "20 cells: 0 done before, 20 to run" in out
    assert "linear: 0 done before, 10 to run, about " in out
    assert "marginal: 0 done before, 10 to run, time not known" in out
    assert "(10 cells not known) with 1 workers" in out


@pytest.mark.parametrize("text,expected", [("20m", 1200), ("90", 90), ("1.5h", 5400), ("0", 0)])
def test_durations(text, expected):
    assert seconds(text) == expected


def test_sizes_and_what_is_none():
    assert size("4G") == size("4GiB") == 4 * 2**30 and size("500M") == 500 * 2**20
    assert duration(45) == "45 s" and duration(7500) == "2 h 5 min"
    for wrong in ("fast", "-3m", "4 parsecs", ""):
        with pytest.raises(ValueError):
            seconds(wrong)
