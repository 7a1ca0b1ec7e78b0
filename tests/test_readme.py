"""The README's commands and code are the ones that work."""

import re
from pathlib import Path

import pytest

from bench.cli.parser import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_baseline_of_20_lines_keeps_the_laws(tmp_path, monkeypatch, capsys):
    (code,) = (b for b in blocks("python") if "class Forest" in b)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "forest.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "forest:Forest"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("word", re.findall(r"`python -m bench ([a-z-]+)", README))
def test_the_commands_named_exist(word, capsys):
    with pytest.raises(SystemExit) as stop:
        main([word, "--help"])
    assert stop.value.code == 0
