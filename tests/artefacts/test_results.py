"""Tables, statistics, published figures, and every committed table."""

import json
import math
import re
import shlex
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pandas as pd
import pytest

from bench.analysis.compare import compare_paper, like
from bench.analysis.plots.style import RANKED, style
from bench.analysis.published import figures, matching
from bench.analysis.render import render
from bench.analysis.stats import combined_se, mean_se, paired_difference
from bench.analysis.table import Entry, Table, metrics_of, paper_table, read_results
from bench.analysis.verdicts import verdicts
from bench.cli.parser import main
from bench.registry import DISCOVERY, METHODS, SUITES
from bench.run.records import COLUMNS
from condfip.checkpoint import load
from condfip.method import SHIPPED

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.parent for path in (ROOT / "results").glob("*/results.csv"))


def test_mean_and_standard_error_by_hand():
    mean, error = mean_se([1.0, 2.0, 3.0])
    assert mean == 2 and error == pytest.approx(1 / math.sqrt(3))
    assert math.isnan(mean_se([1.0])[1])
    assert paired_difference([2.0, 4.0], [1.0, 1.0]) == (2.0, pytest.approx(1.0))
    for wrong in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError):
            mean_se(wrong)
    with pytest.raises(ValueError, match="equal sets"):
        paired_difference([1.0], [1.0, 2.0])
    assert combined_se(0.03, 0.04) == pytest.approx(math.sqrt(0.0025 + 2 * 0.003**2))


def test_published_figures_are_all_there():
    assert len(figures()) == 1388
    found = {(f.method, f.scenario): f.mean for f in matching("noise", 10)}
    assert len(found) == 16
    assert found["DoWhy", "RFF_IN"] == 0.13 and found["Cond-FiP", "RFF_IN"] == 0.10
    assert {f.table for f in matching("counterfactual", 20)} == {30}
    assert {f.table for f in matching("noise", 10, shift="noise", alpha=5)} == {7}
    assert {f.table for f in matching("noise", 20, n_context=1000)} == {27}


def test_rendering_marks_the_best_and_the_missing():
    row = ["10", "a_b", Entry(0.5, 0.01, 9, 9, best=True), Entry(1, math.nan, 1, 2)]
    table = Table("noise", "50% of x_1", ["d", "method", "LIN", "RFF"], [row])
    assert "**0.500 (0.010)**" in render(table) and "1.000 1/2" in render(table)
    latex = render(table, "tex")
    assert r"\textbf{0.500 (0.010)}" in latex and r"a\_b" in latex and r"50\%" in latex
    assert render(table, "csv").splitlines()[1] == "10,a_b,0.500 (0.010),1.000 1/2"


def test_every_known_method_has_a_colour_of_its_own():
    drawn = {tuple(style(name).values()) for name in RANKED}
    assert len(drawn) == len(RANKED)


@pytest.mark.parametrize("group", [METHODS, SUITES, DISCOVERY])
def test_the_installed_entry_points_are_those_of_the_project(group):
    """A new line is invisible until `pip install -e .` runs again."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {
        e.name: e.value for e in entry_points(group=group) if e.dist.name == "condfip-bench"
    }
    assert installed == project["entry-points"][group], "run: pip install -e ."


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_every_committed_run_opens(folder):
    frame = read_results(folder)
    assert tuple(frame.columns) == COLUMNS
    assert json.loads((folder / "run.json").read_text())["command"].startswith(
        "python -m bench run"
    )
    assert len(list((folder / "records").glob("*.json"))) == len(
        frame.drop_duplicates(["problem", "method"])
    )
    for metric in metrics_of(frame):
        table = paper_table(frame, metric, "show")
        for form in ("md", "tex", "csv"):
            written = (folder / "tables" / f"{metric}.{form}").read_text()
            assert written == render(table, form)


def quick(metric):
    frame = read_results(ROOT / "results" / "lorch-quick")
    rows = frame[frame["metric"] == metric]
    return rows.pivot(index=["scenario", "d", "problem"], columns="method", values="value")


@pytest.mark.parametrize("metric", ["noise", "sample", "intervention", "counterfactual"])
def test_the_controls_are_the_ends_of_the_scale(metric):
    values = quick(metric)
    assert (values["truth"] < 1e-6).all()
    if metric != "counterfactual":
        means = values.groupby("scenario").mean()
        assert (means.idxmax(axis=1) == "marginal").all()
    for _, cell in values.loc["RFF_IN"].groupby("d"):
        for method in set(values.columns) - {"truth", "floor"}:
            mean, error = paired_difference(cell[method], cell["floor"])
            assert mean > -2 * error, f"{method} lies below the floor by {-mean / error:.1f} SE"


def test_the_quick_run_compares_with_the_paper():
    frame = read_results(ROOT / "results" / "lorch-quick")
    rows = pd.DataFrame(compare_paper(frame).rows, columns=compare_paper(frame).header)
    assert set(rows["paper"]) == {"Cond-FiP", "DECI", "DoWhy", "FiP"}


@pytest.mark.parametrize(
    "metric, only", [("noise_smoothed", "Cond-FiP"), ("noise_residual", "CausalNF")]
)
def test_special_noises_meet_the_one_method_that_had_them(metric, only):
    assert {figure.method for figure in matching(metric, 10)} == {only}
    assert len({figure.method for figure in matching("noise", 10)}) == 4


def test_verdicts_count_what_the_comparison_shows():
    frame = read_results(ROOT / "results" / "lorch-quick")
    rows = compare_paper(frame).rows
    gaps = [float(row[7]) for row in rows if row[:1] + row[3:4] == ["sample", "Cond-FiP"]]
    counted = {(row[0], row[1]): row[2:] for row in verdicts(frame).rows}
    low, even, high = map(int, counted["sample", "condfip"][0].split(" / "))
    assert sum(g < -2 for g in gaps) <= low <= sum(g <= -2 for g in gaps)  # printed to one digit
    assert sum(g > 2 for g in gaps) <= high <= sum(g >= 2 for g in gaps)
    assert low + even + high == len(gaps) == 8
    assert counted["noise_smoothed", "condfip"][1:] == ["", "", ""]


PAGE = (ROOT / "results" / "README.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```\n\$ python -m bench (.*?)```", PAGE, re.DOTALL))
def test_the_page_of_results_shows_what_its_commands_print(block, capsys, monkeypatch):
    command, shown = block.split("\n", 1)
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out.strip() == shown.strip()


@pytest.mark.parametrize(
    "folder",
    sorted({p.parent for p in ROOT.glob("results/*/paper/table-*.md")}),
    ids=lambda path: path.parent.name,
)
def test_committed_tables_of_the_paper_are_those_of_their_run(folder):
    frame = read_results(folder.parent)
    for path in folder.glob("table-*.md"):
        assert path.read_text() == render(like(frame, int(path.stem.split("-")[1])), "md")


def test_a_table_of_the_paper_has_ours_beside_it():
    frame = read_results(ROOT / "results" / "lorch-quick")
    table = like(frame, 1)
    methods = [row[2] for row in table.rows if row[0] == "10"]
    assert {"Cond-FiP (paper)", "DoWhy (paper)", "gp", "linear"} <= set(methods)
    assert table.header[3:] == ["LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT"]
    with pytest.raises(ValueError, match="no problems of table 10"):
        like(frame, 10)
    with pytest.raises(ValueError, match="no table 31"):
        like(frame, 31)


@pytest.fixture(scope="module")
def card_run():
    frame = read_results(ROOT / "results" / "condfip-quick")
    assert set(frame[frame["method"] == "condfip"]["checkpoint_sha"]) == {load(SHIPPED).sha}
    return frame


def test_the_model_card_has_the_numbers_of_its_run(card_run):
    means = card_run.groupby(["method", "scenario", "d", "metric"])["value"].mean()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (SHIPPED.parent / "MODEL_CARD.md").read_text().splitlines()
        if re.match(r"\| \S+ \| (LIN|RFF)_", line)
    ]
    assert len(rows) == 24
    metrics = ("noise", "sample", "intervention", "counterfactual", "noise_smoothed")
    for method, scenario, d, *shown in rows:
        found = [means.get((method, scenario, int(d), metric)) for metric in metrics]
        assert shown == ["" if value is None else f"{value:.3f}" for value in found]


def test_the_shipped_cond_fip_is_as_good_as_the_card_says(card_run):
    means = card_run.groupby(["metric", "scenario", "d", "method"])["value"].mean().unstack()
    nonlinear = means.loc[["noise", "sample"], ["RFF_IN", "RFF_OUT"], :]
    assert (nonlinear["condfip"] < nonlinear["linear"]).all()
    known = means.drop(index="noise_smoothed")
    assert (known["condfip"] < known["marginal"]).all()
    answers = card_run[card_run["metric"] == "counterfactual"].groupby("method")["value"].sum()
    assert answers["condfip"] <= 0.5 * answers["condfip-published"]
