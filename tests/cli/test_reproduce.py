"""The list of runs behind every claim: it is whole, resumed, and publishes what is complete."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from bench.cli.parser import main
from bench.cli.reproduce import read_plan, smallest
from bench.registry import find_suite
from bench.run.records import read_launches, read_records
from bench.run.shape import canonical, seal

LISTED = Path(__file__).parents[2] / "results" / "runs.toml"
SMALL = """
seed = 7
timeout = "1m"
tables = "noise,intervention,residual"
[methods]
lines = "linear,marginal"
[[run]]
name = "few"
about = "a few rows"
suite = "lorch"
set = "scenario=LIN_IN graph_kind=er"
parts = [
  { methods = "lines", set = "d=4 scms=2 n_context=30 n_query=20" },
  { methods = "truth", set = "d=4 scms=1 n_context=30 n_query=20" },
]
[[run]]
name = "other"
about = "not asked for"
suite = "no such suite is looked for in vain"
parts = []
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def test_the_committed_list_names_what_there_is_and_claims_have_their_own_seed():
    plan = read_plan(LISTED)
    assert plan.seed == 2026 and len({run.name for run in plan.runs}) == len(plan.runs) > 10
    for part in (part for run in plan.runs for part in run.parts):
        assert find_suite(part.suite).tasks("paper", plan.seed, **part.axes)
        assert find_suite(part.suite).tasks("smoke", 0, **part.smoke)


def test_at_smoke_size_each_method_has_its_turn_and_each_run_a_method():
    runs = read_plan(LISTED).runs
    asked = [[m for part in run.parts for m in part.methods] for run in smallest(runs)]
    everyone = {m for run in runs for part in run.parts for m in part.methods}
    assert len(asked) == len(runs) and all(asked)
    assert sorted(m for names in asked for m in names if m != "linear") == sorted(
        everyone - {"linear"}
    )


def test_a_run_is_published_when_complete_and_never_done_twice(checkout, capsys, undrawn):
    assert main(["reproduce", "--only", "few", "--jobs", "1"]) == 0
    published = read_records(checkout / "published" / "few").current
    assert len(published) == 5 and {r["key"]["settings"]["seed"] for r in published} == {7}
    tables = (checkout / "published" / "few" / "tables").iterdir()
    assert sorted(path.name for path in tables) == ["intervention.md", "noise.md"]
    capsys.readouterr()
    assert main(["reproduce", "--only", "few", "--dry-run"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| few"))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["2", "5", "5"]
    assert main(["reproduce", "--only", "few", "--jobs", "1"]) == 0
    assert "0 to run" in capsys.readouterr().out


def test_some_methods_are_made_again_beside_what_is_published_of_the_others(
    checkout, capsys, undrawn
):
    assert main(["reproduce", "--only", "few", "--jobs", "1"]) == 0
    shutil.rmtree(checkout / "few")
    published = checkout / "published" / "few"
    launches = len(read_launches(published))
    command = ["reproduce", "--only", "few", "--jobs", "1", "--methods", "linear"]
    assert main([*command[:3], *command[5:], "--dry-run"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| few"))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["2", "2", "2"]
    assert not (checkout / "few").exists()
    assert main(command) == 0
    assert "2 done before, 0 to run" in capsys.readouterr().out
    shutil.rmtree(checkout / "few")
    old = (published / "records.jsonl.gz").read_bytes()
    packed = gzip.decompress(old).replace(b'"source":"', b'"source":"0')
    lines = [json.loads(line) for line in packed.splitlines()]
    sealed = [canonical(seal(r["key"], r["result"], r["run"])) for r in lines]
    (published / "records.jsonl.gz").write_bytes(gzip.compress("\n".join([*sealed, ""]).encode()))
    assert main(command) == 0
    made = {
        (r["key"]["method"], r["key"]["source"][0] == "0") for r in read_records(published).current
    }
    assert made == {("linear", False), ("marginal", True), ("truth", True)}
    assert len(read_launches(published)) > launches


def test_a_method_that_no_run_asks_is_one_line(checkout, capsys):
    assert main(["reproduce", "--methods", "linear,gp"]) == 1
    assert "no run asks gp" in capsys.readouterr().err


@pytest.mark.slow
def test_smoke_leaves_no_trace_and_asks_every_method_once(checkout, capsys):
    assert main(["reproduce", "--smoke", "--only", "few", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 problems x 2 methods" in out and "1 problems x 1 methods" in out
    assert [path.name for path in checkout.rglob("*")] == ["runs.toml"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("linear,marginal", "linear,nobody"), "no method nobody"),
        (("noise,intervention", "noise,loudness"), "no metric loudness"),
        (('suite = "lorch"', 'suite = "nothing"'), "nothing"),
        (("seed = 7", "seed = "), "runs.toml"),
    ],
)
def test_a_wrong_list_is_one_line(checkout, capsys, change, message):
    (checkout / "runs.toml").write_text(SMALL.replace(*change))
    assert main(["reproduce"]) == 1
    assert message in capsys.readouterr().err


def test_an_unknown_run_is_one_line_with_those_that_there_are(checkout, capsys):
    assert main(["reproduce", "--only", "all"]) == 1
    assert "no run all; the list has few, other" in capsys.readouterr().err
