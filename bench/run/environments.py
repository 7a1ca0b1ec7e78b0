"""Environments of methods whose packages cannot stand beside ours: built once, named and hashed.

`--env NAME=requirements.txt` gives the method NAME a virtual environment with what the file names;
`--env environments.toml` names such a file for each of several methods. The environment lives in
the user's cache under a name that is the hash of the requirements and of Python's version, so that
every run with the same ones finds it built.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

READY, SAID = "ready.json", "build.log"
NEEDED = ("numpy", "pandas", "networkx")
SHOWN = 12
READS = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """The virtual environment of one method, with packages of its own.

    Attributes:
        requirements: the file.
        folder: of the virtual environment, built or to be built.
        sha: of the text of the file and of those that it reads, and of Python's version.
    """

    requirements: Path
    folder: Path
    sha: str

    @property
    def python(self) -> str:
        """The path of the environment's interpreter."""
        part = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return str(self.folder.joinpath(*part))

    @property
    def ready(self) -> bool:
        """Whether the environment was built to its end."""
        return (self.folder / READY).is_file()

    @property
    def name(self) -> str:
        """The environment as a record names it: its file and the beginning of its sha."""
        return f"{self.requirements.name} {self.sha[:16]}"

    def build(self) -> None:
        """Builds it, unless it stands already.

        Raises:
            ValueError: a package cannot be installed; the last lines say why.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.folder}.lock"):
            if self.ready:
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            print(f"building an environment for {self.requirements} in {self.folder}", flush=True)
            uv = shutil.which("uv")
            pip = [self.python, "-m", "pip", "--disable-pip-version-check"]
            if uv:
                self._do([uv, "venv", "--quiet", "--python", sys.executable, str(self.folder)])
                pip = [uv, "pip", "--python", self.python]
            else:
                self._do([sys.executable, "-m", "venv", str(self.folder)])
            self._do([*pip, "install", "-r", str(self.requirements)])
            self._do([self.python, "-c", f"import {', '.join(NEEDED)}"])
            frozen = self._do([*pip, "freeze"]).split("\n")
            told = {"python": platform.python_version(), "installed": [x for x in frozen if x]}
            (self.folder / READY).write_text(json.dumps(told), encoding="utf-8")

    def _do(self, command: Sequence[str]) -> str:
        outside = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=outside
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-SHOWN:]
            raise ValueError(
                f"--env: no environment for {self.requirements} (its packages, and "
                f"{', '.join(NEEDED)}, must install together): {' | '.join(said)}"
            )
        return done.stdout

    def about(self) -> dict[str, Any]:
        """What a launch says of it: the file, its sha, Python's version and what is installed."""
        told = json.loads((self.folder / READY).read_text(encoding="utf-8"))
        return {"requirements": str(self.requirements), "sha": self.sha, **told}


def environment_of(requirements: Path) -> Environment:
    """The environment of a requirements file; nothing is built.

    Raises:
        ValueError: the file, or one that it reads, cannot be read.
    """
    version = ".".join(platform.python_version_tuple()[:2])
    text = b"".join(_texts(requirements, set()))
    sha = hashlib.sha256(text + f"\npython {version}".encode()).hexdigest()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "condfip-bench" / "environments" / f"{requirements.stem}-{sha[:16]}"
    return Environment(requirements, folder, sha)


def _texts(requirements: Path, seen: set[Path]) -> Iterator[bytes]:
    """What a requirements file says, then what the files say that it reads by -r or -c."""
    text = _read(requirements)
    yield text
    for name in READS.findall(text.decode(errors="replace")):
        other = (requirements.parent / name).absolute()
        if other not in seen and "://" not in name:
            yield from _texts(other, seen | {other})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"--env: cannot read {path}: {error.strerror}") from error


def read_environments(words: Sequence[str], methods: Sequence[str]) -> Mapping[str, Environment]:
    """{method: environment} of NAME=requirements.txt, ... and of tables of such pairs.

    Args:
        words: pairs, or names of TOML files of pairs, whose paths are taken from their own folder;
            what a table says of methods that the run has not is left out.
        methods: of the run.

    Raises:
        ValueError: neither, a method that the run has not, or a file that is not there.
    """
    found: dict[str, Environment] = {}
    for word in words:
        name, equals, path = word.rpartition("=")
        if not equals and word.endswith(".toml"):
            pairs = _table(Path(word))
            found |= {n: environment_of(p) for n, p in pairs.items() if n in methods}
            continue
        if not equals or not path:
            raise ValueError(f"--env {word} is neither NAME=requirements.txt nor a .toml file")
        if name not in methods:
            raise ValueError(f"--env: unknown method {name}; the run has {', '.join(methods)}")
        found[name] = environment_of(Path(path))
    return found


def _table(path: Path) -> dict[str, Path]:
    """{method: requirements file} of a TOML file."""
    text = _read(path)
    try:
        table = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # its syntax, or bytes that are no text
        raise ValueError(f"--env: {path} is no table: {error}") from error
    if wrong := [name for name, file in table.items() if not isinstance(file, str) or not file]:
        raise ValueError(
            f'--env: {path} has lines such as "module:Class" = "requirements.txt"; '
            f"{wrong[0]} names no file"
        )
    return {name: path.parent / file for name, file in table.items()}
