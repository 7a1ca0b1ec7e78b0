"""Every law bites: a method that breaks it is caught, by that law, and says so."""

import pytest

from bench.laws import LAWS, check
from bench.laws.trial import Trial, on_steps
from bench.registry import load_method
from tests.laws import broken_estimates

BREAKS = {
    "Reindexed": "keeps shape and index",
    "Greedy": "leaves input alone",
    "Forgets": "repeats with its seed",
    "RawUnits": "scales with columns",
    "Origin": "shifts with columns",
    "Wavers": "shifts with columns",
    "ByPlace": "ignores column order",
    "Transposed": "orients the collider",
    "ReadsAll": "ignores non parents",
    "Leaking": "clamps and spares the rest",
    "Hasty": "answers every kind of do",
    "Doubled": "generates what it abducts",
    "Remembers": "generates what it abducts",
    "Sloppy": "generates what it abducts",
    "Merges": "generates what it abducts",
    "Stairs": "generates what it abducts",
    "Restless": "leaves rows that nothing moves",
    "Careless": "surrounds what it predicts",
    "Certain": "surrounds what it predicts",
    "Crowded": "answers rows one by one",
    "Unpicklable": "pickles",
    "NeedsEdges": "fits without edges",
    "Trusting": "refuses bad input",
    "Blind": "names the hole of a query",
    "Exaggerates": "keeps types or says that it cannot",
    "Indifferent": "beats the marginal",
}


def test_every_law_has_a_method_that_breaks_it():
    assert list(dict.fromkeys(BREAKS.values())) == list(LAWS)


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_method_is_caught(broken):
    kind = "estimates" if hasattr(broken_estimates, broken) else "methods"
    ((law, why),) = check(f"tests.laws.broken_{kind}:{broken}", [BREAKS[broken]])
    assert law == BREAKS[broken] and why


def test_a_rounded_row_on_a_step_may_fall_and_no_other_row():
    law, name = "generates what it abducts", "tests.laws.broken_estimates:OneStep"
    trial = Trial(load_method(name))
    rows = trial.context.round(1)
    gaps = (trial.estimate.generate(trial.estimate.noise(rows)) - rows).abs().max(axis=1)
    assert 0 < (gaps > 1).sum() < 12 and on_steps(trial.estimate, rows[gaps > 1])
    assert not on_steps(trial.estimate, rows[gaps < 1])
    assert dict(check(name, [law])) == {law: ""}


def test_one_law_is_asked_by_its_name():
    assert dict(check("linear", ["pickles"])) == {"pickles": ""}
    with pytest.raises(ValueError, match="unknown law pickle; there are keeps shape and index,"):
        list(check("linear", ["pickle"]))


@pytest.mark.parametrize("kind", ["LeavesZero", "RaisesGeneratorExit"])
def test_a_method_that_exits_breaks_its_laws(kind):
    ((_, why),) = check(f"tests.fake_methods.dying:{kind}", ["pickles"])
    assert why.startswith(("SystemExit", "GeneratorExit"))
