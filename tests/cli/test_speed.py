"""`bench speed`: the timings can be taken, and taken again."""

import pytest

from bench.cli import speed
from bench.registry import load_suite
from bench.run.cell import Cell


@pytest.mark.slow
def test_a_grid_is_timed_as_often_as_it_is_asked_for():
    tasks = load_suite("lorch", "smoke", scms=1)[:2]
    cells = [Cell(task, "bench.cli.speed:Means") for task in tasks]
    assert all(0 < speed._grid(1, cells) < 60 for _ in range(2))
