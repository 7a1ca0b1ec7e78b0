"""What others may rely on: the public names, each loaded when it is asked for."""

import doctest
import inspect
import subprocess
import sys

import pytest

import bench
from bench.cli.api import ORDER, PAGE, documented, page, verbs

FUNCTIONS = [n for n in bench.__all__ if inspect.isfunction(getattr(bench, n))]
CLASSES = [n for n in bench.__all__ if inspect.isclass(getattr(bench, n))]


@pytest.mark.parametrize("name", bench.__all__)
def test_every_public_name_is_there(name):
    assert getattr(bench, name) is not None and name in dir(bench)


def test_every_public_name_has_its_place():
    assert set(bench.__all__) == set(bench.PLACES) == set(ORDER)


@pytest.mark.parametrize("name", bench.__all__)
def test_the_example_of_every_public_name_runs(name):
    found = doctest.DocTestParser().get_doctest(documented(name), {}, name, None, None)
    assert found.examples, f"{name} has no example"
    said = []
    doctest.DocTestRunner(verbose=False).run(found, out=said.append)
    assert not said, "".join(said)


def sections(text):
    return {line.strip().rstrip(":") for line in text.splitlines() if line.endswith(":")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_takes_and_gives(name):
    thing, text = getattr(bench, name), documented(name)
    for argument in inspect.signature(thing).parameters:
        assert f"    {argument}: " in text, f"{name} says nothing of {argument}"
    assert "Returns" in sections(text)


@pytest.mark.parametrize("name", CLASSES)
def test_the_verbs_of_a_class_say_what_they_take(name):
    for verb, function in verbs(getattr(bench, name)):
        text = inspect.getdoc(function) or ""
        lacking = [a for a in inspect.signature(function).parameters if a not in ("self", "cls")]
        lacking = [a for a in lacking if f"{a}: " not in text and f"`{a}`" not in text]
        short = name in ("Method", "Estimate", "Suite")  # their members are told in the class's own
        assert text and (short or not lacking), f"{name}.{verb} says nothing of {lacking}"


def test_the_page_of_the_public_names_is_what_their_docstrings_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m bench.cli.api"


def test_the_package_alone_loads_nothing():
    code = "import sys, bench; print(bench.__version__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [bench.__version__, "False"]


def test_other_names_are_refused():
    with pytest.raises(ImportError, match="no_such_thing"):
        exec("from bench import no_such_thing")


def test_what_is_printed_names_nodes_parents_and_fit():
    problem = bench.load_suite("lorch", preset="smoke")[0].problem()
    estimate = bench.load_method("linear").fit(problem.context, problem.graph)
    said = repr(estimate).splitlines()
    assert said[0] == "linear: an SCM of 10 nodes"
    assert said[1].split() == ["node", "parents", "noise", "sd", "explained"]
    for line, node in zip(said[2:], estimate.names, strict=True):
        parents = ", ".join(problem.graph.predecessors(node)) or "-"
        assert line.split("  ")[0] == node and f" {parents} " in line
    root = next(j for j, n in enumerate(estimate.names) if not list(problem.graph.predecessors(n)))
    assert said[2 + root].endswith(" 0 %")  # a root's F is its mean
    assert "TrueSCM: an SCM of 10 nodes" in repr(problem.truth)
