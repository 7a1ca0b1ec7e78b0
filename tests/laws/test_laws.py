"""Every law bites: a method that breaks it is caught, by that law, and says so."""

import pytest

from bench.laws import LAWS, check

BREAKS = {
    "Reindexed": "keeps shape and index",
    "Greedy": "leaves input alone",
    "Forgets": "repeats with its seed",
    "RawUnits": "scales with columns",
    "Origin": "shifts with columns",
    "ByPlace": "ignores column order",
    "Transposed": "orients the collider",
    "ReadsAll": "ignores non parents",
    "Leaking": "clamps and spares the rest",
    "Hasty": "answers every kind of do",
    "Doubled": "generates what it abducts",
    "Remembers": "generates what it abducts",
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
    ((law, why),) = check(f"tests.laws.broken_methods:{broken}", [BREAKS[broken]])
    assert law == BREAKS[broken] and why


def test_one_law_is_asked_by_its_name():
    assert dict(check("linear", ["pickles"])) == {"pickles": ""}
    with pytest.raises(ValueError, match="unknown law pickle; there are keeps shape and index,"):
        list(check("linear", ["pickle"]))
