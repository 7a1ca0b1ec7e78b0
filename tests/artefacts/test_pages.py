"""Tables that a page shows of a published run have the numbers of its records."""

import re
from pathlib import Path

import pytest

from bench.analysis.results import read_results

pytestmark = pytest.mark.artefacts
PAGE = (Path(__file__).parents[2] / "bench" / "docs" / "out-of-reach.md").read_text()


def table_under(heading):
    """{(method, column): text} of the first table under a heading."""
    lines = PAGE.split(f"## {heading}\n", 1)[1].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first:]]
    rows = rows[: next((i for i, line in enumerate(lines[first:]) if not line), None)]
    header, _, *body = rows
    return {(r[0].split(" (")[0], c): v for r in body for c, v in zip(header, r, strict=True)}


def same(shown, value):
    """Whether a printed number is this one, to its own digits."""
    digits = len(shown.partition(".")[2])
    return abs(float(shown) - value) <= 0.5001 * 10.0**-digits


def numbers(table):
    found = {key: v for key, v in table.items() if re.fullmatch(r"\d*\.\d+", v)}
    assert len(found) >= 40
    return found.items()


def test_errors_in_the_tunnel_are_those_of_the_run():
    frame = read_results("chamber-rows")
    frame = frame[frame["metric"] == "residual"]
    means = frame.groupby(["method", "scenario", "n_context"])["value"].mean()
    for (method, column), shown in numbers(table_under("A system that nobody drew")):
        environment, rows = column.split(" ")
        found = means[method, f"uniform_{environment}", int(rows)]
        assert same(shown, found), (method, column, shown, found)
