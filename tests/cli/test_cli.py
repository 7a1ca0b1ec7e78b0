"""The command line as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.outputs import publish
from bench.cli.parser import main
from bench.laws import LAWS
from tests.made_rows import record, write

SMOKE = ["run", "--suite", "lorch", "--preset", "smoke"]
ONE = [*SMOKE, "--where", "scenario=RFF_IN", "graph_kind=er", "--jobs", "1"]


@pytest.fixture()
def own(tmp_path):
    """A table and a graph: rain and sprinkler wet the grass; wind stands alone."""
    rng = np.random.default_rng(0)
    rain, sprinkler = rng.normal(3, 1, 200), rng.normal(0, 2, 200)
    grass = 2 * rain + np.sin(sprinkler) + 0.1 * rng.normal(size=200)
    table = pd.DataFrame({"rain": rain, "sprinkler": sprinkler, "grass": grass})
    table["wind"] = rng.normal(size=200)
    table.to_csv(tmp_path / "my.csv", index=False)
    (tmp_path / "edges.csv").write_text("source,target\nrain,grass\nsprinkler,grass\n")
    return tmp_path


def fails_with(capsys, arguments, message):
    """Exit code 1 and one clear line."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 1
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert message in lines[0] and lines[0].isprintable(), lines[0]


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["run", "--suite", "lurch"], "unknown suite lurch"),
        ([*SMOKE, "--methods", "lineal"], "unknown method lineal"),
        (["run", "--suite", "lorch", "--preset", "huge"], "unknown preset huge"),
        ([*SMOKE, "--set", "depth=3"], "unknown axis depth"),
        ([*SMOKE, "--set", "d=lots"], "takes numbers"),
        ([*SMOKE, "--set", "d"], "AXIS=VALUES"),
        ([*SMOKE, "--where", "d=50"], "no task"),
        ([*SMOKE, "--methods", "nowhere:Class"], "no module nowhere"),
        ([*SMOKE, "--methods", "baselines.linear:Quadratic"], "has no Quadratic"),
        ([*SMOKE, "--methods", "./x.py:Y"], "no module ./x.py"),
        ([*SMOKE, "--methods", ".x:Y"], "no module .x"),
        ([*SMOKE, "--methods", ":"], "no module"),
        (["run", "--suite", "./x.py:Y"], "no module ./x.py"),
        (["run", "--suite", "a..b:Y"], "no module a..b"),
        ([*SMOKE, "--set", "seed=3"], "seed is given by --seed"),
        ([*SMOKE, "--set", "self=3"], "unknown axis self"),
        ([*SMOKE, "--where", "tasks=3"], "unknown axis tasks"),
        ([*SMOKE, "--set", "scms=100000000"], "more than 1,000,000 problems"),
        ([*SMOKE, "--max-mem", "9999999999999G"], "--max-mem"),
        ([*SMOKE, "--timeout", "99999999999h"], "--timeout"),
        ([*SMOKE, "--methods", "\x1b[31mred"], "unknown method [31mred"),
        (["table", "no\nwhere\x1b[2J"], "no where [2J"),
        ([*SMOKE, "--device", "\x1b[31mtpu"], "invalid choice"),
        ([*SMOKE, "--jobs", "0"], "--jobs takes 1 or more"),
        ([*SMOKE, "--jobs", "1001"], "--jobs takes 1000"),
        ([*SMOKE, "--jobs", "9" * 30], "--jobs takes 1000"),
        ([*SMOKE, "--jobs", "1e3"], "--jobs"),
        ([*SMOKE, "--seed", "9" * 30], "--seed takes a whole number"),
        ([*SMOKE, "--max-mem", "1"], "--max-mem"),
        ([*SMOKE, "--max-mem", "0.0000001"], "--max-mem"),
        ([*SMOKE, "--max-mem", "nan"], "--max-mem"),
        ([*SMOKE, "--timeout", "inf"], "--timeout"),
        ([*SMOKE, "--out", ""], "--out"),
        ([*SMOKE, "--out", "a\0b"], "--out"),
        ([*SMOKE, "--data-dir", ""], "--data-dir"),
        ([*SMOKE, "--where", "d=1e400"], "axis d takes numbers"),
        ([*SMOKE, "--set", "n_context=1e30"], "axis n_context takes numbers"),
        ([*SMOKE, "--set", "alpha=inf"], "axis alpha takes finite numbers"),
        ([*SMOKE, "--set", "d=10", "D=20"], "D is given twice"),
        ([*SMOKE, "--methods", "linear="], "linear= names no checkpoint"),
        ([*SMOKE, "--backend", "..:x"], "no module .."),
        ([*SMOKE, "--backend", "a b:c"], "no module a b"),
        ([*SMOKE, "--backend", "dask", "--scheduler", ""], "--scheduler ADDRESS"),
        ([*SMOKE, "--env", "linear"], "--env linear is neither"),
        (
            ["run", "--suite", "tests.cli.wrong_module:X"],
            "imported: RuntimeError: no way",
        ),
        (["check", "os:path"], "os:path is no class but module"),
        (["check", "condfip=nowhere"], "no checkpoint at nowhere"),
        ([*SMOKE, "--methods", ","], ", names nothing"),
        (["check", "os:system"], "os:system is made without arguments, but wants command"),
        (["table", "sachs-paper", "--like", "0"], "no table 0"),
        (["rebuild", "sachs-paper", "--publish", "../x"], "names may contain only letters"),
        (["rebuild", "sachs-paper", "--publish", ""], "names may contain only letters"),
        (["new-method", "class"], "no name for a method"),
        ([*SMOKE, "--device", "tpu"], "invalid choice"),
        ([*SMOKE, "--retry", "everything"], "--retry"),
        (["run"], "either --suite"),
        (["check", "lineal"], "unknown method lineal"),
        (["check", "truth"], "needs the true SCM"),
        (["table", "nowhere"], "no results"),
        (["fly"], "invalid choice"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_1(arguments, message, capsys, tmp_path):
    fails_with(capsys, arguments, message)


@pytest.mark.parametrize(
    "csv,edges,more,message",
    [
        ("a,b\n1,2\n2,1\n3,4\n4,3\n", "source,target\na,b\nb,a\n", [], "cycle"),
        ("a,b\n1,2\n2,1\n3,4\n4,3\n", "source,target\na,c\n", [], "names c"),
        ("a,b\n1,x\n2,1\n3,4\n4,3\n", "source,target\na,b\n", [], "column b holds text"),
        (
            "a,b\n1,\n2,1\n3,4\n4,3\n",
            "source,target\na,b\n",
            ["--missing", "error"],
            "column b has NaN in 1 of 4 rows",
        ),
        ("a,b\n1,2\n2,2\n3,2\n4,2\n", "source,target\na,b\n", [], "column b is constant"),
        ("a,b\n1,2\n2,1\n3,4\n4,3\n", "source\na\n", [], "e.csv"),
        ("", "source,target\na,b\n", [], "it is empty"),
        ("a,b\n1,2\n2,1\n", "source,target\na,b\n", [], "at least 4"),
        ("a,b\n1,2\n2,1\n3,4\n4,3\n", "source,target\na,b\n", ["--do", "c=1"], "unknown column"),
        ("a,b\n1,2\n2,1\n3,4\n4,3\n", "source,target\na,b\n", ["--do", "a=x"], "no number"),
    ],
)
def test_bad_files_are_one_line_and_exit_code_1(csv, edges, more, message, capsys, tmp_path):
    (tmp_path / "t.csv").write_text(csv)
    (tmp_path / "e.csv").write_text(edges)
    files = ["--data", str(tmp_path / "t.csv"), "--graph", str(tmp_path / "e.csv")]
    fails_with(capsys, ["run", *files, *more, "--out", str(tmp_path / "out")], message)


def test_an_unwritable_folder_is_one_line_and_exit_code_1(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    arguments = [*ONE, "--methods", "linear", "--out", str(blocked / "out")]
    fails_with(capsys, arguments, "cannot write")


def test_a_run_prints_its_table_and_writes_everything(tmp_path, capsys):
    assert main([*ONE, "--methods", "truth,linear", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "### counterfactual" in out and "beside the published results" in out
    assert "cells: 2 ok" in out and str(tmp_path) in out
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")}
    assert {
        "results.csv",
        "run.json",
        "tables/noise.md",
        "tables/noise.tex",
        "tables/noise.csv",
        "figures/bars.png",
        "figures/bars.pdf",
        "figures/runtime.png",
    } <= written
    for form in ("md", "tex", "csv"):
        assert main(["table", str(tmp_path), "--metric", "noise", "--format", form]) == 0
    assert r"\toprule" in capsys.readouterr().out
    assert main(["compare", str(tmp_path), "paper", "--cells"]) == 0
    compared = capsys.readouterr().out
    assert "Cond-FiP" in compared and "linear" in compared
    assert main(["compare", str(tmp_path), "paper", "--methods", "linear"]) == 0
    pooled = capsys.readouterr().out
    assert "| linear" in pooled and "| truth" not in pooled and "within 15 %" in pooled
    fails_with(
        capsys, ["compare", str(tmp_path), "paper", "--methods", "lienar"], "no method lienar"
    )
    assert main(["plot", str(tmp_path), "--kind", "draws"]) == 0
    assert (tmp_path / "figures" / "draws.png").stat().st_size > 10_000


def test_own_data_gives_scores_samples_interventions_and_counterfactuals(own, capsys):
    out = own / "out"
    arguments = [
        "run",
        "--data",
        str(own / "my.csv"),
        "--graph",
        str(own / "edges.csv"),
        "--methods",
        "additive",
        "--do",
        "rain=5",
        "--n",
        "50",
        "--out",
        str(out),
    ]
    assert main([*arguments, "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "### distances" in printed and "### residual" in printed and "### effects" in printed
    assert "wind is in no edge" in printed and (out / "tables" / "nodes.md").exists()
    assert len(pd.read_csv(out / "samples-additive.csv")) == 50
    done = pd.read_csv(out / "do-additive.csv")
    assert [c for c in done.columns if " " not in c] == ["rain", "sprinkler", "grass"]
    assert (done["rain"] == 5).all()
    assert abs(done["grass"].mean() - 10) < 0.5
    table, twins = pd.read_csv(own / "my.csv"), pd.read_csv(out / "counterfactual-additive.csv")
    np.testing.assert_allclose(twins["sprinkler"], table["sprinkler"])
    expected = table["grass"] + 2 * (5 - table["rain"])
    assert (twins["grass"] - expected).abs().mean() < 0.3


def test_list_says_what_there_is(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for word in ("lorch", "quick 40", "truth", "gp", "counterfactual", "licence"):
        assert word in out


def test_check_prints_every_law(capsys):
    assert main(["check", "linear"]) == 0
    assert f"{len(LAWS)} passed, 0 failed" in capsys.readouterr().out
    assert main(["check", "tests.laws.broken_methods:Transposed"]) == 2
    assert "FAIL  orients the collider" in capsys.readouterr().out


@pytest.mark.slow
def test_the_module_runs_as_a_command(tmp_path):
    command = [sys.executable, "-m", "bench", "list", "suites"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "lorch" in found.stdout


@pytest.fixture()
def two_runs(tmp_path, monkeypatch):
    """A folder in which two runs were computed and one is published."""
    monkeypatch.chdir(tmp_path)
    first = write(Path("results/first"), [record("gp"), record("linear"), record("gp", d=20)])
    publish(first, Path("results/published/known"))
    write(Path("results/second"), [record("mlp"), record("gp", d=20)])
    os.utime("results/first/records.jsonl", (1, 1))
    return tmp_path


def printed(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_without_a_run_the_newest_is_shown_and_named_in_the_first_line(two_runs, capsys):
    out = printed(capsys, "table")
    assert out.splitlines()[0] == "newest run: results/second" and "| mlp" in out
    assert printed(capsys, "table", "--format", "csv").startswith("d,method")


def test_tables_take_several_runs_and_published_names_and_show_what_is_asked(two_runs, capsys):
    out = printed(capsys, "table", "known", "results/second", "--missing", "show")
    assert all(f"| {method}" in out for method in ("gp", "linear", "mlp"))
    out = printed(capsys, "table", "known", "--methods", "gp", "--where", "d=20")
    assert "| 20" in out and "| 10" not in out and "| linear" not in out
    fails_with(capsys, ["table", "unknown"], "published are known")
    fails_with(capsys, ["table", "known", "--methods", "pg"], "there are gp, linear")
    fails_with(capsys, ["table", "known", "--where", "depth=3"], "no axis depth")
    fails_with(capsys, ["table", "known", "--metric", "sample"], "there are noise")


def test_compare_takes_a_run_alone_a_pair_or_the_paper(two_runs, capsys):
    assert "3 cells, 3 equal to 1e-6" in printed(capsys, "compare", "results/first")
    out = printed(capsys, "compare", "results/first", "results/second", "--methods", "mlp,gp")
    assert "| mlp" in out and "+0.000" in out and "| linear" not in out
    assert "within 15 %" in printed(capsys, "compare", "known", "paper")


def test_everything_is_made_again_from_records(two_runs, capsys, monkeypatch):
    out = printed(capsys, "rebuild", "results/first")
    assert "3 ok" in out
    made = {p.relative_to("results/first").as_posix() for p in Path("results/first").rglob("*.*")}
    assert {"results.csv", "report.html", "tables/noise.tex", "figures/bars.png"} <= made
    monkeypatch.setattr("bench.analysis.outputs.write_figures", lambda *_, **__: [])
    out = printed(capsys, "merge", "results/second", "known", "results/both")
    assert "4 records of 2 launches" in out and "4 ok" in out
    assert "known" in printed(capsys, "list", "published")
