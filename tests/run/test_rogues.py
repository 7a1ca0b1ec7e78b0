"""Whatever a method does, its cell ends in its status, and others are as if it were not there.

Each rogue is followed by two bystanders on the same workers: their results must be the bytes of a
run without it, and nothing that it started or wrote may be left.
"""

import os
import random
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.registry import load_suite
from bench.run.cell import Cell
from bench.run.isolation.processes import PREFIX
from bench.run.isolation.supervisor import isolated
from bench.run.isolation.workers import pool_of, stop_run
from bench.run.job import Limits
from bench.run.shape import TEXT_MOST, canonical
from tests import fake_methods
from tests.fake_methods import ROGUES
from tests.fake_methods.at_import import AT_IMPORT, write_modules
from tests.fake_methods.registered import LEFT

(TASK,) = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind="er")
BYSTANDERS = ("linear", "tests.fake_methods.patient:Notices")
LIMITS = Limits(seconds=60.0, memory=600 * 2**20)
SOON = Limits(seconds=4.0, memory=600 * 2**20)
NAMED = {method.split(":")[1]: method for method in ROGUES}
FEW = {
    "RaisesSurrogate": "error",
    "ExitsZero": "error",
    "AnswersUnderAnotherName": "error",
    "Spawns": "ok",
    "DeletesAllFolders": "ok",
    "Snoops": "ok",
}
FEW_AT_IMPORT = ("kills_its_parent",)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_modules(folder)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def run(home):
    """The name of one run on one worker, which all of these cells share."""
    yield "rogues"
    folders = [worker.base.folder for worker in pool_of("rogues").all if worker.base]
    stop_run("rogues")
    assert not any(folder.exists() for folder in folders)
    assert not left()


@pytest.fixture(scope="module")
def alone(home):
    """What the bystanders give where there is no rogue."""
    given = {method: computed(method, "alone") for method in BYSTANDERS}
    stop_run("alone")
    assert {record["result"]["status"] for record in given.values()} == {"ok"}
    return given


def computed(method, run, limits=LIMITS):
    cell = Cell(TASK, method)
    return cell.record(isolated(cell.job(0, run, limits)))


def left():
    """Processes of a rogue that live on."""
    found = psutil.process_iter(["cmdline"])  # a zombie has no command line
    return [p for p in found if LEFT in " ".join(p.info["cmdline"] or ())]


def check(method, status, run, alone):
    record = computed(method, run, SOON if status == "timeout" else LIMITS)
    assert record["result"]["status"] == status, record["result"]["reason"]
    if status == "timeout":
        assert record["run"]["wall_s"] is None or record["run"]["wall_s"] < SOON.seconds + 5
    assert not left()
    reason = record["result"]["reason"]
    assert len(reason) <= TEXT_MOST and (reason.isprintable() or not reason)
    assert bool(reason) == (status != "ok")
    for bystander in BYSTANDERS:
        beside = computed(bystander, run)
        assert canonical(beside["result"]) == canonical(alone[bystander]["result"]), bystander
    (worker,) = pool_of(run).all
    kept = {worker.base.child.pid, worker.scorer.pid, *(c.pid for c in worker.methods.values())}
    below = {p.pid for p in psutil.Process(worker.base.child.pid).children(recursive=True)}
    assert below <= kept, "only the base, its scorer and its methods live on"
    return record


@pytest.mark.parametrize("name", FEW)
def test_a_rogue_ends_in_its_own_cell(name, run, alone):
    check(NAMED[name], FEW[name], run, alone)


@pytest.mark.parametrize("name", FEW_AT_IMPORT)
def test_a_module_that_is_no_method_ends_in_its_own_cell(name, run, alone):
    check(f"rogue_{name}:Method", AT_IMPORT[name][0], run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("method", [m for m in ROGUES if m.split(":")[1] not in FEW])
def test_every_rogue_ends_in_its_own_cell(method, run, alone):
    check(method, ROGUES[method], run, alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in AT_IMPORT if n not in FEW_AT_IMPORT])
def test_every_module_ends_in_its_own_cell(name, run, alone):
    check(f"rogue_{name}:Method", AT_IMPORT[name][0], run, alone)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_every_rogue_in_any_order(seed, run, alone):
    """All of them on one worker, one after the other, as a seed shuffles them."""
    rogues = [*ROGUES.items(), *((f"rogue_{n}:Method", AT_IMPORT[n][0]) for n in AT_IMPORT)]
    random.Random(seed).shuffle(rogues)
    for method, status in rogues:
        check(method, status, run, alone)


def test_there_are_many_rogues_and_the_few_are_among_them():
    assert len(ROGUES) + len(AT_IMPORT) >= 40
    assert all(ROGUES[NAMED[name]] == status for name, status in FEW.items())


def test_a_patch_does_not_touch_its_own_scores_either(run, alone):
    record = computed(NAMED["PatchesMetrics"], run)
    assert record["result"]["metrics"] == alone["linear"]["result"]["metrics"]


def test_one_value_that_is_not_finite_is_missing_with_its_reason(run):
    result = computed(NAMED["OnlyNoiseIsNaN"], run)["result"]
    assert "NaN" in result["metrics"]["noise"]["missing"]
    assert result["metrics"]["sample"]["value"] > 0


def test_the_whole_text_of_a_failure_is_in_its_log(run):
    cell = Cell(TASK, NAMED["RaisesLong"])
    answer = isolated(cell.job(0, run, LIMITS))
    assert len(answer.log) > 200_000 and "Traceback" in answer.log
    assert len(cell.record(answer)["result"]["reason"]) == TEXT_MOST


def test_an_answer_of_another_cell_is_refused(run):
    other = Cell(TASK, "marginal")
    answer = isolated(other.job(0, run, LIMITS))
    with pytest.raises(ValueError, match="came for"):
        Cell(TASK, "linear").record(answer)


def test_no_folder_of_an_ended_worker_is_left(home):
    computed("linear", "short")
    (worker,) = pool_of("short").all
    folder = worker.base.folder
    assert folder.name.startswith(PREFIX) and folder.parent == Path(tempfile.gettempdir())
    stop_run("short")
    assert not folder.exists()


def test_rogues_are_found_by_their_names():
    assert len(NAMED) == len(ROGUES)
    kinds = {module.__name__: module for module in fake_methods.KINDS}
    for module, name in (method.split(":") for method in ROGUES):
        assert getattr(kinds[module], name).__name__ == name
