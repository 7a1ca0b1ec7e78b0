"""The in-context network on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condfip.amortized.config import Config
from condfip.amortized.model import InContextModel
from condfip.checkpoint import fill, is_history, read, write
from condfip.layout import built, check_settings
from condfip.printable import block

FOLDER = Path(__file__).parents[1] / "weights"
SHIPPED = FOLDER / "amortized.safetensors"
KIND = "amortized"  # of files


@dataclass(frozen=True)
class Pretrained:
    """A trained network with its settings, ready for use.

    Attributes:
        config: sizes and training settings.
        model: in float32.
        history: steps, tasks, seconds, commit.
        sha: of the file.
    """

    config: Config
    model: InContextModel
    history: dict[str, Any]
    sha: str

    def save(self, path: Path) -> str:
        """Writes the checkpoint and returns its sha256."""
        header = {"kind": KIND, "config": self.config.as_dict(), "history": self.history}
        return write(path, self.model.state_dict(), header)


def load(path: Path, device: str = "cpu") -> Pretrained:
    """Reads a network from a checkpoint that `Pretrained.save` wrote.

    Raises:
        ValueError: the file is missing, corrupted, or of another kind of model.
    """
    tensors, header, sha = read(path)
    if header.get("kind") != KIND:
        raise ValueError(f"{path} describes another kind of model")
    try:
        config, history = Config.from_dict(header["config"]), header["history"]
    except (KeyError, TypeError, AttributeError) as error:
        told = ascii(str(error))[1:-1]
        raise ValueError(f"{path} describes another version of the model: {told}") from None
    check_settings(config, len(tensors), path)
    if not is_history({"": history}):
        raise ValueError(f"{path} does not say how it was trained: its history has no seconds")
    model = built(lambda: InContextModel(config.model), tensors, path)
    fill(model, tensors, path)
    return Pretrained(config, model.to(device).eval().requires_grad_(False), history, sha)


def describe(path: Path) -> str:
    """What a checkpoint is, for people."""
    weights = load(path)
    count = sum(p.numel() for p in weights.model.parameters())
    lines = [f"{path} ({path.stat().st_size / 2**20:.2f} MiB)", f"sha256 {weights.sha}"]
    lines += [f"{count:,} parameters", f"{weights.config.model}", f"{weights.config.prior}"]
    return block(lines + [f"{key}: {value}" for key, value in weights.history.items()])
