"""What is committed of results: every published run opens, its tables and pages are its own."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bench.analysis.outputs import tables_of
from bench.analysis.render import render
from bench.analysis.results import read_results
from bench.analysis.skill import over
from bench.analysis.stats import paired_difference
from bench.cli.pages import PAGES as FILLED
from bench.cli.pages import Filler, redrawn
from bench.cli.parser import main
from bench.registry import DISCOVERY, METHODS, SUITES
from bench.run.records import read_launches, read_records
from condfip.checkpoint import load
from condfip.paper.method import SHIPPED

pytestmark = pytest.mark.artefacts
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
RUNS = sorted((RESULTS / "published").iterdir())
LIST = (RESULTS / "RUNS.md").read_text()
PAGES = [ROOT / name for name in FILLED]


def test_results_stay_small():
    committed = [p for p in RESULTS.glob("*") if p.is_file()]
    committed += [p for p in (RESULTS / "published").rglob("*") if p.is_file()]
    assert len(committed) <= 200
    assert sum(path.stat().st_size for path in committed) <= 8e6


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_every_published_run_opens_and_its_tables_are_its_own(folder):
    records = read_records(folder)
    assert records.current and not records.spoilt and not records.stale
    launches = read_launches(folder)
    assert {record["run"]["launch"] for record in records.current} <= set(range(len(launches)))
    assert any(launch["command"].startswith("python -m bench run") for launch in launches)
    frame = read_results(folder)
    tables = {table.name: render(table, "md") for table in tables_of(frame)}
    written = {path.stem: path.read_text() for path in (folder / "tables").glob("*.md")}
    assert written and written.items() <= tables.items()
    assert f"`{folder.name}`" in LIST


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_says_what_its_commands_print(page, capsys, monkeypatch):
    """Each number, table and figure of it, made again from the published runs."""
    monkeypatch.chdir(ROOT)
    text = page.read_text()
    assert Filler(main).fill(text) == text and not redrawn(text, main)


@pytest.mark.parametrize(("page", "most"), [("README.md", 8_000), ("results/README.md", 15_000)])
def test_a_page_stays_short(page, most):
    assert (ROOT / page).stat().st_size < most


@pytest.mark.parametrize("group", [METHODS, SUITES, DISCOVERY])
def test_the_installed_entry_points_are_those_of_the_project(group):
    """A new line is invisible until `pip install -e .` runs again."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {
        e.name: e.value for e in entry_points(group=group) if e.dist.name == "condfip-bench"
    }
    assert installed == project["entry-points"][group], "run: pip install -e ."


@pytest.fixture(scope="module")
def quick():
    return read_results("lorch-quick")


@pytest.mark.parametrize("metric", ["noise", "sample", "intervention", "counterfactual"])
def test_the_controls_are_the_ends_of_the_scale(quick, metric):
    rows = quick[quick["metric"] == metric]
    values = rows.pivot(index=["scenario", "d", "scm"], columns="method", values="value")
    assert (values["truth"] < 1e-6).all()
    if metric != "counterfactual":
        means = values.groupby("scenario").mean()
        assert (means.idxmax(axis=1) == "marginal").all()
    if metric == "noise":
        no_method_is_below_the_floor(values.loc["RFF_IN"])


def no_method_is_below_the_floor(values):
    for _, cell in values.groupby("d"):
        for method in set(values.columns) - {"truth", "floor"}:
            mean, error = paired_difference(cell[method], cell["floor"])
            assert mean > -2 * error, f"{method} lies below the floor by {-mean / error:.1f} SE"


def test_the_shipped_cond_fip_is_as_good_as_the_card_says():
    """Better than lines where F is curved, than no graph, than the published abduction."""
    frame = read_results("lorch-causica")
    own = frame[frame["method"] == "condfip"]
    assert set(own["checkpoint"]) == {load(SHIPPED).sha}
    means = frame.groupby(["metric", "scenario", "d", "method"])["value"].mean().unstack()
    curved = means.loc[["noise", "sample"], ["RFF_IN", "RFF_OUT"], :]
    assert (curved["condfip"] < curved["linear"]).all()
    errors = means.loc[["noise", "sample", "intervention", "counterfactual"]]
    assert (errors["condfip"] < errors["marginal"]).all()
    ratio = over(frame, "counterfactual", "condfip-published").rows
    assert next(score.high for name, score in ratio if name == "condfip") < 0.5
