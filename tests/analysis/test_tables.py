"""Tables: SCMs as blocks, marks of significance, explosions, LaTeX that compiles."""

import math
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from bench.analysis.paper import compare_paper, like, pooled
from bench.analysis.published import matching
from bench.analysis.render import render, with_columns
from bench.analysis.stats import pooled_ratio
from bench.analysis.summary import amortization, floor_of, summary
from bench.analysis.table import Entry, Table, metric_table
from tests.made_rows import rows

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
    return {"floor": best / 2, "gp": best, "linear": best + 1 + 0.01 * steps, "mlp": best + even}


def test_the_best_is_bold_and_what_is_not_worse_underlined():
    table = metric_table(pd.DataFrame(rows(three_methods(12))), "noise")
    marks = {m: (c.best, c.near) for m, c in cells(table).items() if isinstance(c, Entry)}
    assert marks == {
        "floor": (False, False),
        "gp": (True, False),
        "linear": (False, False),
        "mlp": (False, True),
    }
    assert "best, Holm, 5 %, over the SCMs alike in all else, 12" in table.caption
    assert "<u>" in render(table) and r"\underline{" in render(table, "tex")
    assert "<u>" not in render(table, "csv")


@pytest.mark.parametrize(
    "suites,said",
    [
        (("lorch",), "in standard deviations of the node;"),
        (("violations",), "in half distances between the 16 % and the 84 % quantile of the node;"),
        (("acic2016",), "in units of the node;"),
        (("mine:SUITE", "acic2016"), "in standard deviations of the node or units of the node;"),
    ],
)
def test_a_caption_says_what_its_suites_count_in(suites, said):
    parts = [pd.DataFrame(rows({"gp": [0.1]})).assign(suite=suite) for suite in suites]
    frame = pd.concat(parts)
    assert said in metric_table(frame.reset_index(drop=True), "noise").caption


def test_a_caption_says_what_was_seen_in_training():
    frame = pd.concat(
        pd.DataFrame(rows(three_methods(3), scenario=name)).assign(seen_in_training=seen)
        for name, seen in {"LIN_IN": True, "RFF_IN": "partly", "LIN_OUT": False}.items()
    )
    frame.loc[frame["method"] != "mlp", "seen_in_training"] = None
    said = "Seen in training: mlp true (LIN_IN), partly (RFF_IN), false (LIN_OUT). "
    assert said in metric_table(frame, "noise").caption
    assert "training" not in metric_table(frame[frame["method"] != "mlp"], "noise").caption
    alike = frame[frame["scenario"] == "LIN_OUT"]
    assert "mlp false. " in metric_table(alike, "noise").caption


def test_nothing_is_underlined_where_no_test_could_reject():
    table = metric_table(pd.DataFrame(rows(three_methods(6))), "noise")
    assert not any(c.near for c in cells(table).values() if isinstance(c, Entry))
    assert "No test of 3 methods can reject at 5 % over 6 SCMs" in table.caption


def test_the_test_pools_all_d():
    larger = {method: 1.1 * errors for method, errors in three_methods(6).items()}
    frame = pd.DataFrame(rows(three_methods(6)) + rows(larger, d=20))
    table = metric_table(frame, "noise")
    assert sum(row[-1].near for row in table.rows if isinstance(row[-1], Entry)) == 2
    assert "the SCMs of all d alike in all else, 12" in table.caption


def test_a_method_that_lacks_scms_is_counted_and_not_tested():
    frame = pd.DataFrame(rows({**three_methods(12), "mlp": three_methods(12)["mlp"][:11]}))
    with pytest.raises(ValueError, match="unequal sets"):
        metric_table(frame, "noise")
    shown = cells(metric_table(frame, "noise", "show"))["mlp"]
    assert not shown.near and shown.text().endswith("11/12")
    common = cells(metric_table(frame, "noise", "common"))["mlp"]
    assert common.near and common.n == common.total == 11


def test_the_settings_of_one_scm_are_one_block():
    few = {m: errors[:6] for m, errors in three_methods(6).items()}
    sweep = [row for n in (50, 100, 400) for row in rows(few, n_context=n)]
    table = summary(pd.DataFrame(sweep), "noise")
    assert "over all 6 SCMs that all methods have, each averaged over up to 3" in table.caption
    single = summary(pd.DataFrame(rows(few)), "noise")
    assert [row[1] for row in table.rows] == [row[1] for row in single.rows]
    assert "chi2 = " in single.caption
    assert single.caption.split("chi2 = ")[1] == table.caption.split("chi2 = ")[1]
    blocks = metric_table(pd.DataFrame(sweep), "noise")
    assert blocks.header[:2] == ["d", "n_context"]
    assert "No test of 3 methods can reject at 5 % over 6 SCMs" in blocks.caption


def test_an_exploding_mean_has_its_median_beside():
    errors = {"gp": [0.1, 0.2, 0.3, 0.2], "dowhy": [0.1, 0.2, 1e6, 0.2]}
    found = cells(metric_table(pd.DataFrame(rows(errors)), "noise"))
    assert found["gp"].middle is None
    assert found["dowhy"].text() == "2.5e+05 (2.5e+05) [median 0.200, trimmed 0.200]"


def test_shares_do_not_explode():
    shares = {"gp": [0.1, 0.2, 0.1, 0.2], "linear": [0.0, 0.0, 0.0, 0.2]}
    for metric, middle in (("noise", (0.0, 0.0)), ("effect_rows_outside", None)):
        frame = pd.DataFrame(rows(shares)).assign(metric=metric)
        assert cells(metric_table(frame, metric))["linear"].middle == middle


def test_rendering_marks_the_best_and_the_missing():
    row = ["10", "a_b", Entry(0.5, 0.01, 9, 9, best=True), Entry(1, math.nan, 1, 2)]
    table = Table("noise", "50% of x_1", ["d", "method", "LIN", "RFF"], [row])
    assert "**0.500 (0.010)**" in render(table) and "1.000 1/2" in render(table)
    latex = render(table, "tex")
    assert r"\textbf{0.500 (0.010)}" in latex and r"a\_b" in latex and r"50\%" in latex
    assert render(table, "csv").splitlines()[1] == "10,a_b,0.500 (0.010),1.000 1/2"


def test_a_floor_is_a_reference_near_the_best():
    roles = {"floor": "reference", "marginal": "reference", "gp": "baseline", "mlp": "baseline"}
    errors = pd.DataFrame(
        {"floor": [1.0, 2], "marginal": [9.0, 9], "gp": [1.1, 2], "mlp": [2.0, 3]}
    )
    assert floor_of(errors, roles) == "floor"
    assert floor_of(errors.drop(columns="marginal"), roles) == "floor"
    assert floor_of(errors.drop(columns="floor"), roles) is None


def test_published_figures_are_found_by_their_place():
    found = {(f.method, f.scenario): f.mean for f in matching("noise", 10)}
    assert len(found) == 12 and found["DoWhy", "RFF_IN"] == 0.13
    assert {f.table for f in matching("counterfactual", 20)} == {30}
    assert {f.table for f in matching("noise_published", 10, shift="noise", alpha=5)} == {7}
    assert {f.table for f in matching("noise", 20, n_context=1000)} == {27}


@pytest.mark.parametrize(
    "metric, only", [("noise_published", "Cond-FiP"), ("noise_residual", "CausalNF")]
)
def test_special_noises_meet_the_one_method_that_had_them(metric, only):
    assert {figure.method for figure in matching(metric, 10)} == {only}
    assert only not in {figure.method for figure in matching("noise", 10)}
    assert not list(matching("noise_smoothed", 10))


def four_kinds(errors, metric="noise", **settings):
    return [
        row
        for scenario in ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")
        for row in rows(errors, metric, scenario=scenario, **settings)
    ]


def test_an_own_method_stands_beside_its_namesake_and_others_by_name():
    frame = pd.DataFrame(four_kinds({"gp": [0.05, 0.06], "dowhy": [0.08, 0.09], "mlp": [0.1, 0.1]}))
    found = [(row[1], row[2]) for row in pooled(frame).rows]
    assert set(found) == {(m, p) for m in ("gp", "mlp") for p in ("DECI", "DoWhy", "FiP")} | {
        ("dowhy", "DoWhy")
    }
    table = compare_paper(frame)
    at = [table.header.index(name) for name in ("ours", "paper")]
    assert {tuple(row[k] for k in at) for row in table.rows} == set(found)
    residual = pd.DataFrame(four_kinds({"condfip": [0.1, 0.1]}))
    assert not pooled(residual).rows


def test_figures_that_are_not_comparable_are_left_out_of_pools():
    frame = pd.DataFrame(four_kinds({"gp": [0.1, 0.1]}, n_context=1000))
    assert {row[3] for row in pooled(frame).rows} == {"2"}


def test_a_pooled_ratio_by_hand():
    cell = pd.Series({"a": 1.0, "b": 3.0})  # standard error 1
    ratio = pooled_ratio([cell], [1.0], [0.0])
    assert ratio.value == 2
    assert ratio.se == pytest.approx(math.sqrt(1 / 4 + 0.003**2))
    twice = pooled_ratio([cell, cell], [1.0, 1.0], [0.0, 0.0])
    assert twice.se == pytest.approx(ratio.se, rel=1e-3), "the same SCMs tell nothing new"
    other = pooled_ratio([cell, cell.rename({"a": "c", "b": "d"})], [1.0, 1.0], [0.0, 0.0])
    assert other.se == pytest.approx(ratio.se / math.sqrt(2), rel=1e-3)
    flat = pd.Series({"a": 1.0, "b": 1.0})
    assert pooled_ratio([flat], [1.0], [0.01]).within(1.15) == "yes"
    assert pooled_ratio([flat], [2.0], [0.01]).within(1.15) == "no"
    assert pooled_ratio([flat], [1.0], [0.5]).within(1.15) == "not known"


def test_a_table_of_the_paper_has_ours_beside_it():
    frame = pd.DataFrame(four_kinds({"gp": [0.05, 0.06], "dowhy": [0.08, 0.09]}))
    table = like(frame, 1)
    methods = [row[2] for row in table.rows if row[0] == "10"]
    assert {"Cond-FiP (paper)", "gp", "dowhy", "dowhy: difference / SE"} <= set(methods)
    assert table.header[3:] == ["LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT"]
    with pytest.raises(ValueError, match="no problems of table 10"):
        like(frame, 10)
    with pytest.raises(ValueError, match="no table 31"):
        like(frame, 31)


def test_a_table_of_the_paper_leaves_out_what_was_drawn_otherwise():
    """Other noise, other shifts, other sizes: figures of the paper are of none of them."""
    ours = four_kinds({"gp": [0.05, 0.07]})
    others = [row for noise in ("laplace", "student_t") for row in odd(noise=noise)]
    others += odd(shift="noise", alpha=5.0) + odd(n_context=50)
    table = like(pd.DataFrame(ours + others), 1)
    (row,) = (row for row in table.rows if row[0] == "10" and row[2] == "gp")
    assert [(entry.mean, entry.n) for entry in row[3:]] == [(pytest.approx(0.06), 2)] * 4


def odd(**settings):
    """Rows of SCMs that no figure of the paper is of."""
    found = four_kinds({"gp": [9.0, 9.0]}, **settings)
    word = "/".join(f"{axis}={value}" for axis, value in settings.items())
    return [row | {name: f"{row[name]}/{word}" for name in ("task", "scm")} for row in found]


def test_tables_compile(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here: apt-get install texlive-latex-recommended")
    frame = pd.DataFrame(four_kinds(three_methods(6)))
    tables = [metric_table(frame, "noise"), summary(frame, "noise"), pooled(frame), like(frame, 1)]
    text = "\\clearpage\n".join(render(table, "tex") for table in tables)
    (tmp_path / "all.tex").write_text(DOCUMENT % text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout[-2000:]


def test_pretraining_is_repaid_after_as_many_datasets_as_it_saves():
    frame = pd.DataFrame(rows({"gp": [0.1, 0.1], "linear": [0.1, 0.1], "condfip": [0.1, 0.1]}))
    frame["fit_s"] = frame["method"].map({"gp": 4.0, "linear": 0.5, "condfip": 1.0})
    frame["query_s"] = 1.0
    frame["pretrain_s"] = frame["method"].map({"condfip": 100.0})
    found = {row[1]: row[2:] for row in amortization(frame).rows}
    assert found == {"gp": ["5", "34"], "linear": ["1.5", "-"], "condfip": ["2", ""]}
    slow = frame["index"].eq(1) & frame["method"].ne("gp")  # an SCM that gp lacks does not count
    frame = frame.assign(fit_s=frame["fit_s"].where(~slow, 99.0))
    of_one = amortization(frame[frame["index"].eq(0) | frame["method"].ne("gp")])
    assert {row[1]: row[2:] for row in of_one.rows} == found and "over 1 SCMs" in of_one.caption
    with pytest.raises(ValueError, match="no method of the run was pretrained"):
        amortization(frame.assign(pretrain_s=np.nan))


def test_latex_has_no_column_of_one_value_a_label_and_minus_signs():
    rows = [["10", "gp", "-0.25", Entry(-0.5, 0.1, 9, 9)], ["10", "a-2", "1.5e-05", "LIN-IN"]]
    table = Table("noise, by size", "rows 27-29.", ["d", "method", "gap", "error"], rows)
    latex = render(table, "tex")
    assert r"\label{tab:noise-by-size}" in latex and r"rows 27-29. In all rows: d 10.}" in latex
    assert r"gp & $-$0.25 & $-$0.500 (0.100) \\" in latex
    assert r"a-2 & 1.5e$-$05 & LIN-IN \\" in latex
    assert r"\begin{tabular}{lrr}" in latex and "method & gap & error" in latex
    assert latex.count(r"\midrule") == 1


def test_columns_are_chosen_by_name():
    table = Table("noise", "", ["d", "method", "LIN"], [["10", "gp", "1"]])
    chosen = with_columns(table, ["LIN", "d"])
    assert (chosen.header, chosen.rows) == (["LIN", "d"], [["1", "10"]])
    assert with_columns(table, []) is table
    with pytest.raises(ValueError, match="no column RFF in the table noise; there are d, method"):
        with_columns(table, ["RFF"])


def test_a_cell_that_one_scm_makes_is_counted_apart():
    calm, wild = [0.1, 0.1, 0.1, 0.1], [0.02, 0.02, 0.02, 0.34]
    for errors, unsettled in ((calm, 0), (wild, 4)):
        frame = pd.DataFrame(four_kinds({"gp": errors}))
        (row, *_) = pooled(frame).rows
        assert row[3:5] == ["4", str(unsettled)]
        gaps = [row[-1] for row in compare_paper(frame).rows]
        assert all(gap.endswith(", unsettled") for gap in gaps) == bool(unsettled)


def test_where_a_mean_explodes_the_ratio_of_medians_stands_beside():
    table = pooled(pd.DataFrame(four_kinds({"gp": [0.1, 0.1, 0.1, 1e6]})))
    assert all("(medians " in row[-2] for row in table.rows)
    assert "ratio of our medians" in table.caption
    calm = pooled(pd.DataFrame(four_kinds({"gp": [0.1, 0.1, 0.1, 0.2]})))
    assert not any("(medians" in row[-2] for row in calm.rows) and "medians" not in calm.caption
