"""Whatever a method does, its cell ends in the right status and nothing else changes."""

import json
import os
import pickle
import time
from functools import cache

import psutil
import pytest

from bench.cli.parser import main
from bench.registry import load_suite
from bench.run.cell import Cell
from bench.run.records import read_records
from bench.run.supervisor import Job, Limits, Worker, death
from tests import culprits

GRID = ["run", "--suite", "lorch", "--preset", "smoke", "--where", "scenario=LIN_IN"]
ONE = [*GRID, "graph_kind=er", "--quiet", "--jobs", "2"]
BYSTANDERS = ["linear", "tests.culprits:Notices", "marginal"]
LIMIT_S, LATE_S = 10, 5


def named(culprit):
    return f"tests.culprits:{culprit.__name__}"


def by_method(folder):
    return {record["result"]["method"]: record for record in read_records(folder)}


def bytes_of(record):
    return json.dumps(record["result"], sort_keys=True)


def left():
    """Processes of a culprit that live on, a moment after they were sent SIGKILL."""
    for _ in range(50):
        found = psutil.process_iter(["cmdline"])  # a zombie has no command line
        alive = [p for p in found if culprits.LEFT in " ".join(p.info["cmdline"] or ())]
        if not alive:
            return []
        time.sleep(0.1)
    return alive


@cache
def worker():
    return Worker()


def answer(culprit, limits=Limits()):  # noqa: B008
    (task,) = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind="er")
    job = Job(0, pickle.dumps(Cell(task, named(culprit))), limits, home=os.getcwd())
    return worker().answer(job)


@pytest.mark.slow
def test_twelve_culprits_end_as_they_must_and_change_no_other_cell(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert main([*ONE, "--methods", ",".join(BYSTANDERS), "--out", str(alone)]) == 0
    methods = [named(culprit) for culprit in culprits.ENDS]
    for place, bystander in zip((3, 8, 13), BYSTANDERS, strict=True):
        methods.insert(place, bystander)
    limits = ["--timeout", f"{LIMIT_S}s", "--max-mem", "1G"]
    code = main([*ONE, *limits, "--methods", ",".join(methods), "--out", str(together)])
    assert code == 2
    ended = by_method(together)
    statuses = {c: ended[named(c)]["result"]["status"] for c in culprits.ENDS}
    assert statuses == culprits.ENDS
    late = [m for m, r in ended.items() if r["run"]["wall_s"] > LIMIT_S + LATE_S]
    assert not late
    reference = by_method(alone)
    assert {m: bytes_of(ended[m]) for m in BYSTANDERS} == {
        m: bytes_of(reference[m]) for m in BYSTANDERS
    }
    assert not left()
    table = (together / "tables" / "noise.md").read_text()
    assert "linear" in table and "Raises" not in table
    logs = "".join(path.read_text() for path in (together / "logs").glob("*.txt"))
    assert "RuntimeError: out of ideas" in logs and "Segmentation fault" in logs


def test_an_endless_loop_is_killed_at_its_limit():
    ended = answer(culprits.SleepsInC, Limits(seconds=1.0))
    assert (ended.status, ended.reason) == ("timeout", "over the limit of 1 s")
    assert ended.wall_s < 1 + LATE_S
    assert ended.record["result"]["data_sha"], "the record has all that was known before"


def test_a_death_is_an_error_a_kill_is_out_of_memory_and_the_next_cell_lives():
    assert answer(culprits.Exits).reason == "the process exited with code 3"
    assert answer(culprits.Hogs).status == "oom"
    assert answer(culprits.ReturnsNaN).record["result"]["status"] == "error"
    assert answer(culprits.DeletesFolder).record["result"]["status"] == "ok"
    assert death(-11) == ("error", "the process died of SIGSEGV")


def test_memory_is_watched():
    ended = answer(culprits.Allocates, Limits(memory=2**30))
    assert (ended.status, ended.reason) == ("oom", "over the limit of 1 GiB of resident memory")


def test_what_a_method_starts_is_dead_when_its_cell_ends():
    assert answer(culprits.Spawns).record["result"]["status"] == "ok"
    assert not left()


def test_global_state_is_put_back():
    before = bytes_of(answer(culprits.Notices).record)
    assert answer(culprits.ChangesState).record["result"]["status"] == "ok"
    assert bytes_of(answer(culprits.Notices).record) == before


def test_a_cell_is_not_blamed_for_what_an_earlier_one_left():
    assert answer(culprits.Poisons).record["result"]["status"] == "ok"
    assert answer(culprits.Patient).record["result"]["status"] == "ok"
