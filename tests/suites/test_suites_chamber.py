"""The light tunnel: files of its form, splits, what is scored, and rows that are made."""

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from bench.metrics import METRICS
from bench.metrics.errors import node_residuals
from bench.registry import Unavailable, find_suite, load_method, load_suite
from bench.suites import chamber_rows
from bench.suites.chamber_rows import DATA_DIR, LIGHTS, NAMES, REFERENCE, SENSORS, checksum, made
from tests.run.running import main

METHODS = ("linear", "lad")


def tunnel(shift=0.0, n=900, seed=0):
    """Rows of an exactly linear tunnel whose red light is `shift` brighter."""
    rng = np.random.default_rng(seed)
    lights = rng.uniform(0, 85, (n, 3)) + [shift, 0, 0]
    sensors = lights @ rng.uniform(1, 4, (3, 6)) + 5
    return pd.DataFrame(np.hstack([lights, sensors]), columns=list(NAMES))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One file of two environments, and the variable that --data-dir sets."""
    tables = {REFERENCE: tunnel(), "uniform_red_odd": tunnel(100), "other_env": tunnel(7)}
    both = pd.concat([rows.assign(intervention=name, flag=1) for name, rows in tables.items()])
    both.sample(frac=1, random_state=0).to_csv(tmp_path / "tunnel.csv", index=False)
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    return tmp_path


def tasks(scenario, **axes):
    axes = {"scms": 1, "n_context": 100, "n_query": 100, "scenario": scenario, **axes}
    return load_suite("chamber", "paper", **axes)


def test_scenarios_are_the_environments_of_the_file(folder):
    names = [t.scenario for t in load_suite("chamber", "paper", scms=1, n_context=50)]
    assert names == [REFERENCE, "uniform_red_odd"]
    with pytest.raises(ValueError, match="unknown scenario.*uniform_red_odd"):
        tasks("uniform_blue_mid")


def test_a_linear_tunnel_is_learnt_and_only_sensors_count(folder):
    (task,) = tasks("uniform_red_odd")
    problem = task.problem()
    linear, marginal = (load_method(n).fit_problem(problem, 0) for n in ("linear", "marginal"))
    assert METRICS["residual"].value(problem, linear) < 1e-9
    assert problem.floor.noise(problem.query)[list(SENSORS)].abs().max().max() < 1e-8
    unit = problem.data.rows.std(0, ddof=1)[3:]
    off = (problem.query_rows[:, 3:] - problem.data.rows[:, 3:].mean(0)) / unit
    expected = np.sqrt((off**2).mean(1)).mean()
    assert METRICS["residual"].value(problem, marginal) == pytest.approx(expected)
    nodes = node_residuals(problem, marginal)
    assert list(nodes) == list(SENSORS)
    assert nodes["ir_1"] == pytest.approx(np.sqrt((off[:, 0] ** 2).mean()))


def test_generated_rows_have_the_lights_of_the_query(folder):
    (task,) = tasks("uniform_red_odd")
    problem = task.problem()
    assert list(problem.given) == list(LIGHTS)
    linear, marginal = (load_method(n).fit_problem(problem, 0) for n in ("linear", "marginal"))
    assert METRICS["wasserstein_query"].value(problem, linear) < 1e-6
    assert METRICS["wasserstein_query"].value(problem, marginal) > 0.3
    names = {name for name, metric in METRICS.items() if metric.applies(problem, linear)}
    assert {"residual", "mmd_query", "energy_query", "wasserstein_query"} <= names
    assert not names & {"noise", "counterfactual", "mmd_reconstruction"}
    assert problem.bounds == ()  # what its maker knows is a reference


def test_splits_are_disjoint_and_prefixes(folder):
    short, long = (tasks(REFERENCE, n_context=n)[0].problem() for n in (50, 400))
    assert np.array_equal(long.data.rows[:50], short.data.rows)
    assert np.array_equal(long.query_rows, short.query_rows)
    assert not set(map(tuple, long.data.rows)) & set(map(tuple, long.query_rows))
    with pytest.raises(ValueError, match="too few rows"):
        tasks(REFERENCE, n_context=900)[0].problem()


@pytest.mark.parametrize("separator", [",", ";"])
def test_one_file_an_environment_is_read_too(tmp_path, monkeypatch, separator):
    for name, rows in {REFERENCE: tunnel(), "uniform_red_odd": tunnel(100)}.items():
        rows.assign(intervention=0).to_csv(tmp_path / f"{name}.csv", sep=separator, index=False)
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    assert [t.scenario for t in load_suite("chamber", "paper", scms=1, n_context=50)] == [
        REFERENCE,
        "uniform_red_odd",
    ]
    np.testing.assert_array_equal(chamber_rows.measured()[REFERENCE], tunnel().to_numpy())


def test_files_of_another_form_are_refused_with_their_place(tmp_path):
    def refuse(text, message):
        (tmp_path / "a.csv").write_text(text)
        chamber_rows.read_folder.cache_clear()
        with pytest.raises(ValueError, match=message):
            chamber_rows.read_folder(tmp_path)

    header = ",".join(NAMES) + ",intervention\n"
    refuse("red,green\n1,2\n", "a.csv has no column blue")
    refuse(header + "1,2,3,4,5,6,7,8,x,uniform_reference\n", "a.csv, line 2")
    refuse(header + "1,2,3,4,5,6,7,8,9,uniform_red_mid\n", "no CSV file with rows of uniform_ref")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """No --data-dir, an empty cache, and a stand-in for the package: its module of data sets."""
    module = ModuleType("causalchamber.datasets")
    monkeypatch.setitem(sys.modules, "causalchamber", ModuleType("causalchamber"))
    monkeypatch.setitem(sys.modules, "causalchamber.datasets", module)
    monkeypatch.delenv(DATA_DIR, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return module


def serving(tables, broken=None):
    """A `Dataset` like the package's: it writes a CSV file an environment, or breaks off."""

    class Dataset:
        downloads = 0

        def __init__(self, name, root, download):
            Dataset.downloads += 1
            folder = Path(root, name)
            folder.mkdir()
            for environment, rows in tables.items():
                rows.assign(intervention=0).to_csv(folder / f"{environment}.csv", index=False)
                if broken:
                    raise broken

    return Dataset


WHOLE = {REFERENCE: tunnel().round(), "uniform_red_odd": tunnel(100).round()}


def test_without_rows_the_suite_is_listed_and_its_cells_say_how_to_get_them(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "causalchamber", None)
    task = load_suite("chamber", "quick")[0]
    with pytest.raises(Unavailable, match=r"--data-dir DIR.*condfip-bench\[chamber\]"):
        task.problem()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ModuleNotFoundError", 'or pip install "condfip-bench[chamber]" to download'),
        ("ConnectionError", "could not download the light tunnel's rows: try again"),
    ],
)
def test_a_run_without_rows_says_in_one_line_how_to_get_them(
    tmp_path, monkeypatch, capsys, error, told
):
    """A package that is not there, or whose server does not answer, in whatever process asks."""
    (tmp_path / "causalchamber").mkdir()
    (tmp_path / "causalchamber" / "__init__.py").write_text(f"raise {error}()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(DATA_DIR, raising=False)
    grid = ["--suite", "chamber", "--set", "scms=1", "--where", f"scenario={REFERENCE}"]
    rest = ["--methods", "linear,lad", "--jobs", "1", "--quiet", "--out", str(tmp_path / "run")]
    assert main([*grid, *rest]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("skipped: 2 of lad, linear: ") and "--data-dir DIR" in line
    assert told in line


def test_rows_are_downloaded_when_they_are_needed_and_once(package, monkeypatch):
    package.Dataset = serving(WHOLE)
    sums = {name: checksum(rows.to_numpy()) for name, rows in WHOLE.items()}
    monkeypatch.setattr(chamber_rows, "checksums", lambda: sums)
    task = load_suite("chamber", "quick")[0]
    assert package.Dataset.downloads == 0  # the suite is listed without
    task.problem()
    np.testing.assert_array_equal(chamber_rows.measured()[REFERENCE], WHOLE[REFERENCE].to_numpy())
    names = {t.scenario for t in load_suite("chamber", "paper", scms=1, n_context=50)}
    assert names == set(WHOLE) and package.Dataset.downloads == 1


def test_downloaded_rows_are_checked(package, monkeypatch):
    package.Dataset = serving(WHOLE)
    monkeypatch.setattr(chamber_rows, "checksums", lambda: {REFERENCE: "0"})
    with pytest.raises(ValueError, match="not what the published run used; --data-dir"):
        chamber_rows.measured()


def test_a_download_that_breaks_off_leaves_nothing_and_says_what_to_do(package):
    package.Dataset = serving(WHOLE, broken=OSError("connection reset"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="try again with a connection.*--data-dir DIR"):
            chamber_rows.measured()
    assert chamber_rows.at_hand() is None


def test_the_package_itself_is_used_as_it_wants(tmp_path, monkeypatch):
    """The installed package, its server replaced: it asks for a directory when it is imported."""
    pytest.importorskip("causalchamber", reason="pip install 'condfip-bench[chamber]'")
    import requests

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for environment, rows in WHOLE.items():
            file.writestr(f"{chamber_rows.DATA_SET}/{environment}.csv", rows.to_csv(index=False))
    about = {"url": "made://zip", "md5": hashlib.md5(packed.getvalue()).hexdigest()}
    about |= {"image": False, "chamber": "lt"}
    served = {"made://zip": packed.getvalue()}
    listed = json.dumps({"datasets": {chamber_rows.DATA_SET: about}, "last_updated": ""}).encode()

    def get(url, **_):
        answer = requests.Response()
        answer.status_code, answer.raw = 200, io.BytesIO(served.get(url, listed))
        return answer

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.delenv(DATA_DIR, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sums = {name: checksum(rows.to_numpy()) for name, rows in WHOLE.items()}
    monkeypatch.setattr(chamber_rows, "checksums", lambda: sums)
    assert set(chamber_rows.measured()) == set(WHOLE)


def test_made_rows_are_learnt_better_the_nearer_they_are():
    smoke = find_suite("chamber").tasks("smoke")
    assert {t.scenario for t in smoke} < set(made()) and {t.rows for t in smoke} == {"made"}
    errors = {}
    for task in smoke:
        problem = task.problem()
        for name in METHODS:
            fitted = load_method(name).fit_problem(problem, 0)
            errors[name, task.scenario] = METRICS["residual"].value(problem, fitted)
    for name in METHODS:
        assert errors[name, REFERENCE] < errors[name, "uniform_red_strong"]
