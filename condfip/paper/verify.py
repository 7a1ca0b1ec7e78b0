"""`python -m condfip verify`: our networks beside answers of the published implementation.

A file holds weights, inputs and answers in float64: see `read`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import torch
from torch import Tensor

from condfip.paper.config import ModelConfig
from condfip.paper.model import CondFiPModel

LIMIT = 1e-9
PARAMETER = "parameter/"
UNFIT = (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError)
UNREADABLE = (*UNFIT, OSError, EOFError, BadZipFile, ZlibError)
ANSWERS = ("tokens", "encoder_F", "codebook", "position", "condition", "decoder_F")


def read(path: Path) -> dict[str, Tensor]:
    """Arrays of an NPZ file.

    Entries: adjacency [B, D, D] (bool, row = parent), context [B, N, D], queries [B, M, D],
    standardised; the answers tokens [B, N, D, E], encoder_F [B, N, D], codebook, position,
    condition [B, D, E], decoder_F [B, M, D]; heads, one number for both networks; the weights under
    `parameter/`, by the names of `CondFiPModel`.

    Raises:
        ValueError: there is no such file, or an entry is missing.
    """
    try:
        with np.load(path) as arrays:
            found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except UNREADABLE as error:
        raise ValueError(f"{path} is no readable NPZ file: {_line(error)}") from None
    lacking = [n for n in ("adjacency", "context", "queries", "heads", *ANSWERS) if n not in found]
    if lacking:
        raise ValueError(f"{path} lacks {lacking[0]}: it is no file of network answers")
    return found


def sizes(weights: Mapping[str, Tensor], heads: int) -> ModelConfig:
    """The configuration that weights of these shapes belong to."""

    def count(prefix: str) -> int:
        return 1 + max(int(n[len(prefix) :].split(".")[0]) for n in weights if n.startswith(prefix))

    hidden, width = weights["encoder.layers.0.samples.feed_forward.0.weight"].shape
    return ModelConfig(
        width=width,
        hidden=hidden,
        encoder_layers=count("encoder.layers."),
        encoder_heads=heads,
        encoder_head=len(weights["encoder.layers.0.samples.query.weight"]) // heads,
        readout=len(weights["encoder.head.0.weight"]),
        dataset_layers=count("decoder.dataset_layers."),
        decoder_layers=count("decoder.layers."),
        decoder_heads=heads,
        decoder_head=len(weights["decoder.layers.0.query.weight"]) // heads,
    )


def differences(path: Path) -> Iterator[tuple[str, float]]:
    """The largest difference of each answer, divided by the largest absolute value published.

    Raises:
        ValueError: see `read`; or the weights are not those of the networks, or the inputs and
            answers are of other shapes.
    """
    found = read(path)
    weights = {n.removeprefix(PARAMETER): t for n, t in found.items() if n.startswith(PARAMETER)}
    try:
        model = CondFiPModel(sizes(weights, int(found["heads"]))).double().eval()
        model.load_state_dict({name: t.double() for name, t in weights.items()})
    except UNFIT as error:
        raise ValueError(f"{path} has weights of other networks: {_line(error)}") from None
    try:
        answers = _answers(model, found)
        gaps = {
            n: float((a - found[n]).abs().max() / found[n].abs().max()) for n, a in answers.items()
        }
    except UNFIT as error:
        raise ValueError(f"{path} has no inputs and answers of it: {_line(error)}") from None
    yield from gaps.items()


def _line(error: BaseException) -> str:
    return ascii(" ".join(str(error).split()))[1:-1][:200]


@torch.no_grad()
def _answers(model: CondFiPModel, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    graph = found["adjacency"].bool()
    tokens = model.encoder.tokens(found["context"].double(), graph)
    data = model.decoder.embedding(tokens, graph)
    answer = model.decoder(found["queries"].double(), data, graph)
    embedded = {name: getattr(data, name) for name in ("codebook", "position", "condition")}
    own = {"tokens": tokens.transpose(1, 2), "encoder_F": model.encoder.read(tokens)}
    return own | embedded | {"decoder_F": answer}
