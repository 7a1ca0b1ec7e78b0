"""What others may rely on: the public names, each loaded when it is asked for."""

import subprocess
import sys

import pytest

import bench


@pytest.mark.parametrize("name", bench.__all__)
def test_every_public_name_is_there(name):
    assert getattr(bench, name) is not None and name in dir(bench)


def test_every_public_name_has_its_place():
    assert set(bench.__all__) == set(bench.PLACES)


def test_the_package_alone_loads_nothing():
    code = "import sys, bench; print(bench.__version__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [bench.__version__, "False"]


def test_other_names_are_refused():
    with pytest.raises(ImportError, match="no_such_thing"):
        exec("from bench import no_such_thing")
