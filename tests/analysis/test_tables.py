"""Tables: marks of significance, LaTeX that compiles, two runs side by side."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.amortization import amortization
from bench.analysis.compare import compare_runs
from bench.analysis.render import render
from bench.analysis.table import Entry, paper_table
from bench.cli.parser import main
from tests.made_rows import rows

RESULTS = Path(__file__).parents[2] / "results"
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""


def cells(table):
    return {row[table.header.index("method")]: row[-1] for row in table.rows}


def three_methods(n):
    rng = np.random.default_rng(0)
    best = rng.gamma(2, size=n)
    steps = np.arange(n)
    even = (0.5 + 0.01 * steps) * (-1.0) ** steps + 0.02
    return {"gp": best, "linear": best + 1 + 0.01 * steps, "mlp": best + even, "floor": best / 2}


def test_the_best_is_bold_and_what_is_not_worse_underlined():
    table = paper_table(pd.DataFrame(rows(three_methods(12))), "noise")
    marks = {m: (c.best, c.near) for m, c in cells(table).items() if isinstance(c, Entry)}
    assert marks == {
        "floor": (False, False),
        "gp": (True, False),
        "linear": (False, False),
        "mlp": (False, True),
    }
    assert "best, Holm, 5 %, over the SCMs of a column, 12" in table.caption
    assert "<u>" in render(table) and r"\underline{" in render(table, "tex")
    assert "<u>" not in render(table, "csv")


def test_nothing_is_underlined_where_no_test_could_reject():
    table = paper_table(pd.DataFrame(rows(three_methods(6))), "noise")
    assert not any(c.near for c in cells(table).values() if isinstance(c, Entry))
    assert "No test of 3 methods can reject at 5 % over 6 SCMs" in table.caption


def test_the_test_pools_all_d():
    larger = {method: 1.1 * errors for method, errors in three_methods(6).items()}
    frame = pd.DataFrame(rows(three_methods(6)) + rows(larger, d=20))
    table = paper_table(frame, "noise")
    assert sum(row[-1].near for row in table.rows if isinstance(row[-1], Entry)) == 2
    assert "the SCMs of all d of a column, 12" in table.caption


def test_a_method_that_lacks_problems_is_counted_and_not_tested():
    frame = pd.DataFrame(rows({**three_methods(12), "mlp": three_methods(12)["mlp"][:11]}))
    with pytest.raises(ValueError, match="unequal sets"):
        paper_table(frame, "noise")
    shown = cells(paper_table(frame, "noise", "show"))["mlp"]
    assert not shown.near and shown.text().endswith("11/12")
    common = cells(paper_table(frame, "noise", "common"))["mlp"]
    assert common.near and common.n == common.total == 11


def test_two_runs_side_by_side_by_hand():
    first = pd.DataFrame(rows({"gp": [1.0, 2.0, 3.0], "linear": [5.0, 5.0, 5.0]}))
    second = pd.DataFrame(rows({"gp": [2.0, 3.0, 5.0]}))
    (row,) = compare_runs(first, second).rows
    assert row[:4] == ["noise", "10", "LIN_IN", "gp"]
    assert (row[4].mean, row[4].n) == (2, 3)
    assert row[6:] == ["+1.333", "+4.0"]
    with pytest.raises(ValueError, match="share no method"):
        compare_runs(first, second.assign(data_sha="other"))


def test_the_command_compares_a_run_with_itself(capsys):
    folder = str(RESULTS / "lorch-quick")
    assert main(["compare", folder, folder]) == 0
    assert "+0.000" in capsys.readouterr().out


def test_every_committed_table_compiles(tmp_path, capsys):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended")
    quick = str(RESULTS / "lorch-quick")
    assert main(["table", quick, "--like", "1", "--format", "tex"]) == 0
    assert main(["compare", quick, "paper", "--format", "tex"]) == 0
    written = [path.read_text() for path in sorted(RESULTS.glob("*/tables/*.tex"))]
    tables = [*written, capsys.readouterr().out]
    (tmp_path / "all.tex").write_text(DOCUMENT % "\\clearpage\n".join(tables))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


def test_pretraining_is_repaid_after_as_many_datasets_as_it_saves():
    frame = pd.DataFrame(rows({"gp": [0.1, 0.1], "linear": [0.1, 0.1], "condfip": [0.1, 0.1]}))
    frame["fit_s"] = frame["method"].map({"gp": 4.0, "linear": 0.5, "condfip": 1.0})
    frame["query_s"] = 1.0
    frame["pretrain_s"] = frame["method"].map({"condfip": "100.0", "gp": "", "linear": ""})
    found = {row[1]: row[2:] for row in amortization(frame).rows}
    assert found == {"gp": ["5", "34"], "linear": ["1.5", "-"], "condfip": ["2", ""]}
    with pytest.raises(ValueError, match="no method of the run was pretrained"):
        amortization(frame.assign(pretrain_s=""))
