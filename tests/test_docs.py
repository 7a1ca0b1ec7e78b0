"""The pages of the gallery run as printed, and the README leads to each."""

import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.cli.parser import main
from condfip.__main__ import main as condfip_main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "bench" / "docs").glob("*.md"))
READ = [ROOT / "README.md", *sorted((ROOT / "results").glob("*.md"))]
INSIDE = [ROOT / "baselines" / "README.md", *sorted((ROOT / "condfip").rglob("*.md"))]
MAPS = [ROOT / name for name in ("CONTRIBUTING.md", "AGENTS.md")]
LINK = re.compile(r"\]\(([^)#]+)\)")
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w*)\n(.*?)```", re.DOTALL)
COMMANDS = {"python -m bench ": main, "python -m condfip ": condfip_main}
SLOW = (
    "first-run",
    "add-a-baseline",
    "zero-shot",
    "reading-a-report",
    "out-of-reach",
    "train-your-own",
    "many-workers",
    "own-environment",
    "add-a-suite",
    "send-us-your-run",
    "scikit-learn",
    "dowhy",
    "own-data",
    "real-table",
)
NEEDS = {"dowhy": "dowhy"}  # a page: a package that is an extra


OFFLINE = "(from versions: none)"  # pip's words where it reaches no index


def run(file, language, code, shared, capsys):
    """Writes a file, runs commands, or executes Python, as a reader would; what was printed."""
    said = ""
    if file:
        Path(file).write_text(code)
    elif language == "python":
        exec(code, shared)
    elif language == "":
        for line in code.splitlines():
            (command,) = (start for start in COMMANDS if line.startswith(start))
            words = shlex.split(line.removeprefix(command))
            # warm workers of other tests keep these tests' former folder
            words += ["--jobs", "1"] if words[0] == "run" else []
            ended, told = COMMANDS[command](words), capsys.readouterr()
            if OFFLINE in told.err:
                pytest.skip(told.err)
            assert ended == 0, f"{line}: {told.out}{told.err}"
            said += told.out + told.err
    return said


def pages():
    """All of them, those that fit many models marked slow."""
    for page in PAGES:
        marks = [pytest.mark.slow] if page.stem in SLOW else []
        if (needs := NEEDS.get(page.stem)) and not find_spec(needs):
            marks.append(pytest.mark.skip(reason=f"needs {needs}, which is an extra"))
        yield pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.parametrize("page", list(pages()))
def test_a_page_runs_as_printed(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before, shared, said = set(sys.modules), {}, ""
    for file, language, code in BLOCK.findall(page.read_text()):
        said += run(file, language, code, shared, capsys)
    verdicts = re.findall(r"^trust: .*$", page.read_text(), re.MULTILINE)
    assert [line for line in verdicts if line not in said] == []
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", [*READ, *MAPS, *PAGES], ids=lambda path: path.stem)
def test_links_lead_somewhere(page):
    local = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert all((page.parent / link).exists() for link in local), local


def outside_code(page):
    """The lines of a page without its blocks of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return text.splitlines()


@pytest.mark.parametrize("page", [*READ, *MAPS, *PAGES, *INSIDE], ids=lambda path: path.stem)
def test_markdown_shows_sentences_and_tables_whole(page):
    """A comment at a line's beginning ends a sentence; a bar, even in a comment, ends a cell."""
    lines = outside_code(page)
    assert not [line for line in lines if re.match(r" *<!-- .*<!-- / -->", line)]
    bars = [len(re.findall(r"(?<!\\)\|", line)) * line.startswith("|") for line in lines]
    torn = [k for k in range(1, len(bars)) if 0 < bars[k - 1] != bars[k] > 0]
    assert [lines[k] for k in torn] == []


PLACE = re.compile(r"`((?:bench|baselines|condfip|tests|results)/[^`]*)`")


@pytest.mark.parametrize("page", MAPS, ids=lambda path: path.stem)
def test_the_map_names_what_there_is(page):
    named = [place for place in PLACE.findall(page.read_text()) if "NAME" not in place]
    assert named and not [place for place in named if not (ROOT / place).exists()]


def test_every_page_is_one_click_from_the_readme():
    linked = {(ROOT / link).resolve() for link in LINK.findall((ROOT / "README.md").read_text())}
    assert len(PAGES) >= 10 and set(PAGES) <= linked
