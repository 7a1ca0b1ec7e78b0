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
    "bench.run.environment": [],
    "bench.analysis.stats": [],
    "bench.analysis.rankings": ["bench.analysis.stats"],
    "bench.analysis.published": [],
    "bench.cli.scaffold": [],
    "bench.discovery": ["bench.task", "bench.registry"],
    "bench.run.records": ["bench.task"],
    "bench.registry": ["bench.registry", "bench.scm", "bench.task", "bench.method", "bench.suite"],
    "bench.suites.own": [
        "bench.registry",
        "bench.scm",
        "bench.task",
        "bench.method",
        "bench.registry",
    ],
    "bench.analysis.table": [
        "bench.scm",
        "bench.metrics",
        "bench.analysis.published",
        "bench.analysis.rankings",
        "bench.registry",
        "bench.analysis.stats",
    ],
    "bench.analysis.nodes": ["bench.analysis.table"],
    "bench.analysis.amortization": ["bench.registry", "bench.analysis.table"],
    "bench.analysis.render": ["bench.analysis.table"],
    "bench.analysis.compare": [
        "bench.metrics",
        "bench.analysis.published",
        "bench.analysis.stats",
        "bench.analysis.table",
    ],
    "bench.analysis.verdicts": [
        "bench.analysis.compare",
        "bench.analysis.published",
        "bench.analysis.table",
    ],
    "bench.analysis.refit": [
        "bench.run.environment",
        "bench.registry",
        "bench.registry",
        "bench.scm",
        "bench.suite",
        "bench.task",
    ],
    "bench.analysis.plots": [
        "bench.scm",
        "bench.task",
        "bench.registry",
        "bench.analysis.refit",
        "bench.analysis.rankings",
        "bench.analysis.stats",
        "bench.analysis.table",
    ],
    "bench.analysis.summary": [
        "bench.metrics",
        "bench.analysis.rankings",
        "bench.registry",
        "bench.analysis.stats",
        "bench.analysis.table",
    ],
    "bench.analysis.report": [
        "bench.analysis.compare",
        "bench.analysis.plots",
        "bench.run.records",
        "bench.analysis.summary",
        "bench.analysis.table",
    ],
    "bench.run.sandbox": [],
    "bench.run.units": [],
    "bench.run.locking": [],
    "bench.run.interrupt": [],
    "bench.run.supervisor": [],
    "bench.run.cell": [
        "bench.registry",
        "bench.task",
        "bench.metrics",
        "bench.registry",
        "bench.run.records",
        "bench.run.environment",
        "bench.run.sandbox",
    ],
    "bench.run.child": ["bench.run.cell"],
    "bench.run.backends": ["bench.run.supervisor", "bench.registry"],
    "bench.run.grid": [
        "bench.run.cell",
        "bench.run.backends",
        "bench.run.supervisor",
        "bench.run.environment",
        "bench.run.records",
    ],
    "bench.run.schedule": ["bench.run.cell", "bench.run.records"],
    "bench.run.progress": [
        "bench.run.cell",
        "bench.run.records",
        "bench.run.schedule",
        "bench.run.units",
    ],
    "bench.laws": ["bench.scm", "bench.metrics", "bench.registry", "bench.run.environment"],
    "bench.cli.speed": [
        "bench.scm",
        "bench.method",
        "bench.registry",
        "bench.run.environment",
        "bench.run.cell",
        "bench.run.backends",
        "bench.run.grid",
    ],
    "bench.run.execute": [
        "bench.run.cell",
        "bench.run.backends",
        "bench.run.interrupt",
        "bench.run.supervisor",
        "bench.run.locking",
        "bench.run.progress",
        "bench.run.schedule",
        "bench.run.units",
        "bench.registry",
        "bench.task",
        "bench.run.environment",
        "bench.run.records",
        "bench.registry",
        "bench.run.grid",
        "bench.analysis.table",
        "bench.analysis.render",
        "bench.analysis.plots",
    ],
    "bench.cli.commands": ["bench"],
    "bench.cli.parser": ["bench"],
    "bench.__main__": ["bench.cli.parser"],
    "baselines": LEAVES,
    "condfip": ["condfip", *LEAVES],
    "condfip.validate": ["condfip", *LEAVES, "bench.metrics", "bench.suites"],
    "condfip.incontext.validate": ["condfip", *LEAVES, "bench.metrics"],
    "condfip.incontext.goals": ["condfip", *LEAVES, "bench.metrics", "bench.registry"],
    "condfip.ablation": [
        "condfip",
        *LEAVES,
        "bench.metrics",
        "bench.analysis.published",
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
