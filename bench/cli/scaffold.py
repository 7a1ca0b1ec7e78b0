"""Files to start a new method, suite or metric from."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
METHODS = '[project.entry-points."condfip_bench.methods"]\n'
SUITES = '[project.entry-points."condfip_bench.suites"]\n'


def new_method(name: str, folder: Path) -> list[str]:
    """Writes a method, its test and, in a checkout, its entry-point line.

    Returns:
        Lines to print: what was written, and the next commands.

    Raises:
        ValueError: the name is no Python identifier, or a file exists.
    """
    package = "baselines" if _is_checkout(folder) else ""
    target = f"{package}.{name}:{_title(name)}".lstrip(".")
    lines = _write("method", name, folder, package, target)
    lines.append(f"next: python -m bench check {target}")
    if package:
        _register(folder, METHODS, f'{name} = "{target}"\n')
        lines.append(f"then: pip install -e . && python -m bench check {name}")
    return lines


def new_suite(name: str, folder: Path) -> list[str]:
    """Writes a suite with an axis of its own, its test and, in a checkout, its entry-point line.

    Returns, Raises: as `new_method`.
    """
    package = "bench.suites" if _is_checkout(folder) else ""
    target = f"{package}.{name}:{name.upper()}".lstrip(".")
    lines = _write("suite", name, folder, package, target)
    lines.append(f"next: python -m bench run --suite {target} --preset smoke")
    if package:
        _register(folder, SUITES, f'{name.replace("_", "-")} = "{target}"\n')
        lines.append(f"then: pip install -e . && python -m pytest tests/test_{name}.py")
    return lines


def new_metric(name: str, folder: Path) -> list[str]:
    """Writes a metric and its test.

    Returns, Raises: as `new_method`.
    """
    lines = _write("metric", name, folder, "", name)
    lines.append(f"next: python -m pytest test_{name}.py")
    lines.append("then: move the function and its line into METRICS of bench/metrics/__init__.py")
    return lines


def _is_checkout(folder: Path) -> bool:
    project = folder / "pyproject.toml"
    return project.exists() and METHODS in project.read_text(encoding="utf-8")


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _write(what: str, name: str, folder: Path, package: str, target: str) -> list[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name for a {what}: small letters, digits and _")
    code = folder.joinpath(*package.split(".")) if package else folder
    tests = folder / "tests" if package else folder
    files = {code / f"{name}.py": what, tests / f"test_{name}.py": f"{what}_test"}
    words = {"title": _title(name), "name": name, "constant": name.upper(), "target": target}
    words["module"] = f"{package}.{name}".lstrip(".")
    for path in files:
        if path.exists():
            raise ValueError(f"{path} exists already")
    for path, template in files.items():
        text = (TEMPLATES / f"{template}.py.txt").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"{{{word}}}", value)
        path.write_text(text, encoding="utf-8")
    return [f"wrote {path}" for path in files]


def _register(folder: Path, section: str, line: str) -> None:
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    if section in text:
        project.write_text(text.replace(section, section + line), encoding="utf-8")
