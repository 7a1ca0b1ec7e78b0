"""Which device, and what it can do."""

import ctypes
import re

import torch

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def pick_device(name: str) -> torch.device:
    """The device of a name such as `cpu` or `cuda:1`.

    Raises:
        ValueError: there is no such device.
    """
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name, re.ASCII):
        raise ValueError(f"{ascii(name)[1:-1][:40]} is no device; it is cpu, cuda or cuda:1")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{name} was asked for, and this machine has no such CUDA device")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are fast there: CUDA, and processors with AMX."""
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported()


def device_name(device: torch.device) -> str:
    """The name of a device's model, for records."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def keep_memory() -> None:
    """Tells the C library to keep freed memory, which training asks for again a moment later.

    Otherwise glibc returns large pieces to the system, and every step waits for the same pages.
    Elsewhere this does nothing.
    """
    try:
        setting = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    for option, value in ((MMAP_THRESHOLD, 2**25), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**28)):
        setting(option, value)
