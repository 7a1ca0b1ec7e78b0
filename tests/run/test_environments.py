"""A method in an environment of its own: another interpreter, no torch, two verbs."""

import json
import sys
from pathlib import Path

import pytest
import scipy

from bench.registry import load_suite
from bench.run.cell import Cell
from bench.run.environments import READY, Environment, environment_of, read_environments
from bench.run.isolation.supervisor import isolated
from bench.run.isolation.workers import pool_of, stop_run
from bench.run.job import Limits
from bench.run.records import read_launches, read_records
from tests.run.running import main

(TASK,) = load_suite("lorch", "smoke", scenario="LIN_IN", graph_kind="er")
PAGE = Path(__file__).parents[2] / "bench" / "docs" / "own-environment.md"
ROGUE = """

class Rogue(Outside):
    def fit(self, df, graph, *, seed=0):
        {line}
"""
ROGUES = {
    "raise RuntimeError('not today')": ("error", "RuntimeError: not today"),
    "import torch": ("error", "torch is not to be had"),
    "import os; os._exit(3)": ("error", "the process exited with code 3"),
    "import time; time.sleep(3600)": ("timeout", "over the limit of 8 s"),
    "return Rubbish()": ("error", "with shape"),
    "import subprocess; subprocess.Popen(['sleep', '3600'], start_new_session=True); return "
    "super().fit(df, graph)": ("ok", ""),
}
MORE = """

class Rubbish:
    def noise(self, df):
        return df.iloc[1:]

    generate = noise


class Blocked:
    def find_spec(self, name, *_):
        if name == "torch":
            raise ImportError("torch is not to be had")


import sys

sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    text = PAGE.read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "outside.py").write_text(text + MORE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ours(home, monkeypatch):
    """The interpreter of the tests, as if it were another environment's."""
    monkeypatch.setattr(Environment, "python", sys.executable)
    (home / "needs.txt").write_text("scipy==1.15.3\n")
    yield environment_of(home / "needs.txt")
    stop_run(str(home))


def computed(method, environment, run, seconds=60.0):
    cell = Cell(TASK, method, environment=environment)
    return cell.record(isolated(cell.job(0, run, Limits(seconds=seconds))))


def test_its_errors_are_those_of_least_squares_here(home, ours):
    """The verbs beside noise and generate are made of these two where answers are scored."""
    there = computed("outside:Outside", ours, str(home))
    assert there["result"]["status"] == "ok", there["result"]["reason"]
    here = computed("linear", None, str(home))
    for name, metric in here["result"]["metrics"].items():
        assert there["result"]["metrics"][name]["value"] == pytest.approx(metric["value"], rel=1e-6)
    assert there["key"]["method_settings"] == {"environment": ours.name}
    assert there["key"]["source"] and there["key"]["version"] == "1"
    assert there["run"]["fit_s"] > 0 and there["run"]["peak_rss_mb"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("line", ROGUES)
def test_whatever_it_does_ends_in_its_own_cell(line, home, ours):
    status, reason = ROGUES[line]
    with (home / "outside.py").open("a") as file:
        file.write(ROGUE.format(line=line))
    seconds = 8.0 if status == "timeout" else 60.0
    result = computed("outside:Rogue", ours, str(home), seconds)["result"]
    assert result["status"] == status and reason in result["reason"]
    assert computed("outside:Outside", ours, str(home))["result"]["status"] == "ok"
    (worker,) = pool_of(str(home)).all
    methods = {child.pid for child in worker.methods.values()}
    assert set(worker.foreign) <= methods


def test_what_names_an_environment_is_its_file_and_is_checked(home):
    (home / "a.txt").write_text("numpy\n")
    first = environment_of(home / "a.txt")
    assert environment_of(home / "a.txt") == first and not first.ready
    (home / "a.txt").write_text("numpy<2\n")
    assert environment_of(home / "a.txt").folder != first.folder
    assert read_environments(["x:Y=a.txt"], ["x:Y"])["x:Y"].requirements == Path("a.txt")


def test_a_file_that_is_read_by_another_counts(home):
    (home / "a.txt").write_text("-r b.txt\nnumpy\n")
    (home / "b.txt").write_text("-r a.txt\npandas\n")
    first = environment_of(home / "a.txt")
    (home / "b.txt").write_text("pandas<3\n")
    assert environment_of(home / "a.txt").folder != first.folder
    (home / "b.txt").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*b\.txt"):
        environment_of(home / "a.txt")


def test_a_table_in_a_file_names_what_each_method_needs(home):
    (home / "sub").mkdir()
    (home / "sub" / "a.txt").write_text("numpy\n")
    (home / "sub" / "all.toml").write_text('"x:Y" = "a.txt"\nother = "a.txt"\n')
    found = read_environments(["sub/all.toml"], ["x:Y", "linear"])
    assert {name: e.requirements for name, e in found.items()} == {"x:Y": Path("sub/a.txt")}
    for text in ("x = [1]", 'x = ""', "x =", "\0", '"x:Y" = "none.txt"', "[x]\ny = 'a.txt'"):
        (home / "bad.toml").write_text(text)
        with pytest.raises(ValueError, match=r"^--env: [^\n]*$"):
            read_environments(["bad.toml"], ["x", "x:Y"])
    (home / "bad.toml").write_bytes(b"\xff")
    for word in ("bad.toml", "none.toml", ".toml", "=a.txt", "x=", "x", "x:Z=sub/a.txt"):
        with pytest.raises(ValueError, match="^--env"):
            read_environments([word], ["x", "x:Y"])


@pytest.mark.slow
def test_packages_that_cannot_be_installed_are_one_line(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    (home / "none.txt").write_text("./there-is-no-such-folder\n")
    with pytest.raises(ValueError, match="no environment for none.txt"):
        environment_of(Path("none.txt")).build()


@pytest.mark.slow
def test_a_method_with_pins_that_ours_cannot_have_stands_beside_ours(home, monkeypatch, capsys):
    """The page's own files: another scipy than the one here, installed from an index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    pins = PAGE.read_text().split("```text\n")[1].split("```")[0]
    (home / "outside.txt").write_text(pins)
    (home / "all.toml").write_text('"outside:Outside" = "outside.txt"\n')
    with (home / "outside.py").open("a") as file:
        file.write("\n\nimport scipy\n\nOutside.version = f'scipy {scipy.__version__}'\n")
    grid = ["--suite", "lorch", "--preset", "smoke", "--where", "scenario=LIN_IN", "graph_kind=er"]
    grid += ["--methods", "linear,outside:Outside", "--jobs", "1", "--out", "two"]
    ended = main([*grid, "--env", "all.toml"])
    if "(from versions: none)" in (said := capsys.readouterr().err):
        pytest.skip(said)  # pip reaches no index
    assert ended == 0, said
    here, there = sorted(read_records(home / "two").current, key=lambda r: r["key"]["method"])
    assert there["key"]["version"] == "scipy 1.15.3" != f"scipy {scipy.__version__}"
    errors = [{n: m["value"] for n, m in r["result"]["metrics"].items()} for r in (here, there)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    (launch,) = read_launches(home / "two")
    assert "scipy==1.15.3" in launch["environments"]["outside:Outside"]["installed"]
    assert main([*grid, "--env", "outside:Outside=outside.txt"]) == 0
    assert "0 to run" in capsys.readouterr().out


def test_a_built_environment_is_not_built_again(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    (home / "a.txt").write_text("numpy\n")
    built = environment_of(home / "a.txt")
    built.folder.mkdir(parents=True)
    (built.folder / READY).write_text(json.dumps({"python": "3", "installed": ["numpy==1"]}))
    built.build()
    assert built.ready and built.about()["installed"] == ["numpy==1"]
    assert list(built.folder.iterdir()) == [built.folder / READY]
