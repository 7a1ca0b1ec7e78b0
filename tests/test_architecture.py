"""Who may import whom. The table is the architecture; the tests only read it.

Rooms stand from the ground up: what a room may import stands above it in the table.
"""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bench.method import OPTIONAL

ROOT = Path(__file__).parents[1]
OURS = ("bench", "baselines", "condfip")
HEAVY = {
    "threadpoolctl",
    "pandas",
    "networkx",
    "scipy",
    "sklearn",
    "matplotlib",
    "psutil",
    "joblib",
    "rich",
}
LIGHT = (
    "bench.scm",
    "bench.task",
    "bench.standardised",
    "bench.method",
    "bench.metrics",
    "bench.suite",
    "bench.run.environment",
    "bench.run.fingerprint",
    "condfip",
)
WORDS = ["bench.scm", "bench.task", "bench.standardised", "bench.method", "bench.metrics"]
DOORS = ["bench.loaded", "bench.suite", "bench.registry"]
GROUND = ["bench.run.environment", "bench.run.fingerprint", "bench.run.records", "bench.run.shape"]
LEAVES = [*WORDS, "bench.run.environment"]

MAY_IMPORT = {
    "bench.data": [],
    "bench.scm": [],
    "bench.run.environment": [],
    "bench.run.fingerprint": [],
    "bench.run.units": [],
    "bench.run.shape": [],
    "bench.run.records": ["bench.run.shape"],
    "bench.reading": ["bench.scm"],
    "bench.task": ["bench.scm", "bench.reading"],
    "bench.standardised": ["bench.scm", "bench.task"],
    "bench.method": ["bench.scm", "bench.task", "bench.standardised"],
    "bench.mixed": ["bench.scm", "bench.task", "bench.method"],
    "bench.loaded": [*WORDS[:4], "bench.mixed", "bench.run.fingerprint"],
    "bench.metrics": ["bench.scm", "bench.task", "bench.method"],
    "bench.suite": ["bench.task", "bench.run.fingerprint"],
    "bench.registry": ["bench.task", "bench.loaded", "bench.suite"],
    "bench.sklearn": [*WORDS, *DOORS],
    "bench.dowhy": [*WORDS, *DOORS, "bench.sklearn"],
    "bench.suites": [*WORDS, *DOORS, "bench.mixed", "bench.reading"],
    "bench.laws": [*WORDS, "bench.loaded", "bench.registry", "bench.run.environment"],
    "bench.analysis.stats": [],
    "bench.analysis.rankings": ["bench.analysis.stats"],
    "bench.analysis.published": ["bench.data"],
    "bench.analysis": [
        "bench.data",
        *WORDS,
        *GROUND,
        *DOORS,
        "bench.mixed",
        "bench.reading",
        "bench.suites",
    ],
    "bench.run": [*WORDS, *GROUND, *DOORS, "bench.mixed", "bench.reading", "bench.analysis"],
    "bench.cli": ["bench"],
    "bench.__main__": ["bench.cli"],
    "baselines": WORDS[:4],
    "condfip": LEAVES,
    "condfip.infer": [*LEAVES, "bench.reading", "condfip"],
    "condfip.validate": [*LEAVES, "bench.suites", "condfip"],
    "condfip.paper.ablation": [*LEAVES, "bench.registry", "bench.analysis.published", "condfip"],
    "condfip.paper.gate": [*LEAVES, "bench.registry", "condfip"],
    "condfip.amortized.goals": [*LEAVES, "bench.loaded", "bench.registry", "condfip"],
}
# what is asked for when a function is called, and not before
LATER = {
    "bench.run.environment": ["bench"],
    "condfip": ["bench.registry", "bench.suites", "bench.analysis.stats"],
}


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_of(path): path for top in OURS for path in sorted((ROOT / top).rglob("*.py"))}


def room(module):
    inside = [k for k in MAY_IMPORT if module == k or module.startswith(k + ".")]
    return max(inside, key=len, default=module)


def imported(tree):
    """Names of all modules that a tree imports, `from a import b` as a.b where that is one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name for name in inner if name in SOURCES] or [node.module]


class Runtime(ast.NodeTransformer):
    """Leaves out what only type checkers read, and on request what functions import."""

    def __init__(self, functions):
        self.functions = functions

    def visit_If(self, node):
        return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)

    def visit_FunctionDef(self, node):
        return node if self.functions else None


@cache
def imports(module, functions=True):
    tree = Runtime(functions).visit(ast.parse(SOURCES[module].read_text()))
    return frozenset(imported(tree))


@cache
def tree_of(module):
    return ast.parse(SOURCES[module].read_text())


def ours(names):
    return [name for name in names if name.split(".")[0] in OURS]


def within(name, rooms):
    return any(name == a or name.startswith(a + ".") for a in rooms)


@pytest.mark.parametrize("module", sorted(set(SOURCES) - {"bench"}))
def test_imports_follow_the_table(module):
    here = room(module)
    allowed = [here, *MAY_IMPORT[here]]
    later = [*allowed, *LATER.get(here, [])]
    wrong = [n for n in ours(imports(module, functions=False)) if not within(n, allowed)]
    wrong += [n for n in ours(imports(module)) if not within(n, later)]
    assert not wrong, f"{module} imports {wrong}"


def test_rooms_import_only_what_lies_below_them():
    order = list(MAY_IMPORT)
    for place, (here, below) in enumerate(MAY_IMPORT.items()):
        assert here == "bench.cli" or set(below) <= set(order[:place]), here


def test_no_module_imports_itself_through_others():
    graph = {m: set(ours(imports(m))) & set(SOURCES) - {m} for m in SOURCES if m != "bench"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_the_top_of_the_package_is_a_vocabulary():
    assert len(list((ROOT / "bench").glob("*.py"))) <= 12


LIGHT_ONES = [m for m in SOURCES if within(m, LIGHT)]


@pytest.mark.parametrize("module", LIGHT_ONES)
def test_what_training_needs_imports_little(module):
    assert not {name.split(".")[0] for name in imports(module, functions=False)} & HEAVY


def test_what_training_needs_is_importable_without_the_rest():
    names = [m for m in LIGHT_ONES if not m.endswith("__main__")]
    block = f"import sys; sys.modules.update(dict.fromkeys({sorted(HEAVY)}))"
    run = f"{block}; from importlib import import_module; [import_module(m) for m in {names}]"
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def constants(tree):
    """Text in a module, docstrings aside."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    prose = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, documented) and n.body and isinstance(n.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


# words that a method's name shares: a role, a noise space, the scale of an axis, a package
SHARED_WORDS = {"truth", "additive", "linear", "dowhy"}
METHODS = {entry.name for entry in entry_points(group="condfip_bench.methods")}


@pytest.mark.parametrize("module", [m for m in SOURCES if m.startswith("bench.")])
def test_no_module_of_bench_names_a_method(module):
    named = METHODS & set(constants(tree_of(module))) - SHARED_WORDS
    assert not named


# what runs where this package is not installed cannot ask `member`
MEMBERS = [m for m in SOURCES if m.startswith("bench.") and m != "bench.run.isolation.foreign"]


@pytest.mark.parametrize("module", MEMBERS)
def test_one_place_looks_for_optional_members(module):
    calls = [n for n in ast.walk(tree_of(module)) if isinstance(n, ast.Call)]
    hunts = [c for c in calls if getattr(c.func, "id", "") in ("getattr", "hasattr")]
    found = {part.value for c in hunts for part in c.args[1:2] if isinstance(part, ast.Constant)}
    assert not found & set(OPTIONAL)
