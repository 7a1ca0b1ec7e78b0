"""Files to start a new method, suite or metric from."""

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Kind:
    """What `bench new-...` can start, and what it tells the user to type then.

    Attributes:
        attribute: name -> what of the module is registered.
        package: where in this repository it belongs, "" for nowhere.
        entry: name -> the name to register under.
        next: what to type at once; {target} is MODULE:ATTRIBUTE, {name} the name.
        then: what to type once it is installed.
    """

    attribute: Callable[[str], str]
    package: str
    entry: Callable[[str], str]
    next: str
    then: str


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _dashed(name: str) -> str:
    return name.replace("_", "-")


KINDS = {
    "method": Kind(
        attribute=_title,
        package="baselines",
        entry=_dashed,
        next="python -m bench check {target}",
        then="python -m bench check {entry}",
    ),
    "suite": Kind(
        attribute=str.upper,
        package="bench.suites",
        entry=_dashed,
        next="python -m bench run --suite {target} --preset smoke",
        then="python -m bench run --suite {entry} --preset smoke",
    ),
    "metric": Kind(
        attribute=lambda name: "METRIC",
        package="",
        entry=str,
        next="python -m pytest test_{name}.py",
        then="python -m bench list metrics",
    ),
}


def start(what: str, name: str, folder: Path) -> list[str]:
    """Writes a method, a suite or a metric, its test and, where it belongs, its entry point.

    It belongs into a checkout of this repository, or into a package whose `pyproject.toml` in the
    folder has a section for it; elsewhere the lines to add are told.

    Args:
        what: of `KINDS`. name: of its module. folder: where to write.

    Returns:
        Lines to print: what was written, and the next commands.

    Raises:
        ValueError: the name is no Python identifier in small letters, a module that can be imported
            has it, or a file exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name for a {what}: small letters, digits and _")
    kind, section = KINDS[what], f'[project.entry-points."condfip_bench.{what}s"]'
    package = kind.package if _is_checkout(folder) else ""
    if not package and not (folder / f"{name}.py").exists() and find_spec(name):
        raise ValueError(f"{name} is an importable module already; choose another name")
    module = f"{package}.{name}".lstrip(".")
    words = {"name": name, "title": _title(name), "constant": name.upper(), "module": module}
    words |= {"target": f"{module}:{kind.attribute(name)}", "entry": kind.entry(name)}
    lines = _write(what, folder, package, words)
    lines.append(f"next: {kind.next.format(**words)}")
    line = '{entry} = "{target}"'.format(**words)
    if _register(folder / "pyproject.toml", section, line):
        lines.append(f"then: pip install -e . && {kind.then.format(**words)}")
    else:
        lines += ["to install it with a package of yours, in its pyproject.toml:", section, line]
    return lines


def _is_checkout(folder: Path) -> bool:
    project = folder / "pyproject.toml"
    return project.exists() and 'name = "condfip-bench"' in project.read_text(encoding="utf-8")


def _write(what: str, folder: Path, package: str, words: dict[str, str]) -> list[str]:
    name = words["name"]
    code = folder.joinpath(*package.split(".")) if package else folder
    tests = folder / "tests" / code.name if package else folder
    files = {code / f"{name}.py": what, tests / f"test_{name}.py": f"{what}_test"}
    for path in files:
        if path.exists():
            raise ValueError(f"{path} exists already; remove it, or choose another name")
    for path, template in files.items():
        text = (TEMPLATES / f"{template}.py.txt").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"{{{word}}}", value)
        path.write_text(text, encoding="utf-8")
    return [f"wrote {path}" for path in files]


def _register(project: Path, section: str, line: str) -> bool:
    """Adds an entry point to a project that has a section for it; returns whether it has."""
    text = project.read_text(encoding="utf-8") if project.exists() else ""
    if section not in text.splitlines():
        return False
    project.write_text(text.replace(f"{section}\n", f"{section}\n{line}\n"), encoding="utf-8")
    return True
