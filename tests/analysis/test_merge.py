"""Runs joined: nothing lost, nothing doubled, nothing decided in silence."""

import json

import pytest

from bench.analysis.merge import merge
from bench.analysis.outputs import publish, write_tables
from bench.analysis.results import read_results
from bench.cli.parser import main
from bench.run.records import FILE, PACKED, read_launches, read_records, write_launches
from tests.cli.test_cli import fails_with
from tests.made_rows import record, write


def cells(methods=("gp", "linear"), scms=4, **changes):
    return [
        record(m, {"noise": 0.1 * (i + 1) + len(m) / 100}, index=i, d=d, **changes)
        for d in (10, 20)
        for i in range(scms)
        for m in methods
    ]


def launched(folder, records, command):
    """A run whose one launch is its own."""
    write(folder, records)
    (launch,) = read_launches(folder)
    write_launches(folder, [launch | {"command": command}])
    return folder


def test_merged_halves_have_the_tables_of_the_undivided_run(tmp_path):
    every = cells()
    whole = launched(tmp_path / "whole", every, "all")
    halves = [launched(tmp_path / name, every[k::2], name) for k, name in enumerate("ab")]
    merge([*reversed(halves)], tmp_path / "both")
    tables = []
    for folder in (whole, tmp_path / "both"):
        paths = write_tables(read_results(folder), folder / "tables")
        tables.append({path.name: path.read_bytes() for path in paths})
    assert tables[0] == tables[1]
    sealed = [
        {(r["sha"], json.dumps(r["result"])) for r in read_records(folder).current}
        for folder in (whole, tmp_path / "both")
    ]
    assert sealed[0] == sealed[1]


def test_every_record_still_names_its_launch(tmp_path):
    first = launched(tmp_path / "a", cells(["gp"]), "first")
    publish(first, tmp_path / "packed")
    second = launched(tmp_path / "b", cells(["linear"]), "second")
    runs = [tmp_path / "packed", second, first]
    merge(runs, tmp_path / "both")
    launches = read_launches(tmp_path / "both")
    assert [launch["command"] for launch in launches] == ["first", "second"]
    named = {
        r["key"]["method"]: launches[r["run"]["launch"]]["command"]
        for r in read_records(tmp_path / "both").current
    }
    assert named == {"gp": "first", "linear": "second"}
    assert (tmp_path / "packed" / PACKED).exists()
    lines = set((first / FILE).read_bytes().splitlines())
    assert lines <= set((tmp_path / "both" / FILE).read_bytes().splitlines())


def test_another_source_is_another_record_and_no_conflict(tmp_path):
    runs = [
        write(tmp_path / source, [record("gp", {"noise": value}, source=source)])
        for source, value in (("s1", 0.1), ("s2", 0.2))
    ]
    merged = merge(runs, tmp_path / "both")
    assert len(merged.records) == 2 and "another version or source" in merged.notes[0]
    found = read_records(tmp_path / "both")
    assert found.stale == 1 and found.current[0]["key"]["source"] == "s2"


def test_two_results_under_one_key_are_named_and_nothing_is_written(tmp_path, capsys):
    first = write(tmp_path / "a", [record("gp", {"noise": 0.1}), record("linear")])
    second = write(tmp_path / "b", [record("gp", {"noise": 0.2})])
    order = ["merge", str(first), str(second), str(tmp_path / "both")]
    fails_with(capsys, order, "noise is 0.1 and 0.2")
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_finished_cell_counts_before_a_failed_one(tmp_path, order):
    failed = record("gp", {}, status="error", reason="ValueError: no")
    runs = [write(tmp_path / "a", [failed]), write(tmp_path / "b", [record("gp")])]
    merge([runs[k] for k in order], tmp_path / "both")
    (kept,) = read_records(tmp_path / "both").current
    assert kept["result"]["status"] == "ok"


def test_an_existing_target_is_refused_and_left_as_it_was(tmp_path, capsys):
    runs = [str(write(tmp_path / name, cells([name]))) for name in ("a", "b")]
    (tmp_path / "there").mkdir()
    fails_with(capsys, ["merge", *runs, str(tmp_path / "there")], "exists already")
    assert not list((tmp_path / "there").iterdir())
    fails_with(capsys, ["merge", runs[0], str(tmp_path / "new")], "two runs or more")


def test_three_runs_become_one_with_its_tables_and_its_page(tmp_path, capsys):
    runs = [str(write(tmp_path / name, cells([name]))) for name in ("gp", "linear", "mlp")]
    assert main(["merge", *runs, str(tmp_path / "all")]) == 0
    assert "24 ok" in capsys.readouterr().out
    assert {"tables", "figures", "report.html", "results.csv"} <= {
        p.name for p in (tmp_path / "all").iterdir()
    }
