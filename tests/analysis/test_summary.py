"""The summary of a run by hand: what is over what, who beats whom, and by how much."""

import pandas as pd
import pytest

from bench.analysis.summary import summary, wins
from tests.made_rows import rows

ERRORS = {
    "floor": [1.0, 1.0, 1.0, 1.0],
    "gp": [1.1, 1.2, 1.3, 9.0],  # ranks first though its mean is the higher one
    "linear": [2.0, 2.1, 2.2, 2.3],
}


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(rows(ERRORS))


def columns(table):
    return {row[0]: dict(zip(table.header[1:], row[1:], strict=True)) for row in table.rows}


def test_wins_and_the_chance_to_be_better_are_those_of_the_row(frame):
    found = columns(summary(frame, "noise"))
    assert found["gp"]["wins"] == found["gp"]["P(better)"] == "-", "the best is what others meet"
    # linear is lower on one SCM of four; of the sixteen pairs, in the four that meet gp's 9
    assert (found["linear"]["wins"], found["linear"]["P(better)"]) == ("0.25", "0.25")
    assert (found["floor"]["wins"], found["floor"]["P(better)"]) == ("1.00", "1.00")


def test_an_error_over_the_floor_is_above_one(frame):
    table = summary(frame, "noise")
    assert "error / floor" in table.header
    found = {method: row["error / floor"].split()[0] for method, row in columns(table).items()}
    assert found == {"floor": "-", "gp": "1.98", "linear": "2.15"}  # roots of 15.444 and 21.252


def test_the_row_of_the_win_table_beats_its_column(frame):
    found = columns(wins(frame, "noise"))
    assert found["gp"] == {"floor": "0.00", "gp": "-", "linear": "0.75"}
    assert found["linear"] == {"floor": "0.00", "gp": "0.25", "linear": "-"}
