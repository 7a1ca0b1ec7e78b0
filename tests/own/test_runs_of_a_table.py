"""Runs on a table of one's own: what they print and write of their answers."""

import contextlib
import io
import json
import re

import pandas as pd
import pytest

from bench.cli.parser import main
from bench.suites.curves import read_curves
from bench.suites.own import own_task
from bench.suites.written import read_progress
from tests.own.chain import rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of least squares on a table with two questions and an effect."""
    folder = tmp_path_factory.mktemp("own")
    table = rows(60).assign(note="text", new_x=1.5)
    table.to_csv(folder / "t.csv", index=False, sep=";", decimal=",")
    (folder / "g.txt").write_text("dag {x -> y -> z <- w}")
    words = ["run", "--data", str(folder / "t.csv"), "--graph", str(folder / "g.txt")]
    words += ["--methods", "linear", "--jobs", "1", "--quiet", "--out", str(folder / "out")]
    words += ["--do", "x=1000", "--do", "x=column:new_x", "w=shift:+1"]
    words += ["--effect", "x=1,2", "on=z", "--n", "50"]
    return folder, words


@pytest.fixture(scope="module")
def answered(run):
    """What that run prints, and what it warns of."""
    folder, words = run
    (folder / "elsewhere.txt").write_text("mine")
    (folder / "out").mkdir()
    (folder / "out" / "do-linear.csv").symlink_to(folder / "elsewhere.txt")
    said, warned = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(warned):
        assert main(words) == 0
    return said.getvalue(), warned.getvalue()


def test_a_run_prints_and_writes_its_answers(run, answered):
    (folder, _), (said, warned) = run, answered
    assert all(f"### {name}" in said for name in ("residual", "nodes", "effects-1", "effects-3"))
    assert "outside the data" in warned
    assert "note, new_x are in no edge" in said
    row = re.search(r"\| z +\| (\S+) +\| linear \| (\S+) +\| (\S+) +\| (\S+) to (\S+)", said)
    observed, mean, effect, low, high = map(float, row.groups())
    assert mean - observed == pytest.approx(effect, rel=0.01)
    assert low < effect < high
    files = {p.name: pd.read_csv(p) for p in (folder / "out").glob("*-linear.csv")}
    assert (files["do-linear.csv"]["x"] == 1000).all()
    assert (folder / "elsewhere.txt").read_text() == "mine"
    assert (files["counterfactual-2-linear.csv"]["x"] == 1.5).all()
    assert len(files["samples-linear.csv"]) == 50
    assert {"z (5 %)", "z (95 %)"} <= set(files["counterfactual-linear.csv"])
    curves = read_curves(folder / "out" / "answers", "linear")
    assert [(c["parent"], c["child"]) for c in curves] == [("x", "y"), ("w", "z"), ("y", "z")]
    page = (folder / "out" / "report.html").read_text()
    assert "do(x=1000)" in page
    assert page.count("<svg") >= 5


def test_the_same_run_again_answers_from_its_records(run, answered, capsys):
    _, words = run
    assert main([word for word in words if word != "--quiet"]) == 0
    assert capsys.readouterr().out.count("1 done before, 0 to run") == 2


def test_another_seed_or_file_is_another_task(run):
    folder, _ = run
    graph = str(folder / "g.txt")
    one = own_task(folder / "t.csv", graph, 0)
    assert one.name != own_task(folder / "t.csv", graph, 1).name
    other = folder / "other" / "t.csv"
    other.parent.mkdir(exist_ok=True)
    rows(60, seed=1).to_csv(other, index=False)
    assert one.name != own_task(other, graph, 0).name
    assert one.name == own_task(folder / "t.csv", "dag {x -> y -> z <- w}", 0).name


def test_a_table_that_links_to_itself_is_refused_in_a_line(tmp_path, capsys):
    circle = tmp_path / "t.csv"
    circle.symlink_to(circle)
    assert main(["run", "--data", str(circle), "--graph", "a -> b", "--methods", "linear"]) == 1
    assert re.search(f"cannot read {circle}: .+\n$", capsys.readouterr().err)


def test_names_of_columns_reach_no_terminal_as_they_are(tmp_path, capsys):
    table = rows(40).rename(columns={"x": "x\x1b[31m", "y": "y\u202e"})
    table.assign(**{"n" * 100_000: 1.5, "o\x07": 2}).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "g.csv").write_text("source,target\nx\x1b[31m,y\u202e\nw,z\n")
    words = ["run", "--data", str(tmp_path / "t.csv"), "--graph", str(tmp_path / "g.csv")]
    words += ["--methods", "linear", "--out", str(tmp_path / "out"), "--dry-run"]
    assert main([*words, "--do", "x\x1b[31m=1000"]) == 0
    said = capsys.readouterr()
    lines = f"{said.out}\n{said.err}".split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert any(f"{'n' * 300}..., o are in no edge" in line for line in lines)
    assert any("warning: do(x [31m=1000) sets x [31m to 1000" in line for line in lines)
    assert max(map(len, lines)) < 2000


@pytest.mark.slow
def test_a_bootstrap_says_how_far_it_is(tmp_path, capsys):
    rows(40).to_csv(tmp_path / "t.csv", index=False)
    words = ["run", "--data", str(tmp_path / "t.csv"), "--graph", "dag {x -> y -> z <- w}"]
    words += ["--methods", "lad", "--jobs", "1", "--quiet", "--out", str(tmp_path / "out")]
    assert main([*words, "--do", "x=2", "--bootstrap", "30"]) == 0
    assert re.search(r"\| lad +\| \S+ +\| \S+ +\| \S+ to \S+", capsys.readouterr().out)
    assert read_progress(tmp_path / "out" / "answers", "lad") == f"{'#' * 20} 30/30 fits"
    assert read_progress(tmp_path, "lad") == ""


@pytest.mark.slow
def test_names_with_bars_and_dollars_do_no_harm(tmp_path, capsys):
    table = rows(40)[["x", "y"]].set_axis(["a|b", "$c_{$"], axis=1)
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "g.json").write_text(json.dumps([["a|b", "$c_{$"]]))
    words = ["run", "--data", str(tmp_path / "t.csv"), "--graph", str(tmp_path / "g.json")]
    words += ["--methods", "linear", "--jobs", "1", "--quiet", "--out", str(tmp_path / "out")]
    assert main([*words, "--do", "a|b=2"]) == 0
    effects_table = (tmp_path / "out" / "tables" / "effects.md").read_text()
    lines = [line for line in effects_table.splitlines() if line.startswith("|")]
    cells = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
    assert cells == {8}


@pytest.mark.parametrize(
    "more, message",
    [
        (["--do", "x=+10"], "write x=10 to set it, x=shift:10 to add to it"),
        (["--do", "q=1"], "unknown column 'q'"),
        (["--do", "x=column:note"], "holds text"),
        (["--effect", "x=1", "on=y"], "--effect takes NAME=FROM,TO on=OUTCOME"),
        (["--n", "0"], "--n takes 1 or more"),
        (["--bootstrap", "1"], "--bootstrap takes 2 or more"),
    ],
)
def test_questions_that_cannot_be_meant_end_before_anything_runs(run, more, message, capsys):
    _, words = run
    assert main([*words[:5], "--quiet", *more]) == 1
    assert message in capsys.readouterr().err
