"""The committed state of a training that is to be gone on with."""

import pytest
import torch

from condfip.paper.stage import Stage
from condfip.run import Run
from condfip.training import KEPT_BYTES, RESUME


@pytest.mark.artefacts
def test_the_training_of_the_next_weights_can_be_gone_on_with():
    states = list(RESUME.glob("*"))
    assert sum(state.stat().st_size for state in states) <= KEPT_BYTES
    for state in states:
        run = Run.load(state, lambda header: Stage.restored(header, torch.device("cpu")))
        assert run.step > 0 and run.progress < 1
        assert run.trainee.config.model.network == "published"
