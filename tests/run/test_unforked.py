"""Where nothing is forked, as on CUDA: a process a method, whose cells follow each other."""

import pytest

from bench.registry import load_suite
from bench.run.cell import Cell
from bench.run.isolation import processes
from bench.run.isolation.supervisor import isolated
from bench.run.isolation.workers import pool_of, stop_run
from bench.run.job import Limits
from bench.run.shape import canonical

TASKS = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind=["er", "sf_in"])


def computed(method, run, task=TASKS[0]):
    cell = Cell(task, method)
    return cell.record(isolated(cell.job(0, run, Limits(seconds=30))))["result"]


@pytest.mark.slow
def test_cells_end_as_they_do_in_processes_of_their_own(monkeypatch):
    forked = [canonical(computed("linear", "forked", task)) for task in TASKS]
    stop_run("forked")
    monkeypatch.setattr(processes, "FORKS", False)
    assert [canonical(computed("linear", "unforked", task)) for task in TASKS] == forked
    base = pool_of("unforked").all[0].base.child.pid
    assert computed("linear", "unforked")["status"] == "ok"
    assert pool_of("unforked").all[0].base.child.pid == base, "one process for all its cells"
    assert computed("tests.fake_methods.dying:Raises", "unforked")["status"] == "error"
    assert computed("tests.fake_methods.dying:ExitsZero", "unforked")["status"] == "error"
    assert computed("tests.fake_methods.patching:ChangesState", "unforked")["status"] == "ok"
    assert [canonical(computed("linear", "unforked", task)) for task in TASKS] == forked
    stop_run("unforked")
