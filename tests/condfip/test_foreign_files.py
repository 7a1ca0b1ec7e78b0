"""Checkpoints from strangers are data: refused in one line, before memory is taken."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from condfip import checkpoint
from condfip.__main__ import main
from condfip.amortized import weights as amortized
from condfip.amortized.config import SMOKE as SMALL
from condfip.amortized.model import InContextModel
from condfip.amortized.train import Pretraining
from condfip.checkpoint import (
    DIGEST,
    HEADER,
    SHIPPED,
    WEIGHTS,
    Checkpoint,
    load,
    read,
    write,
)
from condfip.paper.config import SMOKE
from condfip.paper.model import CondFiPModel
from condfip.paper.stage import Stage
from condfip.run import Run
from condfip.training import resumed
from tests.condfip.smoke_runs import CPU, start

HUGE = 2**62
ONE = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def file(path, header, data=b"\0" * 8, length=None):
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if length is None else length
    path.write_bytes(length.to_bytes(8, "little") + text + data)
    return path


def tensor(**changes):
    return {"a": {**ONE["a"], **changes}}


CRAFTED = {
    "empty": (b"", {"data": b"", "length": 0}),
    "length of all memory": (ONE, {"length": HUGE}),
    "length past the end": (ONE, {"length": 10_000}),
    "length too small": (ONE, {"length": 5}),
    "no JSON": (b"{'a': 1}", {}),
    "no UTF-8": (b'{"\xff": 1}', {}),
    "a list": ([1], {}),
    "deep": (b"[" * 200_000, {}),
    "a name twice": (b'{"a": {}, "a": {}}', {}),
    "metadata a number": ({"__metadata__": 3, **ONE}, {}),
    "metadata of numbers": ({"__metadata__": {"condfip": 3}, **ONE}, {}),
    "tensor a list": ({"a": []}, {}),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, {}),
    "unknown type": (tensor(dtype="F31"), {}),
    "type a list": (tensor(dtype=["F32"]), {}),
    "huge shape": (tensor(shape=[HUGE]), {}),
    "shape that overflows": (tensor(shape=[2**32, 2**32, 2]), {}),
    "negative shape": (tensor(shape=[-2]), {}),
    "shape of text": (tensor(shape=["2"]), {}),
    "shape of truths": (tensor(shape=[True, 2]), {}),
    "many dimensions": (tensor(shape=[1] * 2000 + [2]), {}),
    "offsets past the end": (tensor(shape=[4], data_offsets=[0, 16]), {}),
    "offsets reversed": (tensor(data_offsets=[8, 0]), {}),
    "one offset": (tensor(data_offsets=[8]), {}),
    "a gap": (tensor(shape=[1], data_offsets=[4, 8]), {}),
    "overlap": (ONE | {"b": ONE["a"]}, {}),
    "bytes left": (ONE, {"data": b"\0" * 12}),
    "name with a line break": ({"a\nb": ONE["a"]}, {}),
    "name that colours": ({"a\x1b[31m": ONE["a"]}, {}),
}


def refused(call, path, message=None):
    with pytest.raises(ValueError, match=message) as caught:
        call(path)
    told = str(caught.value)
    assert str(path) in told and told.isprintable() and len(told) < 400


@pytest.mark.parametrize("how", CRAFTED)
def test_a_crafted_header_is_refused_before_its_tensors_are_read(how, tmp_path, monkeypatch):
    header, more = CRAFTED[how]
    path = file(tmp_path / "crafted.safetensors", header, **more)
    monkeypatch.setattr(checkpoint, "safe_open", lambda *_, **__: pytest.fail("it was read"))
    refused(read, path, "no readable checkpoint")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Tensors and header of a whole checkpoint of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    stages = {"encoder": {"seconds": 1.0}, "decoder": {"seconds": 1.0}}
    Checkpoint(SMOKE, CondFiPModel(SMOKE.model), stages).save(folder / "paper")
    model = InContextModel(SMALL.model)
    amortized.Pretrained(SMALL, model, {"seconds": 1.0}, "").save(folder / "amortized")
    return {name: read(folder / name)[:2] for name in ("paper", "amortized")}


DESCRIBED = [
    ("paper", ("config", "model", "width"), 2**39),
    ("paper", ("config", "model", "width"), 2**70),
    ("paper", ("config", "model", "width"), "16"),
    ("paper", ("config", "model", "width"), -16),
    ("paper", ("config", "model", "encoder_layers"), 10**9),
    ("paper", ("config", "model", "pooling"), "min"),
    ("paper", ("config", "model"), None),
    ("paper", ("config", "model", "\x1b[31mred"), 1),
    ("paper", ("config", "encoder", "prior"), [1]),
    ("paper", ("config",), "paper"),
    ("paper", ("stages",), ["encoder"]),
    ("paper", ("stages", "encoder"), {"seconds": "long"}),
    ("paper", ("stages", "encoder"), {}),
    ("paper", ("stages", "as_dict"), {"seconds": 1}),
    ("amortized", ("config", "model", "width"), 2**39),
    ("amortized", ("config", "model", "rounds"), 10**9),
    ("amortized", ("config", "prior", "benchmark"), "all"),
    ("amortized", ("history",), {"seconds": float("nan")}),
    ("amortized", ("history",), {}),
    ("amortized", ("history",), None),
]


def altered(header, place, value):
    """A copy of a header with another value at a place."""
    header = json.loads(json.dumps(header))
    part = header
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    return header


@pytest.mark.parametrize(("kind", "place", "value"), DESCRIBED, ids=str)
def test_a_description_that_does_not_fit_takes_no_memory(kind, place, value, whole, tmp_path):
    tensors, header = whole[kind]
    header = altered(header, place, value)
    write(tmp_path / "crafted", tensors, header)
    refused({"paper": load, "amortized": amortized.load}[kind], tmp_path / "crafted")


@pytest.mark.parametrize("kind", ["paper", "amortized"])
def test_a_whole_checkpoint_of_a_stranger_is_read(kind, whole, tmp_path):
    write(tmp_path / "other", *whole[kind])
    assert {"paper": load, "amortized": amortized.load}[kind](tmp_path / "other").sha


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Tensors and header of a run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    begun = Run.start(Pretraining(SMALL, InContextModel(SMALL.model), 0, {}))
    for name, run in {"joint": start("joint"), "amortized": begun}.items():
        run.advance(CPU)
        run.save(folder / name)
    return {name: read(folder / name)[:2] for name in ("joint", "amortized")}


def go_on(path):
    """Loads a run as its command would."""
    kind = path.name.partition(".")[0]
    makers = {"joint": lambda saved: Stage.restored(saved, CPU), "amortized": Pretraining.restored}
    return resumed(path.parent, kind, makers[kind])


ODD = [
    *(
        (kind, (name,), value)
        for kind in ("joint", "amortized")
        for name in ("step", "seconds", "minutes", "datasets", "begun")
        for value in ("x", None, -1)
    ),
    ("joint", ("step",), 1.5),
    ("joint", ("begun",), 2),
    ("joint", ("minutes",), float("nan")),
    *((kind, ("seed",), "x") for kind in ("joint", "amortized")),
    *((k, ("history",), v) for k in ("joint", "amortized") for v in (5, [], None)),
    ("joint", ("history",), {"seconds": 1}),
    ("joint", ("history",), {"x": {"seconds": 1}}),
    ("joint", ("history",), {"joint": {"seconds": 1, "steps": "x"}}),
    ("amortized", ("history",), {"seconds": 1, "tasks": "x"}),
    *((k, ("stage",), v) for k in ("joint", "amortized") for v in ("zz", "decoder", None, ["x"])),
    *((kind, ("config",), v) for kind in ("joint", "amortized") for v in (5, {}, None, [])),
    ("joint", ("config", "encoder", "betas"), 5),
    ("joint", ("config", "joint", "betas"), [0.9]),
    ("joint", ("config", "joint", "betas"), [2.0, 2.0]),
    ("joint", ("config", "joint", "batch"), "x"),
    ("joint", ("config", "joint", "chunk"), "x"),
    ("joint", ("config", "joint", "chunk"), 0),
    ("joint", ("config", "joint", "steps"), 0),
    ("joint", ("config", "model", "width"), 2**39),
    *(
        ("joint", ("config", "joint", "prior", name), value)
        for name, value in (
            ("mechanisms", ["XXX"]),
            ("mechanisms", []),
            ("graph_kinds", ["zz"]),
            ("variant", "zz"),
            ("nodes", []),
            ("nodes", ["x"]),
            ("rows", [0]),
        )
    ),
    ("amortized", ("config", "loss"), "zz"),
    ("amortized", ("config", "model", "width"), "x"),
]


@pytest.mark.parametrize(("kind", "place", "value"), ODD, ids=str)
def test_a_run_with_an_odd_header_is_one_line(kind, place, value, runs, tmp_path):
    tensors, header = runs[kind]
    header = altered(header, place, value)
    write(tmp_path / f"{kind}.run.safetensors", tensors, header)
    refused(go_on, tmp_path / f"{kind}.run.safetensors")


ODD_MOMENTS = {
    "shape": lambda t: {"optimiser.0.0.exp_avg": torch.zeros(3)},
    "number": lambda t: {"optimiser.0.0.exp_avg": t["optimiser.0.0.exp_avg"] * torch.nan},
    "field": lambda t: {"optimiser.0.0.colour": torch.zeros(1)},
    "parameter": lambda t: {"optimiser.0.9999.exp_avg": torch.zeros(1)},
    "name": lambda t: {"optimiser.0.first.of.all": torch.zeros(1)},
}


@pytest.mark.parametrize("kind", ["joint", "amortized"])
@pytest.mark.parametrize("how", ODD_MOMENTS)
def test_a_run_with_moments_of_another_optimiser_is_one_line(kind, how, runs, tmp_path):
    tensors, header = runs[kind]
    path = tmp_path / f"{kind}.run.safetensors"
    write(path, tensors, header)
    assert go_on(path).step == 1
    write(path, tensors | ODD_MOMENTS[how](tensors), header)
    refused(go_on, path, "its optimiser 0")


def test_what_a_strangers_file_says_of_itself_steers_no_terminal(whole, tmp_path, capsys):
    for kind, (tensors, header) in whole.items():
        header = json.loads(json.dumps(header))
        header["config"]["name"] = "\x1b[31mred\x07" + "x" * 100_000
        told = {"seconds": 1.0, "device": "\x1b]0;title\x07\nsha256 0000", "y" * 9999: 1}
        told |= {f"line {k}": k for k in range(5000)}
        if kind == "paper":
            header["stages"]["encoder"] = told
        else:
            header["history"] = told
        write(tmp_path / kind, tensors, header)
        assert main(["info", str(tmp_path / kind)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert all(line.isprintable() and len(line) <= 1000 for line in lines)
        assert len(lines) <= 100 and not any(line.startswith("sha256 0000") for line in lines)
        assert any("\\x1b]0;title" in line for line in lines)
        assert kind != "paper" or any("width=16" in line for line in lines)


def test_weights_that_are_no_numbers_are_refused(whole, tmp_path):
    tensors, header = whole["paper"]
    name = "encoder.embed.bias"
    write(tmp_path / "nan", {**tensors, name: tensors[name] * torch.nan}, header)
    refused(load, tmp_path / "nan", "NaN")


def test_a_header_that_is_no_object_is_refused(tmp_path):
    for text in ("[1]", "{", "[" * 100_000):
        tensors = {"a": torch.zeros(2)}
        digest = checkpoint._digest(tensors, text)
        save_file(tensors, tmp_path / "odd", {HEADER: text, DIGEST: digest})
        refused(read, tmp_path / "odd", "no JSON object")


def test_shipped_weights_are_those_that_the_code_names():
    """After training new ones: condfip info FILE prints the sha256 that SHIPPED takes."""
    assert {path.name for path in WEIGHTS.glob("*.safetensors")} == set(SHIPPED)
    assert all(read(WEIGHTS / name)[2] == sha for name, sha in SHIPPED.items())


def test_a_swapped_file_is_refused_in_place_and_taken_elsewhere(whole, tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(checkpoint, "WEIGHTS", tmp_path / "weights")
    path = tmp_path / "weights" / "condfip.safetensors"
    shutil.copy(WEIGHTS / path.name, path)
    assert load(path).sha == SHIPPED[path.name]
    write(path, *whole["paper"])
    refused(load, path, "NAME=PATH")
    shutil.copy(path, tmp_path / path.name)
    assert load(Path(tmp_path / path.name)).sha != SHIPPED[path.name]
