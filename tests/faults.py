"""Do the tests bite? One-line faults in a copy of the tree, and which tests notice each.

    python tests/faults.py                 # the tests that each fault names
    python tests/faults.py --all           # the whole default run for each fault: hours
    python tests/faults.py --only floor    # faults whose words, file or tests hold this

Prints a row a fault as soon as it is known; the exit code is 1 where one was not noticed. A fault
whose old line is not found exactly once is refused: mend the list in `tests/faults.toml`.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from fault_list import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("bench", "baselines", "condfip", "tests")
FILES = ("pyproject.toml", "README.md", "constraints.txt")
HEAVY = ("torch", "pandas", "networkx", "scipy.stats", "sklearn.ensemble", "hypothesis", "pytest")
PYTEST = ("-q", "-rfE", "--tb=no", "-p", "no:cacheprovider")
LIMIT_S, LIMIT_ALL_S = 600, 3600
NOTICED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
HEADER = "| fault | file | noticed by |\n|---|---|---|"


def main() -> int:
    """Tries the faults that are asked for and prints a table of them."""
    options = parser().parse_args()
    chosen = [f for f in FAULTS if not options.only or any(w in f.words() for w in options.only)]
    for fault in chosen:
        broken(fault)
    for module in HEAVY:
        import_module(module)
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
    about = "faults with one of these in their words, file or tests"
    found.add_argument("--only", nargs="+", default=[], metavar="WORD", help=about)
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


def run(copy: Path, tests: Sequence[str], limit: float) -> list[str]:
    """The tests of a copy that fail; a run that ends otherwise has a name of its own.

    Forked from this process, which has imported what is heavy and nothing of ours.
    """
    output, end = copy / "pytest.txt", time.monotonic() + limit
    pid = os.fork()
    if not pid:
        _pytest(copy, tests, output)
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return [f"(no end within {limit:g} s)"]
        time.sleep(0.1)
    text, code = output.read_text(encoding="utf-8"), os.waitstatus_to_exitcode(ended[1])
    failed = [name.removeprefix("tests/") for name in NOTICED.findall(text)]
    if code not in (0, 1) and not failed:
        raise SystemExit(f"pytest {' '.join(tests)} ended with {code}: {text}")
    return failed


def _pytest(copy: Path, tests: Sequence[str], output: Path) -> None:
    """Runs tests in a copy, whose packages come first, and ends this process."""
    code = 3
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.chdir(copy)
        sys.path[0] = str(copy)
        sys.dont_write_bytecode, os.environ["PYTHONPATH"] = True, str(copy)
        code = int(import_module("pytest").main([*PYTEST, *tests]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def said(fault: Fault, noticed: list[str]) -> list[str]:
    """Prints a fault's row."""
    names = [re.sub(r"^.*/", "", name) for name in dict.fromkeys(noticed)]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    by = f"{', '.join(f'`{name}`' for name in names[:2])}{more}" if names else "**nobody**"
    print(f"| {fault.what} | `{fault.file}` | {by} |", flush=True)
    return noticed


if __name__ == "__main__":
    sys.exit(main())
