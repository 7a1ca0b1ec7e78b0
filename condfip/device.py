"""Which device, and what it can do."""

import torch


def pick_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ValueError: there is no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"{name} is no device; try cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{name} was asked for, and this machine has no such CUDA device")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are fast there: CUDA, and processors with AMX."""
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported()


def device_name(device: torch.device) -> str:
    """For the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
