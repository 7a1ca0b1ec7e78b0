"""Figures on disk, under the names that are told."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figure(figure: "Figure", out: Path, dpi: int = 150) -> Path:
    """Writes a figure; a name without an ending gets `.png`.

    Returns:
        The path of the file.

    Raises:
        ValueError: the path is a folder, or its ending is of no kind of figure. OSError: it cannot
            be written.
    """
    if out.is_dir():
        raise ValueError(f"{out} is a folder; name a file in it, such as {out / 'figure.png'}")
    kind = out.suffix.strip(".").lower()
    if not kind:
        kind, out = "png", out.with_name(f"{out.name.rstrip('.')}.png")
    if kind not in figure.canvas.get_supported_filetypes():
        raise ValueError(f"{out} ends in no kind of figure; name a .png, .svg or .pdf")
    figure.savefig(out, dpi=dpi, format=kind)  # told, or the library would change some names
    return out
