"""The gate that a change of design passes."""

import re
import shutil

import torch

from condfip.__main__ import main
from condfip.checkpoint import Checkpoint
from condfip.paper.config import SMOKE
from condfip.paper.method import SHIPPED
from condfip.paper.model import CondFiPModel


def test_the_gate_is_passed_by_better_weights_alone(tmp_path, capsys):
    paths = [tmp_path / f"{name}.safetensors" for name in ("random", "shipped")]
    torch.manual_seed(0)
    Checkpoint(SMOKE, CondFiPModel(SMOKE.model)).save(paths[0])
    shutil.copy(SHIPPED, paths[1])
    answers = {}
    for old, new in ((0, 1), (1, 0), (1, 1)):
        words = ["gate", str(paths[old]), str(paths[new]), "--scms", "1", "--dims", "10"]
        answers[old, new] = main([*words, "--rows", "50"]), capsys.readouterr().out
    none, *others = re.findall(r"(\S+)  \d+, \d\.\d+ and", answers[0, 1][1])
    assert none == "1.0000" and len(others) == 3 and all(float(o) < 0.9 for o in others)
    assert answers[0, 1][0] == 0 and "\npassed" in answers[0, 1][1]
    assert answers[1, 0][0] == answers[1, 1][0] == 3
    assert "all           1.0000  10, 1.0000 to 1.0000 (2 SE)" in answers[1, 1][1]
