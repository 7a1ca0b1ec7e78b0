"""Commands of Cond-FiP that answer and tell: infer, info, plot, scaling."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from condfip.__main__ import LOGS, main
from condfip.curve import SCENARIOS, scaling_figure
from condfip.curve import read as read_log
from condfip.paper.method import SHIPPED, CondFiP
from tests.condfip.conftest import EDGES


@pytest.fixture
def files(tmp_path, table) -> dict[str, str]:
    table.to_csv(tmp_path / "my.csv", index=False)
    edges = pd.DataFrame(EDGES, columns=["source", "target"])
    edges.to_csv(tmp_path / "edges.csv", index=False)
    return {k: str(tmp_path / f"{k}.csv") for k in ("my", "edges", "out")}


def infer(files: dict[str, str], weights: Path, *options: str) -> int:
    paths = ["--data", files["my"], "--graph", files["edges"], "--out", files["out"]]
    return main(["infer", *paths, "--checkpoint", str(weights), *options])


def test_infer_writes_samples_and_counterfactuals(files, weights, table, graph):
    assert infer(files, weights, "--n", "7", "--do", "a=1.5") == 0
    samples = pd.read_csv(files["out"])
    assert samples.shape == (7, 4) and (samples["a"] == 1.5).all()
    assert infer(files, weights, "--counterfactual", "--do", "a=1.5", "c=scale:0") == 0
    expected = CondFiP(weights).fit(table, graph).counterfactual(table, {"a": 1.5, "c": 0.0})
    np.testing.assert_allclose(pd.read_csv(files["out"]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--do", "z=1"], "unknown column 'z'"),
        (["--do", "a=high"], "'high' is no number"),
        (["--counterfactual"], "--counterfactual needs --do"),
        (["--checkpoint", "none.safetensors"], "no checkpoint at"),
        (["--graph", "none.csv"], "no file none.csv"),
        (["--device", "cuda:9"], "no such CUDA device"),
    ],
)
def test_wrong_use_of_infer_is_one_line(files, weights, capsys, options, message):
    assert infer(files, weights, *options) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_graph_that_does_not_match_the_columns_is_one_line(files, weights, capsys):
    Path(files["edges"]).write_text("source,target\na,z\n")
    assert infer(files, weights) == 1
    assert "edges.csv, line 2, names z, which" in capsys.readouterr().err


def test_info_and_plot_tell_of_a_run(weights, tmp_path, capsys):
    assert main(["info", str(weights)]) == 0
    assert "encoder: 5,201 parameters" in capsys.readouterr().out
    assert main(["plot", str(tmp_path)]) == 1
    (tmp_path / "encoder.csv").write_text("step,seconds,loss\n1,2.0,0.5\n2,4.0,0.4\n")
    assert main(["plot", str(tmp_path)]) == 0
    assert (tmp_path / "curve.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "log",
    [
        b"",
        b"\n",
        b"step,seconds,loss\n",
        b"1,2.0,0.5\n2,4.0,0.4\n",
        b"step,seconds,loss\n1,2.0\n",
        b"step,seconds,loss\n1,2.0,0.5,7\n",
        b"step,seconds,loss\n1,2.0,low\n",
        b"step,seconds,loss\n1,2.0,\xff\n",
        b"step,seconds,loss\n1,2.0," + b"1" * 200_000,
    ],
)
def test_a_damaged_log_is_one_line(tmp_path, capsys, log):
    (tmp_path / "encoder.csv").write_bytes(log)
    assert main(["plot", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert str(tmp_path / "encoder.csv") in told and told.count("\n") == 1


TRAIN, INFER = ["train", "joint"], ["infer", "--data", "a", "--graph", "b", "--out", "c"]
ODD_VALUES = [
    *((TRAIN, "--threads", value, "0 to 1024") for value in ("-1", "100000000", "two")),
    *((TRAIN, "--chunk", value, "at least 1") for value in ("-1", "0")),
    *((TRAIN, "--steps", value, "at least 1") for value in ("-1", "0", "1e3", "9" * 5000)),
    *((TRAIN, "--every", value, "at least 1") for value in ("-1", "0")),
    *(
        (TRAIN, "--minutes", value, "a finite number of at least 0")
        for value in ("nan", "-1", "inf")
    ),
    *((TRAIN, "--seed", value, "from 0 to 92233720") for value in ("-1", str(2**63))),
    *((TRAIN, "--workers", value, "from 1 to 1024") for value in ("0", "1025")),
    *((TRAIN, "--rate", value, "above 0") for value in ("nan", "inf", "0", "-1", "\x1b[31m")),
    *((TRAIN, "--effect", value, "of at least 0") for value in ("nan", "-1")),
    *((TRAIN, "--effect-from", value, "at least 0") for value in ("-1",)),
    *((TRAIN, "--grow", value, "at least 0") for value in ("-1",)),
    *((TRAIN, "--preset", value, "small") for value in ("", "huge", "\x1b[31m")),
    *((["train", "amortized"], "--preset", value, "broad") for value in ("", "small")),
    *((TRAIN, name, "", "a path") for name in ("--out", "--resume", "--begin", "--encoder")),
    *((INFER, "--n", value, "at least 1") for value in ("-1", "0")),
    (INFER, "--seed", "-1", "from 0"),
    (INFER, "--checkpoint", "", "a path"),
    *((["ablation"], "--steps", value, "at least 1") for value in ("-1", "0")),
    (["ablation"], "--threads", "-1", "0 to 1024"),
    (["speed"], "--threads", "-1", "0 to 1024"),
    (["goals"], "--seed", "-1", "from 0"),
    (["gate", "a", "b"], "--rows", "0", "at least 1"),
]


@pytest.mark.parametrize(("command", "option", "value", "takes"), ODD_VALUES)
def test_an_odd_value_of_an_option_is_one_line(
    tmp_path, monkeypatch, capsys, command, option, value, takes
):
    monkeypatch.chdir(tmp_path)
    try:
        code = main([*command, f"{option}={value}"])
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr().err
    assert code == 1 and told.startswith("condfip: ") and told.count("\n") == 1
    assert option in told and takes in told and told.strip().isprintable() and len(told) < 200
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "device", ["mps", "meta", "cpu:1", "cuda:-1", "cuda:99999999999", "\x1b[31m"]
)
def test_a_device_of_another_kind_is_one_line(files, weights, capsys, device):
    assert infer(files, weights, "--device", device) == 1
    told = capsys.readouterr().err
    assert "device" in told and told.count("\n") == 1 and told.strip().isprintable()


@pytest.mark.parametrize(
    "command", [["info", "\x1b[31m"], ["info", "a", "\x1b[31m"], ["plot", "\x1b]0;\x07\n" * 9000]]
)
def test_an_error_line_steers_no_terminal(capsys, command):
    try:
        code = main(command)
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr().err
    assert code == 1 and "\\x1b" in told
    assert told.count("\n") == 1 and told.strip().isprintable() and len(told) < 1100


@pytest.mark.parametrize(
    ("out", "written"),
    [("p", "p.png"), ("p.", "p.png"), ("a.b.svg", "a.b.svg"), ("P.PNG", "P.PNG")],
)
@pytest.mark.parametrize("command", ["plot", "scaling"])
def test_the_path_that_a_figure_is_told_to_have_is_the_written_one(
    tmp_path, capsys, command, out, written
):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "encoder.csv").write_text("step,seconds,loss\n1,2.0,0.5\n2,4.0,0.4\n")
    command = [command, str(tmp_path / "log")] if command == "plot" else [command]
    assert main([*command, "--out", str(tmp_path / out)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / written}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"log", written}


@pytest.mark.parametrize("command", ["plot", "scaling"])
@pytest.mark.parametrize("out", ["", "folder", "p.txt", "p.csv"])
def test_a_figure_that_cannot_be_is_one_line(tmp_path, monkeypatch, capsys, command, out):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("folder/encoder.csv").write_text("step,seconds,loss\n1,2.0,0.5\n2,4.0,0.4\n")
    command = [command, "folder"] if command == "plot" else [command]
    try:
        code = main([*command, "--out", out])
    except SystemExit as end:
        code = end.code
    told = capsys.readouterr().err
    assert code == 1 and (out or "--out") in told and told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_scaling_draws_the_logs_of_the_shipped_weights(tmp_path):
    logs = {title: SHIPPED.parent / log for title, log in LOGS.items()}
    for axes, log in zip(scaling_figure(logs).axes, logs.values(), strict=True):
        last = read_log(log)[-1]
        drawn = {line.get_label(): line.get_xydata()[-1].tolist() for line in axes.lines}
        seen = float(last.get("datasets") or last["tasks"])
        assert drawn == {name: [seen, float(last[name])] for name in SCENARIOS}
    assert main(["scaling", "--out", str(tmp_path / "scaling.png")]) == 0
    assert (tmp_path / "scaling.png").stat().st_size > 1000
    assert main(["scaling", "--out", str(tmp_path / "nowhere" / "scaling.png")]) == 1
