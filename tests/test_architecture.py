"""Who may import whom. The table is the architecture; the test only reads it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("bench", "baselines", "condfip")
LEAVES = ["bench.scm", "bench.task", "bench.method"]
HEAVY = {"pandas", "networkx", "scipy", "sklearn", "matplotlib", "psutil", "joblib", "rich"}
LIGHT = ("bench.scm", "bench.task", "bench.method", "bench.metrics", "condfip")

MAY_IMPORT = {
    "bench": [],
    "bench.scm": [],
    "bench.task": ["bench.scm"],
    "bench.suite": ["bench.task"],
    "bench.method": ["bench.scm", "bench.task"],
    "bench.metrics": ["bench.scm", "bench.task"],
    "bench.suites": ["bench.scm", "bench.task", "bench.suite", "bench.discovery"],
    "bench.measure": [],
    "bench.stats": [],
    "bench.rankings": ["bench.stats"],
    "bench.published": [],
    "bench.scaffold": [],
    "bench.plugins": [],
    "bench.discovery": ["bench.task", "bench.plugins"],
    "bench.records": ["bench.task"],
    "bench.registry": ["bench.plugins", "bench.scm", "bench.task", "bench.method", "bench.suite"],
    "bench.own": ["bench.plugins", "bench.scm", "bench.task", "bench.method", "bench.registry"],
    "bench.tables": [
        "bench.scm",
        "bench.metrics",
        "bench.published",
        "bench.rankings",
        "bench.registry",
        "bench.stats",
    ],
    "bench.nodes": ["bench.tables"],
    "bench.amortization": ["bench.registry", "bench.tables"],
    "bench.render": ["bench.tables"],
    "bench.compare": ["bench.metrics", "bench.published", "bench.stats", "bench.tables"],
    "bench.verdicts": ["bench.compare", "bench.published", "bench.tables"],
    "bench.refit": [
        "bench.measure",
        "bench.plugins",
        "bench.registry",
        "bench.scm",
        "bench.suite",
        "bench.task",
    ],
    "bench.plots": [
        "bench.scm",
        "bench.task",
        "bench.registry",
        "bench.refit",
        "bench.rankings",
        "bench.stats",
        "bench.tables",
    ],
    "bench.summary": [
        "bench.metrics",
        "bench.rankings",
        "bench.registry",
        "bench.stats",
        "bench.tables",
    ],
    "bench.report": [
        "bench.compare",
        "bench.plots",
        "bench.records",
        "bench.summary",
        "bench.tables",
    ],
    "bench.state": [],
    "bench.units": [],
    "bench.locking": [],
    "bench.interrupt": [],
    "bench.isolation": [],
    "bench.cell": [
        "bench.plugins",
        "bench.task",
        "bench.metrics",
        "bench.registry",
        "bench.records",
        "bench.measure",
        "bench.state",
    ],
    "bench.worker": ["bench.cell"],
    "bench.engines": ["bench.isolation", "bench.plugins"],
    "bench.runner": [
        "bench.cell",
        "bench.engines",
        "bench.isolation",
        "bench.measure",
        "bench.records",
    ],
    "bench.schedule": ["bench.cell", "bench.records"],
    "bench.progress": ["bench.cell", "bench.records", "bench.schedule", "bench.units"],
    "bench.conformance": ["bench.scm", "bench.metrics", "bench.registry", "bench.measure"],
    "bench.speed": [
        "bench.scm",
        "bench.method",
        "bench.registry",
        "bench.measure",
        "bench.cell",
        "bench.engines",
        "bench.runner",
    ],
    "bench.run": [
        "bench.cell",
        "bench.engines",
        "bench.interrupt",
        "bench.isolation",
        "bench.locking",
        "bench.progress",
        "bench.schedule",
        "bench.units",
        "bench.plugins",
        "bench.task",
        "bench.measure",
        "bench.records",
        "bench.registry",
        "bench.runner",
        "bench.tables",
        "bench.render",
        "bench.plots",
    ],
    "bench.commands": ["bench"],
    "bench.cli": ["bench"],
    "bench.__main__": ["bench.cli"],
    "baselines": LEAVES,
    "condfip": ["condfip", *LEAVES],
    "condfip.validate": ["condfip", *LEAVES, "bench.metrics", "bench.suites"],
    "condfip.incontext.validate": ["condfip", *LEAVES, "bench.metrics"],
    "condfip.incontext.goals": ["condfip", *LEAVES, "bench.metrics", "bench.registry"],
    "condfip.ablation": [
        "condfip",
        *LEAVES,
        "bench.metrics",
        "bench.published",
        "bench.registry",
    ],
    "condfip.__main__": ["condfip"],
}


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def sources():
    return [path for top in OURS for path in sorted((ROOT / top).rglob("*.py"))]


def layer(module):
    inside = [k for k in MAY_IMPORT if module == k or module.startswith(k + ".")]
    return max(inside, key=len, default=module)


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_imports_follow_the_table(path):
    module = module_of(path)
    allowed = [layer(module), *MAY_IMPORT[layer(module)]]
    ours = [n for n in imported(ast.parse(path.read_text())) if n.split(".")[0] in OURS]
    wrong = [n for n in ours if not any(n == a or n.startswith(a + ".") for a in allowed)]
    assert not wrong, f"{module} imports {wrong}"


def top_level_imports(tree):
    guards = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    for node in tree.body:
        if node not in guards:
            yield from imported(ast.Module([node], [])) if not is_scope(node) else ()


def is_scope(node):
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


@pytest.mark.parametrize(
    "path", [p for p in sources() if module_of(p).startswith(LIGHT)], ids=module_of
)
def test_what_training_needs_imports_little(path):
    names = {n.split(".")[0] for n in top_level_imports(ast.parse(path.read_text()))}
    assert not names & HEAVY
