"""Weights on disk: safetensors with a JSON header and a sha256 over both, written atomically."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from condfip.device import pick_device
from condfip.layout import built, check_fit, check_layout, check_settings, is_count
from condfip.paper.config import JOINT, POOLINGS, STAGES, Config
from condfip.paper.model import CondFiPModel
from condfip.printable import NAME_MOST, block, plain

HEADER, DIGEST = "condfip", "sha256"
WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = {  # by their contents, as `write` names them; another file under such a name is refused
    "condfip.safetensors": "d115c96617ec05d48648ea7d9e9a964485d7d629524cf4a63a344a751c38bab7",
    "amortized.safetensors": "c23e590a689e67dfa832198deefb4909c44aba9d45d904a321660c7344ae13ea",
}


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Writes tensors and header in one step, so that a stop leaves the old file or the new one.

    Returns:
        The sha256 of the contents.

    Raises:
        OSError: the file cannot be written, as on a full disk; nothing new is left.
    """
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    text = json.dumps(header, sort_keys=True)
    digest = _digest(tensors, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, {HEADER: text, DIGEST: digest})
        os.replace(partial, path)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {ascii(str(error))[1:-1]}") from None
    finally:
        partial.unlink(missing_ok=True)
    return digest


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, header and sha256 of a file of `write`.

    Raises:
        ValueError: the file is missing, corrupted, truncated, not one of ours, or has a shipped
            file's place and other contents.
    """
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    check_layout(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable checkpoint: {error}") from None
    if HEADER not in metadata:
        raise ValueError(f"{path} is no checkpoint of condfip: its header is missing")
    digest = _digest(tensors, metadata[HEADER])
    if digest != metadata.get(DIGEST):
        raise ValueError(f"{path} is corrupted: its sha256 is {digest[:12]}, not the recorded one")
    shipped = SHIPPED.get(path.name, digest) if path.absolute().parent == WEIGHTS else digest
    if digest != shipped:
        raise ValueError(
            f"{path} is not the file that was shipped: its sha256 is {digest[:12]}, not "
            f"{shipped[:12]}; to use other weights name them as NAME=PATH, elsewhere"
        )
    try:
        header = json.loads(metadata[HEADER])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ValueError(f"{path} is no checkpoint of condfip: its description is no JSON object")
    return tensors, header, digest


def _digest(tensors: Mapping[str, Tensor], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Networks ready for use, and how they came to be.

    Attributes:
        config: sizes and training settings.
        model: both networks.
        stages: for each trained stage its steps, datasets, seconds, device, commit.
        sha: of the file, "" before it is written.
    """

    config: Config
    model: CondFiPModel
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    sha: str = ""

    @property
    def leaves_roots_out(self) -> bool:
        """Whether the encoder was never told its errors of roots: what it says of them is idle."""
        trained = [getattr(self.config, stage) for stage in self.stages if stage != "decoder"]
        return any(stage.mask_roots for stage in trained)

    def save(self, path: Path) -> str:
        """Writes the checkpoint and returns its sha256."""
        header = {"config": self.config.as_dict(), "stages": self.stages}
        return write(path, self.model.state_dict(), header)


def load(path: Path, device: str = "cpu") -> Checkpoint:
    """Reads a checkpoint of `Checkpoint.save`.

    Raises:
        ValueError: see `read`, `pick_device`; or header or tensors do not describe these networks.
    """
    place = pick_device(device)
    tensors, header, sha = read(path)
    try:
        config, stages = Config.from_dict(header["config"]), header["stages"]
        known = config.model.pooling in POOLINGS
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        told = ascii(str(error))[1:-1]
        raise ValueError(f"{path} describes another kind of model: {told}") from None
    check_settings(config, len(tensors), path)
    if not known or not is_history(stages) or not stages.keys() <= {*STAGES, JOINT}:
        raise ValueError(f"{path} describes another kind of model: its pooling or its stages")
    model = built(lambda: CondFiPModel(config.model), tensors, path)
    fill(model, tensors, path)
    return Checkpoint(config, model.to(place).eval(), stages, sha)


def is_history(stages: Any) -> bool:
    """Whether {stage: {word: value}} says of each stage how many seconds it took.

    Other counts may be missing.
    """
    return isinstance(stages, dict) and all(
        isinstance(told, dict)
        and is_count(told.get("seconds"))
        and all(is_count(told.get(name, 0)) for name in ("steps", "datasets", "tasks"))
        for told in stages.values()
    )


def fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies tensors into a module.

    Raises:
        ValueError: a tensor is missing, unknown, of another shape, or not finite.
    """
    check_fit(module, tensors, path)
    module.load_state_dict(dict(tensors))


def describe(path: Path) -> str:
    """What a checkpoint is, for people."""
    checkpoint = load(path)
    sizes = {
        name: sum(p.numel() for p in getattr(checkpoint.model, name).parameters())
        for name in ("encoder", "decoder")
    }
    lines = [f"{path} ({path.stat().st_size / 2**20:.1f} MiB)", f"sha256 {checkpoint.sha}"]
    name = plain(checkpoint.config.name, NAME_MOST)
    lines += [f"preset {name}: {checkpoint.config.model}"]
    lines += [f"{name}: {size:,} parameters" for name, size in sizes.items()]
    for stage, told in checkpoint.stages.items():
        lines += [f"training of {'both' if stage == JOINT else stage}:"]
        lines += [f"  {k}: {v}" for k, v in told.items()]
        lines += [f"  prior: {getattr(checkpoint.config, stage).prior}"]
    return block(lines)
