"""Distances of many rows, of equal rows and of rows far from 0."""

import numpy as np
import pytest

from bench.metrics.distances import MANY_ROWS, energy, mmd, thinned


def test_few_rows_are_taken_whole_and_many_are_thinned_evenly():
    few, many = np.arange(2000.0)[:, None], np.arange(50_001.0)[:, None]
    assert thinned(few, few)[0] is few
    kept = thinned(many, few)[0]
    assert len(kept) <= 1000
    assert np.ptp(np.diff(kept[:, 0])) == 0


def test_a_sample_of_many_rows_tells_the_same_distance():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, MANY_ROWS, 3))
    y += 0.5
    assert energy(x, y) == pytest.approx(energy(x[:1000], y[:1000]), rel=0.25)


def test_rows_that_are_mostly_equal_have_a_distance():
    zeros, ones = np.zeros((90, 1)), np.ones((10, 1))
    x, y = np.vstack([zeros, ones]), np.vstack([zeros[:80], ones, ones])
    assert 0 < mmd(x, y) < 1
    assert mmd(x, x) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("distance", [mmd, energy])
def test_an_origin_far_away_changes_no_distance(distance):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50, 2))
    assert distance(x + 1e7, y + 1e7) == pytest.approx(distance(x, y), rel=1e-5)
