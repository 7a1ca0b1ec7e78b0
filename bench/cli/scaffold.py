"""Files to start a new method from."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
SECTION = '[project.entry-points."condfip_bench.methods"]\n'


def new_method(name: str, folder: Path) -> list[str]:
    """Writes a method, its test and, in a checkout, its entry-point line.

    Returns:
        Lines to print: what was written, and the next commands.

    Raises:
        ValueError: the name is no Python identifier, or a file exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name for a method: small letters, digits and _")
    project = folder / "pyproject.toml"
    checkout = project.exists() and SECTION in project.read_text(encoding="utf-8")
    code, tests = (folder / "baselines", folder / "tests") if checkout else (folder, folder)
    title = "".join(word.capitalize() for word in name.split("_"))
    target = f"{'baselines.' if checkout else ''}{name}:{title}"
    files = {code / f"{name}.py": "method.py.txt", tests / f"test_{name}.py": "test.py.txt"}
    for path in files:
        if path.exists():
            raise ValueError(f"{path} exists already")
    for path, template in files.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        path.write_text(text.replace("{title}", title).replace("{target}", target))
    lines = [f"wrote {path}" for path in files] + [f"next: python -m bench check {target}"]
    if checkout:
        text = project.read_text(encoding="utf-8")
        project.write_text(text.replace(SECTION, f'{SECTION}{name} = "{target}"\n'))
        lines.append(f"then: pip install -e . && python -m bench check {name}")
    return lines
