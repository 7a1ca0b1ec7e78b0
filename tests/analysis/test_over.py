"""Errors over those of a reference: by an axis, and pooled over cells against context rows."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.plots import PLOTS
from bench.analysis.plots.over_reference import numbers
from bench.analysis.published import figures
from bench.analysis.skill import over
from tests.made_rows import rows

FLOOR = [0.01, 0.02, 0.04, 0.08]


def swept(times, **settings):
    """At 50 and 400 rows: a floor, ignoring the graph at ten times it, gp at `times` it."""
    found = []
    for n, factor in times.items():
        errors = {"floor": FLOOR, "marginal": [10 * e for e in FLOOR]}
        errors["gp"] = [factor * e for e in FLOOR]
        part = rows(errors, n_context=n, **settings)
        found += [row | {"task": f"{row['task']}/{n}"} for row in part]
    return found


def two_cells(times):
    return pd.DataFrame(swept(times) + swept(times, scenario="RFF_IN"))


def test_errors_over_the_floor_by_context_rows():
    table = over(two_cells({50: 3.0, 400: 2.0}), "noise", "floor", "n_context")
    assert table.header == ["method", "n = 50", "n = 400"]
    found = {row[0]: [(cell.mean, cell.n) for cell in row[1:]] for row in table.rows}
    assert set(found) == {"marginal", "gp"}
    assert found["gp"] == [(pytest.approx(3.0), 8), (pytest.approx(2.0), 8)]
    assert "over 8 SCMs" in table.caption and "n/N" not in table.caption


def test_a_method_that_lacks_scms_says_so():
    frame = two_cells({50: 3.0})
    first = frame["scm"].iloc[0]
    frame = frame[(frame["method"] != "gp") | (frame["scm"] != first)]
    table = over(frame, "noise", "floor")
    (score,) = (row[1] for row in table.rows if row[0] == "gp")
    assert "7/8" in score.text() and "n/N where a method lacks SCMs" in table.caption


def test_several_references_are_the_lowest_of_each_problem_that_has_all():
    errors = {"linear": [1.0, 4.0, 1.0], "gp": [2.0, 2.0, 1.0], "mlp": [3.0, 6.0, 1.0]}
    frame = pd.DataFrame(rows(errors))
    last = (frame["method"] == "linear") & (frame["value"] == 1.0) & (frame["index"] == 2)
    table = over(frame[~last], "noise", "linear,gp")
    found = {row[0]: (row[1].mean, row[1].n) for row in table.rows}
    assert found["mlp"] == (pytest.approx(3.0), 2)
    assert found["gp"] == found["linear"] == (pytest.approx(2**0.5), 2)
    assert "error of the best of linear,gp in each over 2 SCMs" in table.caption


@pytest.mark.parametrize(
    ("reference", "axis", "message"),
    [("nobody", "", "shares a cell with nobody"), ("floor", "size", "no axis size")],
)
def test_what_is_not_there_is_refused(reference, axis, message):
    with pytest.raises(ValueError, match=message):
        over(two_cells({50: 3.0}), "noise", reference, axis)


def test_cells_are_pooled_as_ratios_of_means_with_the_papers_figures_beside():
    frame = pd.DataFrame(
        [
            row
            for scenario in ("LIN_IN", "RFF_IN", "LIN_OUT", "RFF_OUT")
            for row in swept({50: 3.0, 400: 2.0}, scenario=scenario)
        ]
    )
    found = numbers(frame).set_index(["method", "x"])
    assert found.loc[("gp", 50), "ratio"] == pytest.approx(3.0)
    assert found.loc[("gp", 400), ["low", "high"]].tolist() == pytest.approx([2.0, 2.0])
    printed = [
        figure.mean
        for figure in figures()
        if (figure.table, figure.method, figure.d) == (1, "DECI", 10) and figure.metric == "noise"
    ]
    expected = np.exp(np.mean(np.log(np.array(printed) / np.mean(FLOOR))))
    assert found.loc[("DECI (paper)", 400), "ratio"] == pytest.approx(expected)
    assert PLOTS["rows-over-reference"](frame).figure.axes


def test_a_control_counts_in_all_cells_whatever_they_call_it():
    frame = pd.DataFrame(
        [row for kind in ("LIN_IN", "RFF_IN") for row in swept({50: 3.0, 400: 2.0}, scenario=kind)]
    )
    frame["asked"] = frame["method"]
    curved = frame["scenario"] == "RFF_IN"
    frame.loc[curved & (frame["method"] == "floor"), "method"] = "reference"
    found = numbers(frame).set_index(["method", "x"])
    assert (found["cells"] == 2).all() and set(found["reference"]) == {"floor"}
    assert found.loc[("gp", 400), "ratio"] == pytest.approx(2.0)


def test_a_method_without_all_cells_has_no_point():
    frame = two_cells({50: 3.0, 400: 2.0})
    lacks = (frame["method"] == "gp") & (frame["n_context"] == 50) & (frame["scenario"] == "RFF_IN")
    found = numbers(frame[~lacks])
    assert found[found["method"] == "gp"]["x"].tolist() == [400]
