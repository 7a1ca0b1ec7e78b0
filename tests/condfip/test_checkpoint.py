"""Checkpoints: what is written comes back, what is broken is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from condfip.checkpoint import load, read, write
from condfip.paper.config import PRESETS, Config
from condfip.paper.method import CondFiP


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_survives_a_header(preset):
    assert Config.from_dict(json.loads(json.dumps(preset.as_dict()))) == preset


def test_a_checkpoint_comes_back_as_it_was(weights, tmp_path):
    checkpoint = load(weights)
    assert checkpoint.save(tmp_path / "copy.safetensors") == checkpoint.sha
    copy = load(tmp_path / "copy.safetensors")
    assert copy.config == checkpoint.config and copy.stages == checkpoint.stages
    for one, other in zip(copy.model.parameters(), checkpoint.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not list(tmp_path.glob("*.partial"))


def no_space(tensors, path, *_):
    path.write_bytes(b"half of it")
    raise SafetensorError("No space left on device")


def moved_away(*_):
    raise OSError("moved away")


FAILING = {"save_file": (no_space, "No space left"), "os.replace": (moved_away, "moved away")}


@pytest.mark.parametrize("what", FAILING)
def test_a_disk_that_fills_up_is_an_error_that_leaves_the_old_file(tmp_path, monkeypatch, what):
    path = tmp_path / "a.safetensors"
    write(path, {"a": torch.zeros(2)}, {})
    before, (failing, message) = path.read_bytes(), FAILING[what]
    monkeypatch.setattr(f"condfip.checkpoint.{what}", failing)
    with pytest.raises(OSError, match=message) as caught:
        write(path, {"a": torch.ones(2)}, {})
    assert "\n" not in str(caught.value) and path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    if what == "save_file":
        assert str(path) in str(caught.value)


def broken(weights: Path, path: Path, how: str) -> None:
    """Writes a checkpoint with one thing wrong."""
    data = bytearray(weights.read_bytes())
    if how == "corrupted":
        data[-5] ^= 1
    path.write_bytes(data[:-100] if how == "truncated" else data)
    tensors, header, _ = read(weights)
    if how == "missing key":
        del tensors["encoder.embed.bias"]
    if how == "unknown key":
        tensors["stranger"] = torch.zeros(1)
    if how == "wrong shape":
        tensors["encoder.embed.bias"] = torch.zeros(3)
    if how == "other fields":
        header["config"]["model"]["colour"] = "red"
    if how in ("missing key", "unknown key", "wrong shape", "other fields"):
        write(path, tensors, header)
    if how == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    if how == "edited header":
        with safe_open(weights, "pt") as file:
            metadata = file.metadata()
        metadata["condfip"] = metadata["condfip"].replace("2.5", "9.5")
        save_file(tensors, path, metadata)
    if how == "gone":
        path.unlink()


BROKEN = {
    "corrupted": "its sha256 is",
    "edited header": "its sha256 is",
    "truncated": "is no readable checkpoint",
    "foreign": "its header is missing",
    "missing key": "it lacks encoder.embed.bias",
    "unknown key": "it has the unknown stranger",
    "wrong shape": r"encoder.embed.bias is \(3,\), expected \(16,\)",
    "other fields": "another kind of model",
    "gone": "no checkpoint at",
}


@pytest.mark.parametrize(("how", "message"), BROKEN.items(), ids=BROKEN)
def test_a_broken_checkpoint_is_refused_in_one_line(weights, tmp_path, how, message):
    path = tmp_path / "broken.safetensors"
    broken(weights, path, how)
    with pytest.raises(ValueError, match=message) as caught:
        CondFiP.from_pretrained(path)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_refused(weights):
    with pytest.raises(ValueError, match="no such CUDA device"):
        CondFiP.from_pretrained(weights, device="cuda:9")
