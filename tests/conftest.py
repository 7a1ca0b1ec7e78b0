import pytest

from bench.run.environment import one_thread


@pytest.fixture(autouse=True)
def single_thread():
    """As the runner computes: one thread, so that equal bytes can be asked for."""
    with one_thread():
        yield
