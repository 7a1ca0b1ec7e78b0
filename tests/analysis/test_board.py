"""The board: scores over SCMs, what they were computed with, and the page in a browser."""

import re

import numpy as np
import pandas as pd
import pytest

from bench.analysis.board import page, reference_of
from bench.analysis.results import read_results
from bench.analysis.skill import ratios, score, tables
from bench.cli.parser import main
from tests.analysis.test_report import opened
from tests.cli.test_cli import fails_with
from tests.made_rows import record, write

METHODS = {"truth": 0.0, "marginal": 1.0, "gp": 0.1, "linear": 0.5}


def cells(methods, **changes):
    return [
        record(m, {"noise": error * (i + 1)}, index=i, scenario=scenario, **changes)
        for scenario in ("LIN_IN", "RFF_IN")
        for i in range(3)
        for m, error in methods.items()
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: `linear` has half of the SCMs in the first, `gp` is in both."""
    folder = tmp_path_factory.mktemp("runs")
    every = cells(METHODS)
    half = [r for r in every if r["key"]["method"] != "linear" or "LIN" in r["result"]["task"]]
    return [
        write(folder / "first", half),
        write(folder / "second", cells({"gp": 0.1}, source="other")),
    ]


def test_ratios_are_to_the_control_that_most_cells_have_and_leave_the_truth_out(runs):
    frame = read_results(runs)
    assert reference_of(frame, "") == "marginal" and reference_of(frame, "gp") == "gp"
    rows = ratios(frame, "noise", "marginal")
    means = np.exp(rows.groupby("method")["log"].mean())
    assert set(means.index) == {"marginal", "gp", "linear"}
    assert means["gp"] == pytest.approx(0.1) and means["linear"] == pytest.approx(0.5)
    assert ratios(frame, "noise", "truth").empty
    with pytest.raises(ValueError, match="no method pg"):
        reference_of(frame, "pg")


def test_a_score_is_a_geometric_mean_whose_interval_is_over_scms():
    logs = pd.Series(np.log([0.1, 0.2, 0.4, 0.8]), list("abcd"))
    strata = pd.Series("s", logs.index)
    found = score(logs, strata, 5)
    assert found.mean == pytest.approx((0.1 * 0.2 * 0.4 * 0.8) ** 0.25)
    assert found.low < found.mean < found.high and found.text().endswith(" 4/5")
    alone = score(logs.iloc[:1], strata, 1)
    assert alone.text() == "0.100" and np.isnan(alone.low)
    one_apart = strata.where(strata.index != "a", "other")
    assert score(logs, one_apart, 4).low > 0


def test_settings_of_one_scm_are_no_further_scms(tmp_path):
    many = [
        record(m, {"noise": error}, index=i, n_context=n)
        for n in (50, 100, 200)
        for i in range(2)
        for m, error in METHODS.items()
    ]
    text = page([write(tmp_path / "rows", many)])
    assert "of 2 SCMs" in text and "n/2: the method has" in text


def test_methods_with_half_of_the_scms_are_shown_on_those_that_they_share(tmp_path):
    """Five of six SCMs have both; the one that only gp has is hard and does not count."""
    many = [
        record(m, {"noise": error}, index=i)
        for m, error in METHODS.items()
        for i in range(6)
        if m != "linear" or i
    ]
    many = [r for r in many if r["key"]["method"] != "gp" or r["key"]["settings"]["index"]]
    many += [record("gp", {"noise": 0.9}, index=0)]
    frame = read_results(write(tmp_path / "some", many))
    whole, shared, *_ = tables(ratios(frame, "noise", "marginal"), "noise", "marginal")
    scores = [{row[0]: row[2].mean for row in part["table"].rows} for part in (whole, shared)]
    assert scores[0]["gp"] == pytest.approx((0.1**5 * 0.9) ** (1 / 6))
    assert scores[1] == pytest.approx({"gp": 0.1, "linear": 0.5, "marginal": 1.0})
    assert shared["about"].startswith("5 SCMs")
    assert {row[0]: row[1] for row in whole["table"].rows}["marginal"] == "control"


def test_the_page_says_what_every_row_was_computed_with(runs, tmp_path, capsys):
    out = tmp_path / "board.html"
    assert main(["board", *map(str, runs), "--out", str(out)]) == 0
    text = out.read_text()
    assert "error / marginal" in text and "3/6" in text and "6 cells are in several" in text
    assert "c0ffee" in text and "first" in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert len(text) < 100_000
    fails_with(capsys, ["board", str(runs[0]), "--reference", "pg"], "no method pg")
    lonely = write(tmp_path / "lonely", cells({"gp": 0.1}))
    fails_with(capsys, ["board", str(lonely)], "no control to divide by")


def test_a_name_stays_a_name(tmp_path):
    odd = {**METHODS, "<script>alert(1)</script>$x$": 0.3}
    assert "<script>alert" not in page([write(tmp_path / "odd", cells(odd))])


def test_the_board_sorts_and_changes_its_theme_in_a_browser(runs, tmp_path):
    path = tmp_path / "board.html"
    assert main(["board", *map(str, runs), "--out", str(path)]) == 0
    with opened(path, tmp_path / "profile") as browser:
        assert browser.get_log("browser") == []
        column = "return [...document.querySelectorAll('#noise table')][0].tBodies[0].innerText"
        browser.find_element("css selector", '#noise th[data-name="method"] button').click()
        up = browser.execute_script(column).split("\n")
        browser.find_element("css selector", '#noise th[data-name="method"] button').click()
        assert browser.execute_script(column).split("\n") == up[::-1] and len(up) == 3
        page_colour = "return getComputedStyle(document.body).backgroundColor"
        before = browser.execute_script(page_colour)
        browser.find_element("id", "theme").click()
        assert browser.execute_script(page_colour) != before
        browser.find_element("css selector", "#noise td a").click()
        shown = "return [...document.querySelectorAll('#cells tbody tr')].filter(r => !r.hidden)"
        kept = browser.execute_script(shown + ".map(r => r.cells[0].textContent.trim())")
        assert kept and len(set(kept)) == 1
