"""Tabulated sums of bumps beside the sums themselves."""

import pytest
import torch

from bench.scm.tabulated import Bumps


@pytest.mark.parametrize("length", [0.2, 1.0, 30.0])
def test_a_table_is_the_sum_within_and_beyond_its_places(length):
    g = torch.Generator().manual_seed(0)
    places, weights = torch.randn(2, 300, generator=g, dtype=torch.float64)
    bumps = Bumps.of(places, weights, length)
    assert bumps.table is not None
    x = torch.cat([3 * torch.randn(500, generator=g, dtype=torch.float64), places[:3]])
    x = torch.cat([x, torch.stack([places.min(), places.max()])])
    truth = (-0.5 * ((x[:, None] - places) / length).square()).exp() @ weights
    assert (bumps(x) - truth).abs().max() < 1e-8 * weights.abs().sum()


def test_very_narrow_bumps_and_a_single_place_are_not_tabulated():
    places = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert Bumps.of(places, places, 1e-3).table is None
    alone = Bumps.of(places[:1], torch.ones(1, dtype=torch.float64), 1.0)
    assert alone(torch.zeros(2, dtype=torch.float64)).tolist() == [1, 1]
