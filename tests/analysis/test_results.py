"""Results: what is joined, narrowed, left out; what is made from records; what two runs share."""

import gzip
import shlex

import pandas as pd
import pytest

from bench.analysis.compare import beside_published, compare_runs
from bench.analysis.outputs import publish, write_outputs
from bench.analysis.results import Shown, axes_of, counts, methods_of, metrics_of, read_results
from bench.analysis.runs import newest_run
from bench.analysis.table import metric_table
from bench.run.records import FILE, PACKED, read_launches, write_launches
from bench.run.shape import canonical, seal
from tests.made_rows import record, write


@pytest.fixture()
def run(tmp_path):
    """Two SCMs of two methods and the truth; one cell failed."""
    records = [
        record(method, {"noise": error + index / 10}, index=index)
        for method, error in (("gp", 0.1), ("truth", 0.0), ("linear", 0.2))
        for index in (0, 1)
    ]
    failed = record("mlp", {}, index=0, status="error", reason="ValueError: no")
    return write(tmp_path / "run", [*records, failed])


def test_a_row_a_cell_and_metric_a_column_an_axis_methods_in_order(run):
    frame = read_results(run)
    assert len(frame) == 7 and methods_of(frame)[0] == "truth"
    assert axes_of(frame)[:4] == ["variant", "scenario", "d", "n_context"]
    failed = frame[frame["method"] == "mlp"].iloc[0]
    assert (failed["status"], failed["metric"], failed["reason"]) == ("error", "", "ValueError: no")
    assert frame["scm"].nunique() == 2 and frame["value"].isna().sum() == 1


def test_an_axis_of_a_suites_own_is_a_column_and_a_block(tmp_path):
    records = [
        record("linear", {"noise": strength}, suite="see:SAW", strength=strength, index=i)
        for strength in (1, 10)
        for i in (0, 1)
    ]
    frame = read_results(write(tmp_path / "own", records))
    assert "strength" in axes_of(frame) and frame["task"].nunique() == 4
    table = metric_table(frame, "noise")
    assert table.header == ["strength", "linear"]
    assert [(row[0], row[1].mean) for row in table.rows] == [("1", 1.0), ("10", 10.0)]


def test_a_run_from_before_an_axis_joins_one_from_after(tmp_path):
    before = write(tmp_path / "before", [record("gp", {"noise": 0.1})])
    younger = {"density": 0.0, "reach": "quantile"}
    after = write(tmp_path / "after", [record("linear", {"noise": 0.2}, **younger)])
    frame = read_results([before, after])
    assert frame["density"].tolist() == [0, 0] and set(frame["reach"]) == {"quantile"}
    assert not set(younger) & set(metric_table(frame, "noise", "show").header), "one block"


def test_an_axis_may_have_the_name_of_another_column(tmp_path):
    frame = read_results(write(tmp_path / "own", [record(suite="s:S", launch=3)]))
    assert frame["launch_"].tolist() == [3] and frame["launch"].tolist() == [0]


def test_methods_and_where_narrow_what_is_shown_and_unknown_names_list_the_known(run):
    shown = read_results(run, Shown(["gp"], {"index": ["1"], "d": ["10"]}))
    assert shown[["method", "index", "d"]].values.tolist() == [["gp", 1, 10]]
    assert read_results(run, Shown(where={"scenario": ["lin_in"]}))["task"].nunique() == 2
    for narrow, message in (
        (Shown(["pg"]), "no method pg in these results; there are truth, gp, linear, mlp"),
        (Shown(where={"depth": ["1"]}), "no axis depth in these results; there are variant"),
        (Shown(where={"d": ["30"]}), "no d 30 in these results; there are 10"),
    ):
        with pytest.raises(ValueError, match=message):
            read_results(run, narrow)


def test_runs_of_other_methods_join_on_settings_and_the_first_counts_where_both_have_a_cell(
    run, tmp_path
):
    more = [record("gp", {"noise": 9.0}), record("boosting", {"noise": 0.3})]
    frame = read_results([run, write(tmp_path / "more", more)])
    assert set(methods_of(frame)) == {"truth", "gp", "linear", "mlp", "boosting"}
    assert frame["value"].max() < 1
    assert "1 cells are in several of these runs" in frame.attrs["notes"][-1]


def test_stale_and_spoilt_lines_are_left_out_and_told(run):
    file = run / FILE
    stale = record("gp", {"noise": 7.0}, version="0")
    text = f"{canonical(stale)}\nrubbish\n{file.read_text()}"
    file.write_text(text)
    frame = read_results(run)
    assert frame["value"].max() < 1
    assert any("1 stale records left out" in note for note in frame.attrs["notes"])
    assert any("spoilt records left out" in note for note in frame.attrs["notes"])


def test_a_doubled_row_is_one_row(run):
    before = read_results(run)
    (run / FILE).write_bytes((run / FILE).read_bytes() * 2)
    pd.testing.assert_frame_equal(read_results(run), before)
    assert metric_table(read_results(run), "noise").rows == metric_table(before, "noise").rows


def test_no_results_are_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no results in nowhere"):
        read_results("nowhere")
    with pytest.raises(ValueError, match="no run was computed"):
        newest_run()


def test_outputs_hold_everything_and_give_back_what_was_asked_for(run):
    made = write_outputs(run, Shown(["linear"]))
    (table,) = made.tables
    assert [row[1] for row in table.rows if "paper" not in row[1]] == ["linear"]
    assert made.counts == {"ok": 2}
    written = pd.read_csv(run / "results.csv")
    assert set(written["method"]) == {"truth", "gp", "linear", "mlp"} and "d" in written
    assert "| gp" in (run / "tables" / "noise.md").read_text()
    before = {p: p.read_bytes() for p in run.rglob("*.csv")}
    write_outputs(run)
    assert {p: p.read_bytes() for p in run.rglob("*.csv")} == before


def test_a_published_run_is_packed_and_named_in_place_of_a_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "results" / "published" / "mine"
    first = [path.read_bytes() for path in publish(run, target)]
    assert [path.read_bytes() for path in publish(target, target)] == first
    assert {p.name for p in target.rglob("*.*")} == {"run.json", PACKED, "noise.md"}
    ours, theirs = (read_results(r).drop(columns=["run"]) for r in (run, "mine"))
    pd.testing.assert_frame_equal(ours, theirs)
    assert gzip.decompress((target / PACKED).read_bytes()).count(b"\n") == 7


def test_tables_are_published_as_asked_and_no_older_ones_stay(run, tmp_path):
    target = tmp_path / "published"
    publish(run, target)
    (target / "tables" / "older.md").write_text("of a metric that is no longer asked for")
    publish(target, target, ["noise"])
    assert [path.name for path in (target / "tables").iterdir()] == ["noise.md"]
    with pytest.raises(ValueError, match="no cell has the metric residual; there are noise"):
        publish(target, target, ["residual"])


def test_a_published_run_names_no_folder_of_whoever_ran_it(run, tmp_path):
    (launch,) = read_launches(run)
    words = ["run", "--data-dir", "/home/me/a tunnel/", "--env=x=/opt/y.txt", "--out", "results/b"]
    launch |= {"command": shlex.join(words), "dirty": ["/home/me/mine.py", "bench/suite.py"]}
    write_launches(run, [launch])
    publish(run, tmp_path / "out")
    (told,) = read_launches(tmp_path / "out")
    assert told["command"] == "run --data-dir 'a tunnel' --env=x=y.txt --out results/b"
    assert told["dirty"] == ["mine.py", "bench/suite.py"]
    assert {**told, "command": 0, "dirty": 0} == {**launch, "command": 0, "dirty": 0}


def test_runs_from_before_and_after_a_suite_had_an_axis_are_compared(tmp_path):
    """`reach` came later: tasks of one name are of its default value."""
    runs = [
        write(tmp_path / name, [record("gp", {"noise": value}, **more) for value in (0.1,)])
        for name, more in (("before", {}), ("after", {"reach": "quantile"}))
    ]
    first, second = map(read_results, runs)
    second["task"] = first["task"]
    table = compare_runs(first, second)
    (row,) = table.rows
    assert "reach" not in table.header and row[-2] == "+0.000"


def beside(tmp_path, monkeypatch, ours, theirs):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "results" / "mine", ours)
    publish(write(tmp_path / "theirs", theirs), tmp_path / "results" / "published" / "mine")
    return beside_published(folder)


def cells(offset=0.0, gap=0.0, **changes):
    return [
        record("linear", {"noise": 0.2 + offset + gap * (index == 1)}, index=index, **changes)
        for index in (0, 1, 2)
    ]


def test_a_run_stands_beside_the_published_run_of_the_same_cells(tmp_path, monkeypatch):
    told = beside(tmp_path, monkeypatch, cells(5e-7, gap=3e-4), cells(generator="", source=""))
    assert "beside published mine: 3 cells, 2 equal to 1e-6, largest difference 3e-4 in" in told
    assert "noise of linear on lorch/" in told and "index=1" in told and "warning" not in told


def test_a_control_that_has_two_names_is_one_cell(tmp_path, monkeypatch):
    metrics = {"noise": 0.1, "sample": 0.2}
    bounded = [record("floor", metrics, bounds=["noise"]), record("linear", metrics)]
    assert set(read_results(write(tmp_path / "run", bounded))["method"]) > {"floor", "reference"}
    told = beside(tmp_path, monkeypatch, bounded, bounded)
    assert told == "beside published mine: 2 cells, 2 equal to 1e-6"


def test_columns_of_another_machine_may_differ_a_little(tmp_path, monkeypatch):
    ours = cells(columns={"x0": [0.50001, 2.00001]})
    theirs = cells(columns={"x0": [0.5, 2.0]})
    assert "warning" not in beside(tmp_path, monkeypatch, ours, theirs)
    moved = write(tmp_path / "results" / "mine", cells(columns={"x0": [0.51, 2.0]}))
    assert "warning: the columns of 3 problems differ" in beside_published(moved)


def test_what_nobody_published_is_said_in_one_line(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(beside_published(run).splitlines()) == 1


def test_two_runs_of_other_methods_stand_beside_each_other(run, tmp_path):
    second = [record("linear", {"noise": 0.3 + i / 5}, index=i) for i in (0, 1)]
    second.append(record("boosting", {"noise": 0.9}))
    table = compare_runs(read_results(run), read_results(write(tmp_path / "b", second)))
    found = {row[table.header.index("method")]: row[-4:] for row in table.rows}
    assert found["linear"][2:] == ["+0.150", "+3.0"]
    assert found["boosting"][0] == "-" and found["boosting"][1].mean == 0.9
    assert found["gp"][1] == "-" and found["gp"][0].n == 2
    elsewhere = read_results(write(tmp_path / "c", [record(d=99)]))
    with pytest.raises(ValueError, match="share no problem"):
        compare_runs(read_results(run), elsewhere)


def test_metrics_without_a_value_are_no_metrics(tmp_path):
    frame = read_results(write(tmp_path / "a", [record(metrics={"noise": "not finite"})]))
    assert metrics_of(frame) == [] and frame["reason"].tolist() == ["not finite"]


def test_a_floor_is_called_a_reference_where_it_bounds_nothing(tmp_path):
    found = [record("linear", {"noise": 0.3, "sample": 0.4})]
    for method, bounds in (("floor", ["noise"]), ("marginal", None)):
        part = record(method, {"noise": 0.1, "sample": 0.2})
        told = part["result"] if bounds is None else {**part["result"], "bounds": bounds}
        found.append(seal(part["key"], told, part["run"]))
    frame = read_results(write(tmp_path / "run", found))
    named = {(row.metric, row.method) for row in frame.itertuples()}
    assert {m for metric, m in named if metric == "noise"} == {"linear", "marginal", "floor"}
    assert {m for metric, m in named if metric == "sample"} == {"linear", "marginal", "reference"}
    assert counts(frame) == {"ok": 3}
    narrowed = read_results(tmp_path / "run", Shown(methods=["floor"]))
    assert set(narrowed["method"]) == {"floor", "reference"}
