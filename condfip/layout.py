"""What foreign checkpoints may say, checked before anything of their size is made.

A safetensors file is eight bytes with the length of its header (little-endian), the header in JSON,
{name: {dtype, shape, data_offsets}} and `__metadata__`, then the tensors one after the other.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

HEADER_MOST, TENSORS_MOST, DIMENSIONS_MOST, NAME_MOST = 2**22, 2**14, 8, 200
WHOLE_MOST = 2**40  # of steps, rows, widths; memory is taken once shapes fit
COUNTS = ("layers", "rounds")  # sizes that each cost a module: no more than there are tensors
POSITIVE = ("batch", "chunk", "steps", "tasks", "numbers")
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}
BYTES |= {"BOOL": 1}
META = "__metadata__"
UNBUILT = (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError, MemoryError)
M = TypeVar("M", bound=nn.Module)


def check_layout(path: Path) -> None:
    """Checks that a file's header describes the bytes that follow it, each once.

    Raises:
        ValueError: it does not; the one line names the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, HEADER_MOST):
                raise _unreadable(path, f"its header would have {length} of its {size} bytes")
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    except RecursionError:
        raise _unreadable(path, "its header is nested too deeply") from None
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise _unreadable(path, f"its header is no JSON, {ascii(str(error))[1:80]}") from None
    if not isinstance(header, dict) or not _is_text(header.pop(META, {})):
        raise _unreadable(path, "its header is no object of tensors and text")
    _check_tensors(path, header, size - 8 - length)


def _unreadable(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is no readable checkpoint: {why}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a name that stands twice is read in two ways by two readers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _is_text(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())


def _check_tensors(path: Path, tensors: Mapping[str, Any], size: int) -> None:
    if len(tensors) > TENSORS_MOST:
        raise _unreadable(path, f"it would have {len(tensors)} tensors")
    spans = []
    for name, tensor in tensors.items():
        if len(name) > NAME_MOST or not name.isprintable():
            raise _unreadable(path, f"a tensor's name is {ascii(name)[:40]}")
        spans.append(_span(path, name, tensor))
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise _unreadable(path, "its tensors overlap or leave gaps")
        end = last
    if end != size:
        raise _unreadable(path, f"its tensors would take {end} bytes, {size} are there")


def _span(path: Path, name: str, tensor: Any) -> tuple[int, int]:
    """Where a tensor begins and ends.

    Raises:
        ValueError: its kind, shape and place do not go together.
    """
    wrong = _unreadable(path, f"what it says of {name} is no tensor")
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        raise wrong
    kind, shape, span = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
    if not isinstance(kind, str) or kind not in BYTES:
        raise wrong
    if not _are_sizes(shape) or len(shape) > DIMENSIONS_MOST:
        raise wrong
    if not _are_sizes(span) or len(span) != 2:
        raise wrong
    if span[1] - span[0] != math.prod(shape) * BYTES[kind]:
        raise wrong
    return span[0], span[1]


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def check_settings(config: Any, tensors: int, path: Path) -> None:
    """Checks a configuration from a header: every field of its default's type and of a size.

    Args:
        config: a dataclass of dataclasses. tensors: how many the file has.

    Raises:
        ValueError: a field is not.
    """
    for field in fields(config):
        value, default = getattr(config, field.name), field.default
        if is_dataclass(value):
            check_settings(value, tensors, path)
        elif not _is_like(value, "" if default is MISSING else default):
            raise ValueError(f"{path}: its {field.name} is {ascii(value)[:40]}")
        elif field.name.endswith(COUNTS) and value > tensors:
            raise ValueError(f"{path}: {value} {field.name} with {tensors} tensors")
        elif field.name in POSITIVE and value < 1:
            raise ValueError(f"{path}: its {field.name} is {value}")


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(value, tuple):
        return isinstance(default, tuple) and all(_is_like(v, default[0]) for v in value)
    if isinstance(default, float):
        return type(value) in (int, float) and math.isfinite(value)
    if type(default) is int and type(value) is int:
        return 0 <= value <= WHOLE_MOST
    return type(value) is type(default)


def is_count(value: Any, whole: bool = False) -> bool:
    """Whether something from a header says how many there were, or how long it took."""
    return type(value) in ((int,) if whole else (int, float)) and 0 <= value <= WHOLE_MOST


def built(make: Callable[[], M], tensors: Mapping[str, Tensor], path: Path) -> M:
    """Networks for tensors; they take memory only once every shape is known to fit.

    Raises:
        ValueError: they cannot be made, or a tensor is missing, unknown or of another shape.
    """
    try:
        with torch.device("meta"):
            outline = make()
    except UNBUILT as error:
        told = ascii(str(error))[1:81]
        raise ValueError(f"{path} describes networks that cannot be made: {told}") from None
    check_fit(outline, tensors, path)
    return make()


def check_fit(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Checks that tensors are a module's.

    Raises:
        ValueError: one is missing, unknown, of another shape, or has numbers that are not finite.
    """
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has the unknown {unknown[0]}"
        raise ValueError(f"{path} does not fit the networks: it {what}")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            shapes = f"{tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
            raise ValueError(f"{path} does not fit the networks: {name} is {shapes}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path} does not fit the networks: {name} has NaN or infinity")
