"""What changes a fingerprint, and what does not."""

import os
import subprocess
import sys

import pytest

from bench.run.fingerprint import fingerprint_of

METHOD = '''"""A method."""

import numpy as np
from helper import slope
from bench.scm.base import SCM


class Mine:
    """Fits."""

    version = "1"

    def fit(self, df, graph, *, seed=0):
        """Learns."""
        from pack.deep import far

        return slope * far
'''
FILES = {
    "mine.py": METHOD,
    "helper.py": "slope = 2.0\n",
    "pack/__init__.py": "",
    "pack/deep.py": "from . import farther\nfar = farther.away\n",
    "pack/farther.py": "away = 1\n",
    "stranger.py": "nobody = 'imports this'\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize(
    "file,old,new",
    [
        ("mine.py", "slope * far", "slope + far"),
        ("mine.py", '"1"', '"2"'),
        ("helper.py", "2.0", "4.0"),
        ("pack/__init__.py", "", "x = 1"),
        ("pack/deep.py", "farther.away", "-farther.away"),
        ("pack/farther.py", "1", "2"),
    ],
)
def test_code_that_is_imported_however_deep_counts(folder, file, old, new):
    before = fingerprint_of("mine", folder)
    edit(folder / file, old, new)
    assert fingerprint_of("mine", folder) != before


@pytest.mark.parametrize(
    "file,old,new",
    [
        ("mine.py", "Learns.", "Learns much."),
        ("mine.py", "A method.", "The method."),
        ("mine.py", 'version = "1"', 'version = "1"  # the first'),
        ("helper.py", "slope = 2.0", "# steep\n\n\nslope = (2.0)"),
        ("stranger.py", "nobody", "somebody"),
    ],
)
def test_comments_docstrings_layout_and_strangers_do_not(folder, file, old, new):
    before = fingerprint_of("mine", folder)
    edit(folder / file, old, new)
    assert fingerprint_of("mine", folder) == before


def test_nothing_is_imported_and_a_missing_module_is_one_line(folder):
    (folder / "loud.py").write_text("raise SystemExit(3)\n")
    (folder / "wrong.py").write_text("def (:\n")
    assert fingerprint_of("loud", folder) != fingerprint_of("wrong", folder)
    with pytest.raises(ValueError, match="no module absent in"):
        fingerprint_of("absent", folder)


def followed(module):
    """The names of the files that a fingerprint was made of, asked of a fresh process."""
    code = f"from bench.run import fingerprint as f; f.fingerprint_of({module!r}); import sys\n"
    code += "print(' '.join(n for n in sys.modules if n == 'torch' or n.startswith('baselines')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_baseline_is_read_and_not_run():
    assert followed("baselines.linear") == []


def test_ours_count_and_the_harness_does_not(monkeypatch):
    """A method answers to bench.scm, bench.task and bench.method, a suite to no baseline."""
    from bench.run import fingerprint

    read = []
    real = fingerprint._parsed
    monkeypatch.setattr(
        fingerprint, "_parsed", lambda name, *more: read.append(name) or real(name, *more)
    )
    fingerprint_of("baselines.linear")
    assert {"baselines.linear", "bench.method", "bench.task", "bench.scm.base"} <= set(read)
    assert not [n for n in read if n.startswith(("bench.run", "bench.metrics", "bench.suites"))]
    read.clear()
    fingerprint_of("bench.suites.lorch")
    assert {"bench.suites.lorch", "bench.suites.draws", "bench.scm.prior"} <= set(read)
    assert not [n for n in read if n.startswith(("baselines", "bench.suite.", "bench.registry"))]
