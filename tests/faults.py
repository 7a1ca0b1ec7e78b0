"""Do the tests bite? One-line faults in a copy of the tree, and which tests notice each.

    python tests/faults.py                 # the tests that each fault names
    python tests/faults.py --all           # the whole default run for each fault: hours
    python tests/faults.py --only floor    # faults whose words, file or tests hold this

Prints a row a fault as soon as it is known; the exit code is 1 where one was not noticed. A fault
whose old line is not found exactly once is refused: mend the list in `tests/fault_list.py`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fault_list import FAULTS, Fault  # noqa: E402  (runs from a plain checkout)

PARTS = ("bench", "baselines", "condfip", "tests")
FILES = ("pyproject.toml", "README.md", "constraints.txt")
PYTEST = ("-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider")
LIMIT_S, LIMIT_ALL_S = 600, 3600
NOTICED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
HEADER = "| fault | file | noticed by |\n|---|---|---|"


def main() -> int:
    """Tries the faults that are asked for and prints a table of them."""
    options = parser().parse_args()
    chosen = [fault for fault in FAULTS if options.only in fault.words()]
    for fault in chosen:
        broken(fault)
    if not options.all:
        sound(sorted({test for fault in chosen for test in fault.tests}))
    print(HEADER, flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda fault: said(fault, noticing(fault, options.all)), chosen)
        survived = [fault for fault, noticed in zip(chosen, found, strict=True) if not noticed]
    print(f"\n{len(chosen) - len(survived)} of {len(chosen)} faults noticed")
    return 1 if survived else 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about = "run all default tests for each fault, not only those that it names"
    found.add_argument("--all", action="store_true", help=about)
    found.add_argument("--only", default="", metavar="WORD", help="faults with this in their words")
    found.add_argument("--jobs", type=int, default=1, metavar="N", help="faults at once; default 1")
    return found


def broken(fault: Fault) -> str:
    """The text of a fault's file with the fault in it.

    Raises:
        SystemExit: the old line is not there exactly once, so that the fault says nothing.
    """
    lines = (ROOT / fault.file).read_text(encoding="utf-8").split("\n")
    places = [k for k, line in enumerate(lines) if line.strip() == fault.old]
    if len(places) != 1:
        raise SystemExit(f"{fault.file} has {len(places)} lines {fault.old!r}, not one")
    (place,) = places
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place] = indent + fault.new
    return "\n".join(lines)


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A folder with what the default tests read; the newest weights' training state stays out."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy, left_out = Path(folder), shutil.ignore_patterns("__pycache__", "resume")
        for part in PARTS:
            shutil.copytree(ROOT / part, copy / part, ignore=left_out)
        for name in FILES:
            shutil.copy(ROOT / name, copy / name)
        yield copy


def sound(tests: list[str]) -> None:
    """Checks that the tests pass where there is no fault.

    Raises:
        SystemExit: one fails, so that its failing would say nothing.
    """
    with copy_of_the_tree() as copy:
        failed = run(copy, tests, LIMIT_ALL_S)
    if failed:
        raise SystemExit(f"these fail without any fault: {', '.join(failed)}")


def noticing(fault: Fault, everything: bool) -> list[str]:
    """The tests that fail with the fault in place."""
    with copy_of_the_tree() as copy:
        (copy / fault.file).write_text(broken(fault), encoding="utf-8")
        return run(copy, [] if everything else fault.tests, LIMIT_ALL_S if everything else LIMIT_S)


def run(copy: Path, tests: list[str] | tuple[str, ...], limit: float) -> list[str]:
    """The tests of a copy that fail; a run that ends otherwise has a name of its own."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *PYTEST, *tests]
    try:
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return [f"(no end within {limit:g} s)"]
    failed = [name.removeprefix("tests/") for name in NOTICED.findall(ended.stdout)]
    if ended.returncode not in (0, 1) and not failed:
        raise SystemExit(f"pytest {' '.join(tests)} ended with {ended.returncode}: {ended.stdout}")
    return failed


def said(fault: Fault, noticed: list[str]) -> list[str]:
    """Prints a fault's row."""
    names = [re.sub(r"^.*/", "", name) for name in dict.fromkeys(noticed)]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    by = f"{', '.join(f'`{name}`' for name in names[:2])}{more}" if names else "**nobody**"
    print(f"| {fault.what} | `{fault.file}` | {by} |", flush=True)
    return noticed


if __name__ == "__main__":
    sys.exit(main())
