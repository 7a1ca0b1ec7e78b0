"""Files to start from pass their own tests at once, wherever they are written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli.parser import main
from bench.cli.scaffold import KINDS, start

SECTION = '[project.entry-points."condfip_bench.{}s"]'
SECTIONS = "\n".join([*map(SECTION.format, KINDS), ""])


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_what_is_written_passes_its_test_and_is_never_overwritten(folder, capsys):
    for what in KINDS:
        name = f"swing_{what}"
        assert main([f"new-{what}", name]) == 0
        printed = capsys.readouterr().out
        assert "wrote" in printed and "next: python -m" in printed
        assert SECTION.format(what) in printed
        for other, message in ((name, "exists already"), ("Not-a-name", f"no name for a {what}")):
            assert main([f"new-{what}", other]) == 1
            assert message in capsys.readouterr().err
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert len(list(folder.glob("test_swing_*.py"))) == len(KINDS) == 3


@pytest.mark.parametrize(
    "what,where,line",
    [
        ("method", "baselines", 'swing-by = "baselines.swing_by:SwingBy"'),
        ("suite", "bench/suites", 'swing-by = "bench.suites.swing_by:SWING_BY"'),
    ],
)
def test_in_a_checkout_it_goes_to_its_room_and_gets_its_line(what, where, line, folder, capsys):
    for part in (where, f"tests/{Path(where).name}"):
        Path(part).mkdir(parents=True)
    Path("pyproject.toml").write_text(f'name = "condfip-bench"\n{SECTIONS}')
    assert main([f"new-{what}", "swing_by"]) == 0
    project = Path("pyproject.toml").read_text().splitlines()
    assert project[project.index(SECTION.format(what)) + 1] == line
    assert Path(where, "swing_by.py").exists()
    assert Path("tests", Path(where).name, "test_swing_by.py").exists()
    assert "then: pip install -e . && python -m bench" in capsys.readouterr().out


PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "stranger"
version = "1"

[tool.setuptools]
py-modules = ["lilt", "swing", "sway"]
"""
RUN = """
import json, lilt, sway, swing
from bench.cli.parser import main
code = main("run --suite swing --preset smoke --methods linear,lilt --jobs 1 --out out".split())
print(json.dumps([code, lilt.__file__, sway.__file__, swing.__file__]))
"""


@pytest.mark.slow
def test_a_strangers_package_joins_a_run_by_its_entry_points_alone(
    folder, tmp_path_factory, capsys
):
    """A method, a suite and a metric, built as a wheel and installed into a folder of their own."""
    Path("pyproject.toml").write_text(PROJECT + SECTIONS)
    for what, name in (("method", "lilt"), ("suite", "swing"), ("metric", "sway")):
        assert main([f"new-{what}", name]) == 0
    site, elsewhere = folder / "site", tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    pip += [
        "install",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(site),
        ".",
    ]
    built = subprocess.run([*pip, "."], cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    code, *files = json.loads(ran.stdout.splitlines()[-1])
    assert code == 0 and all(str(site) in file for file in files)
    table = (elsewhere / "out" / "tables" / "sway.md").read_text()
    assert "| lilt" in table and "| linear" in table and "Sway, in words" in table


@pytest.mark.parametrize("name", ["numpy", "os", "json"])
def test_no_file_hides_a_module_that_others_import(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name} is an importable module already"):
        start("method", name, tmp_path)
    assert not list(tmp_path.iterdir())
