"""The list of faults is one of this tree: each can be made, and names tests that there are."""

import ast
from pathlib import Path

import pytest

from tests.fault_list import FAULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.artefacts
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_fault_can_be_made_and_its_tests_exist(fault):
    lines = [line.strip() for line in (ROOT / fault.file).read_text().splitlines()]
    assert lines.count(fault.old) == 1 and fault.new != fault.old
    for test in fault.tests:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert not name or name.partition("[")[0] in functions
