"""Rows of the light tunnel: measured ones that a user has or downloads, and made ones.

Source: Gamella, Peters, Buehlmann, "Causal chambers as a real-world physical testbed for AI
methodology", Nature Machine Intelligence 2025; data set lt_interventions_standard_v1, CC BY 4.0.
`bench/data/CHAMBER.md` describes it. The rows are not part of this package.
"""

import csv
import hashlib
import os
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock

from bench.registry import Unavailable
from bench.suites.files import DATA, DATA_DIR, environments
from bench.task import seed_of

LIGHTS = ("red", "green", "blue")
SENSORS = ("ir_1", "ir_2", "ir_3", "vis_1", "vis_2", "vis_3")
NAMES = (*LIGHTS, *SENSORS)
REFERENCE = "uniform_reference"
DATA_SET = "lt_interventions_standard_v1"
CHECKED_ROWS = 1000  # of each environment, from its first one
MADE = {REFERENCE: 0, "uniform_red_mid": 86, "uniform_red_strong": 171}  # what is added to red
MISSING = (
    "the light tunnel's rows are not shipped: give a folder with its CSV files by --data-dir DIR, "
    'or pip install "condfip-bench[chamber]" to download them'
)
UNREACHABLE = (
    "causalchamber could not download the light tunnel's rows: try again with a connection, or "
    "give a folder with its CSV files by --data-dir DIR"
)

Tables = dict[str, np.ndarray]  # environment -> rows [N, 9]


def measured() -> Tables:
    """The rows of every uniform environment: from --data-dir, else through `causalchamber`.

    Raises:
        Unavailable: neither is there.
        ValueError: a file that is no table of the light tunnel, or a downloaded row has changed.
    """
    given = os.environ.get(DATA_DIR, "")
    return read_folder(Path(given)) if given else _checked(download())


def at_hand() -> Tables | None:
    """The rows that need no download, None where one is needed.

    Raises:
        ValueError: see `measured`.
    """
    return measured() if os.environ.get(DATA_DIR) or _cached().is_dir() else None


@cache
def read_folder(folder: Path) -> Tables:
    """The uniform environments in the CSV files of a folder; see `bench.suites.files.environments`.

    Raises:
        ValueError: no file, a column is missing, a field is no number, or no reference rows.
    """
    found = environments(folder, NAMES, "intervention")
    if REFERENCE not in found:
        raise ValueError(f"{folder} has no CSV file with rows of {REFERENCE}")
    return {name: rows for name, rows in found.items() if name.startswith("uniform")}


def _cached() -> Path:
    """Where a download stays."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "condfip-bench" / DATA_SET


def download() -> Path:
    """The folder of CSV files that `causalchamber` brings into the user's cache, once.

    Other processes wait; a download that was broken off leaves nothing that looks whole.

    Raises:
        Unavailable: the package is not installed, or its server does not answer.
    """
    target = _cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / ".lock"):
        if not target.is_dir():
            with TemporaryDirectory(dir=target.parent) as unfinished:
                _fetch(unfinished)
                Path(unfinished, DATA_SET).rename(target)
    return target


def _fetch(root: str) -> None:
    """Lets the package write its folder below `root`; it asks its server when it is imported."""
    try:
        with redirect_stdout(sys.stderr):
            from causalchamber.datasets import Dataset

            Dataset(DATA_SET, root=root, download=True)
    except ImportError:
        raise Unavailable(MISSING) from None
    except OSError as error:  # of which those of requests are
        raise Unavailable(f"{UNREACHABLE} ({type(error).__name__})") from error


@cache
def _checked(folder: Path) -> Tables:
    tables = read_folder(folder)
    if changed := [name for name, sha in checksums().items() if sha != checksum(tables.get(name))]:
        raise ValueError(
            f"{changed[0]} in {folder} is not what the published run used; "
            f"--data-dir {folder} takes it as it is"
        )
    return tables


def checksums() -> dict[str, str]:
    """The sha256 of each environment of the published run."""
    with (DATA / "chamber_sha256.csv").open(newline="") as file:
        return {line["environment"]: line["sha256"] for line in csv.DictReader(file)}


def checksum(rows: np.ndarray | None) -> str:
    """sha256 of an environment's first rows as CSV text of whole numbers; "" for None."""
    if rows is None:
        return ""
    text = "".join(",".join(f"{v:.0f}" for v in row) + "\n" for row in rows[:CHECKED_ROWS])
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def made() -> Tables:
    """Rows of no tunnel, of the same form and about the same answers: for a first run and tests."""
    return {name: _made(name, np.array([red, 0, 0])) for name, red in MADE.items()}


def _made(environment: str, shift: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed_of("chamber", "made", environment))
    lights = rng.integers(0, 86, (1000, 3)) + shift
    weights = np.array([[3, 2, 1], [1, 3, 1], [1, 1, 3], [9, 5, 4], [5, 9, 4], [5, 4, 9]]).T
    answer = 50 * (lights @ weights) ** 0.8
    return np.column_stack([lights, np.round(answer * (1 + 0.05 * rng.standard_normal((1000, 6))))])
