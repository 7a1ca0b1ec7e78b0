"""What a type checker sees of the public names, which are loaded only when they are asked for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = """
from bench import METRICS, Dataset, list_methods, load_method, load_suite

task = load_suite("lorch", preset="smoke")[0]
reveal_type(task)
problem = task.problem()
reveal_type(problem)
scm = load_method("gp").fit(problem.context, problem.graph, seed=0)
reveal_type(scm)
reveal_type(METRICS["noise"].value(problem, scm))
reveal_type(Dataset.of)
reveal_type(list_methods())
load_suite(3)  # type: ignore[arg-type]
scm.sample("many")  # type: ignore[arg-type]
"""
SEEN = (
    "bench.task.Task",
    "bench.task.Problem",
    "bench.scm.base.SCM|bench.scm.verbs.SCM",
    "builtins.float|float",
    "def .*bench.reading.dataset.Dataset",
    r"(builtins.)?list\[(builtins.)?str\]",
)


@pytest.mark.slow
def test_a_consumer_is_told_types_and_mistakes(tmp_path):
    pytest.importorskip("mypy")
    path = tmp_path / "consumer.py"
    path.write_text(CODE)
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = re.findall(r'Revealed type is "(.+)"', done.stdout)
    assert done.returncode == 0 and len(told) == len(SEEN), done.stdout + done.stderr
    for known, seen in zip(SEEN, told, strict=True):
        assert re.search(known, seen), seen
    assert (ROOT / "bench" / "py.typed").exists()
