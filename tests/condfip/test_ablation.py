"""The ablation: networks trained on other priors, side by side."""

import pytest

from bench.registry import load_suite
from condfip.checkpoint import load
from condfip.paper.ablation import COLUMNS, ablate
from condfip.paper.config import SMOKE


@pytest.mark.slow
def test_the_ablation_trains_each_network_once_and_sets_it_beside_the_paper(tmp_path):
    tasks = load_suite("lorch", preset="smoke", scenario=list(COLUMNS), graph_kind=["er", "ws"])
    rows = list(ablate(tmp_path, 1, tasks, SMOKE))
    assert [row[:5] for row in rows[1:4]] == [
        ["19", "noise_smoothed", "encoder", kind, "10"] for kind in ("LIN", "RFF", "both")
    ]
    assert len(rows) == 1 + 5 * 3 and rows[1][6].endswith("(paper 0.21)")
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/model.safetensors")}
    assert rows == list(ablate(tmp_path, 1, tasks, SMOKE))
    assert len(written) == 8 and written == {p: p.stat().st_mtime_ns for p in written}
    trained = load(tmp_path / "both-LIN" / "model.safetensors").config
    assert trained.decoder.prior.mechanisms == ("LIN",)
    assert load(tmp_path / "LIN-both" / "model.safetensors").config.decoder.prior.mechanisms == (
        "LIN",
        "RFF",
    )
