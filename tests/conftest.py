import pytest
import scipy.linalg  # noqa: F401  what has threads of its own is loaded before they are counted
import sklearn.ensemble  # noqa: F401

from bench.run.environment import one_thread
from bench.run.isolation import processes
from tests.run.warm import Bases


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    """As the runner computes: one thread, so that equal bytes can be asked for."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def undrawn():
    """Lets runs end without their figures, which cost more than a small run does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.analysis.outputs.write_figures", lambda *_, **__: [])
        yield


@pytest.fixture(autouse=True, scope="session")
def warm_bases():
    """Runs of this process start their workers from one process that has imported already."""
    bases = Bases()
    with pytest.MonkeyPatch.context() as patch:
        if processes.FORKS:
            patch.setattr(processes, "subprocess", bases)
        yield
    bases.end()
