"""The wheel holds all a user needs: built, installed in another environment, used elsewhere."""

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PARTS = ("bench", "baselines", "condfip", "pyproject.toml", "README.md", "LICENSE")
USE = """
import bench
from bench import load_method, load_suite
problem = load_suite("lorch", preset="smoke")[0].problem()
print(bench.__file__, bench.load_method("amortized-gp").fit(problem.context, problem.graph))
"""


def call(*words, folder):
    """What a command prints in a folder, with nothing of this checkout on its path."""
    around = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    words = list(map(str, words))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=around)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-1500:]
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the wheel, and the libraries of this one."""
    pytest.importorskip("pip")
    if int(next((d.version for d in distributions(name="setuptools")), "0").split(".")[0]) < 77:
        pytest.skip("wants setuptools 77")
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("made")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    build = "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", made, source
    call(sys.executable, "-m", *build, folder=made)
    call(sys.executable, "-m", "venv", "--without-pip", made / "venv", folder=made)
    there = made / "venv" / "bin" / "python"
    (wheel,) = made.glob("*.whl")
    install = "pip", "--python", there, "install", "-q", "--no-deps", "--no-index", wheel
    call(sys.executable, "-m", *install, folder=made)
    (own,) = (made / "venv" / "lib").glob("python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (own / "libraries.pth").write_text("\n".join(libraries))
    return there


@pytest.mark.slow
def test_the_wheel_lists_runs_and_loads_a_shipped_checkpoint(python, tmp_path):
    assert "condfip" in call(python, "-m", "bench", "list", "methods", folder=tmp_path)
    run = "run", "--suite", "lorch", "--preset", "smoke", "--methods", "linear", "--jobs", "1"
    call(python, "-m", "bench", *run, "--out", "out", folder=tmp_path)
    assert (tmp_path / "out" / "results.csv").exists()
    call(python, "-m", "bench", "report", "out", "--fast", folder=tmp_path)
    assert "linear" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    told = call(python, "-c", USE, folder=tmp_path)
    assert told.startswith(str(python.parents[1])) and "amortized-gp: an SCM of 10 nodes" in told


def wet_grass(folder):
    """A table of 400 rows and 10 columns and its graph, under the README's names."""
    rng = np.random.default_rng(0)
    names = ["rain", "grass", *(f"c{i}" for i in range(8))]
    weights = np.triu(rng.random((10, 10)) < 0.3, 1)
    weights[0, 1] = True
    rows = rng.normal(size=(400, 10)) @ np.linalg.inv(np.eye(10) - weights)
    pd.DataFrame(rows, columns=names).to_csv(folder / "my.csv", index=False)
    edges = [(names[i], names[j]) for i, j in np.argwhere(weights)]
    pd.DataFrame(edges, columns=["source", "target"]).to_csv(folder / "edges.csv", index=False)


@pytest.mark.slow
def test_the_readmes_command_prints_an_effect_within_a_minute(python, tmp_path):
    wet_grass(tmp_path)
    (line,) = re.findall(r"^python (-m bench run --data my\.csv .*)$", README.read_text(), re.M)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = call(python, *shlex.split(line), folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    found = re.findall(r"\| grass +\|.*\| (linear|gp) +\|.*\| (\S+) +\| (\S+) to (\S+)", told)
    assert {method for method, *_ in found} == {"linear", "gp"}
    asked = [list(map(float, numbers)) for _, *numbers in found[-2:]]  # --effect comes last
    assert all(low < effect < high for effect, low, high in asked)
    assert all(abs(effect - 1) < high - low for effect, low, high in asked)  # 3.3 deviations
