"""Methods inside DoWhy's models, and models to and fro; skipped where dowhy is not installed."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from bench.loaded import Completed
from bench.registry import load_method, load_suite
from bench.task import Dataset

gcm = pytest.importorskip("dowhy.gcm", reason="needs dowhy, which is an extra")

from bench.dowhy import Mechanism, from_dowhy, to_dowhy  # noqa: E402

# names whose order is neither that of the table nor of the levels
GRAPH = nx.DiGraph([("root", "mid"), ("alone", "mid"), ("mid", "end"), ("alone", "end")])
NAMES = ["mid", "alone", "end", "root"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(gcm.config, "show_progress_bars", False)
    monkeypatch.setattr(gcm.config, "default_n_jobs", 1)


def table(n=80, seed=0):
    rng = np.random.default_rng(seed)
    root, alone = rng.normal(5, 2, n), rng.normal(0, 1, n)
    mid = np.sin(root) + 2 * alone + 0.2 * rng.normal(size=n)
    end = 3 * mid - alone + 0.5 * rng.normal(size=n)
    values = {"root": root, "alone": alone, "mid": mid, "end": end}
    return pd.DataFrame(values)[NAMES]


def assigned(mechanism, df=None):
    """A model with one kind of mechanism, fitted by DoWhy."""
    model = gcm.InvertibleStructuralCausalModel(nx.DiGraph(GRAPH))
    for node in GRAPH:
        learnt = gcm.AdditiveNoiseModel(mechanism.clone()) if GRAPH.in_degree(node) else None
        model.set_causal_mechanism(node, learnt or gcm.EmpiricalDistribution())
    gcm.fit(model, table() if df is None else df)
    return model


def theirs(model, rows, do):
    actions = {node: lambda _, value=value: value for node, value in do.items()}
    return gcm.counterfactual_samples(model, actions, observed_data=rows)[NAMES]


def far(one, other):
    """The greatest difference, in deviations of the table's columns."""
    return float((np.abs(one - other) / table().std()).max().max())


@pytest.mark.parametrize("method", ["linear", "amortized-gp"])
@pytest.mark.parametrize("do", [{"mid": 1.0}, {"root": 4.0, "alone": 0.5}])
def test_counterfactuals_of_dowhy_are_ours(method, do):
    scm, rows = load_method(method).fit(table(), GRAPH), table(20, seed=1)
    ours = scm.counterfactual(rows, do)
    model = assigned(Mechanism(method))
    assert far(theirs(model, rows, do), ours) < 1e-5
    assert far(theirs(to_dowhy(scm), rows, do), ours) < 1e-9
    assert far(from_dowhy(model).counterfactual(rows, do), ours) < 1e-5


def test_a_clone_is_the_same_and_not_fitted():
    mechanism = Mechanism("gp", device="cpu")
    mechanism.fit(np.arange(10.0)[:, None], np.arange(10.0)[:, None] ** 2)
    again = mechanism.clone().sklearn_model
    assert again.get_params() == mechanism.sklearn_model.get_params()
    assert not hasattr(again, "scm_")


def test_there_and_back_changes_nothing():
    scm, rows = load_method("gp-fast").fit(table(), GRAPH), table(20, seed=1)
    back = from_dowhy(to_dowhy(scm))
    assert back.names == scm.names
    for node in ("alone", "end"):
        assert far(back.sample(30, {node: 1.0}), scm.sample(30, {node: 1.0})) < 1e-9
    assert far(back.noise(rows), scm.noise(rows)) < 1e-9


def test_a_model_of_dowhy_remembers_its_rows():
    back = from_dowhy(assigned(Mechanism("linear")))
    table_of_rows = pd.DataFrame(back.context, columns=back.names)
    assert far(table_of_rows[NAMES], table()) < 1e-9
    assert np.abs(back.noise(table()).mean()).max() < 1e-9


def test_dowhy_draws_the_noise_that_we_draw():
    scm = load_method("amortized-gp").fit(table(), GRAPH)
    model = to_dowhy(scm)
    kept = model.causal_mechanism("end").noise_model.data[:, 0]
    np.testing.assert_array_equal(kept, scm.residuals[:, NAMES.index("end")])
    roots = model.causal_mechanism("root").data[:, 0]
    level = scm.mechanism(table())["root"].iloc[0]
    np.testing.assert_allclose(roots, level + scm.residuals[:, NAMES.index("root")])


def test_arrows_have_the_strength_that_algebra_gives():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 2, 3000), rng.normal(0, 1, 3000)
    df = pd.DataFrame({"a": a, "b": b, "c": a - 3 * b + rng.normal(size=3000)})
    model = to_dowhy(load_method("linear").fit(df, [("a", "c"), ("b", "c")]))
    np.random.seed(0)  # DoWhy reads the global state
    strength = gcm.arrow_strength(model, "c", num_samples_conditional=2000, n_jobs=1)
    assert strength[("a", "c")] == pytest.approx(1 * 4, rel=0.1)  # weight^2 * variance
    assert strength[("b", "c")] == pytest.approx(9 * 1, rel=0.1)


def test_dowhys_own_tests_take_our_mechanisms():
    df = table(120)
    model = assigned(Mechanism("amortized-gp"), df)
    assert gcm.refute_invertible_model(model, df) == gcm.RejectionResult.NOT_REJECTED
    bent = df.assign(end=df["end"] + df["mid"] ** 2 * np.random.default_rng(1).normal(size=120))
    refuted = gcm.refute_invertible_model(assigned(Mechanism("amortized-gp"), bent), bent)
    assert refuted == gcm.RejectionResult.REJECTED


def test_an_estimate_of_another_kind_has_the_same_answers():
    data = Dataset.of(table(), GRAPH)
    inner = load_method("linear").fit(table(), GRAPH)
    rows, do = table(20, seed=1), {"mid": 1.0}
    model = to_dowhy(Completed(inner, data, "additive"))
    assert far(theirs(model, rows, do), inner.counterfactual(rows, do)) < 1e-9


def test_any_scm_that_the_data_allow_becomes_a_model():
    scm = load_method("linear").fit(table(), GRAPH)
    rows, do = table(20, seed=1), {"mid": 1.0}
    (drawn,) = scm.draws(1, 0)
    assert far(theirs(to_dowhy(drawn), rows, do), drawn.counterfactual(rows, do)) < 1e-9


def test_what_cannot_be_is_said_in_a_line():
    scm = load_method("linear").fit(table(), GRAPH)
    with pytest.raises(RuntimeError, match="learnt already; for tools of DoWhy that fit"):
        gcm.fit(to_dowhy(scm), table())
    with pytest.raises(ValueError, match="only additive noise"):
        to_dowhy(Completed(scm, Dataset.of(table(), GRAPH), "base"))
    with pytest.raises(ValueError, match="takes what a method's fit returns, not TrueSCM"):
        to_dowhy(load_suite("lorch", preset="smoke")[0].problem().truth)
    model = assigned(Mechanism("linear"))
    model.set_causal_mechanism("end", gcm.ClassifierFCM())
    with pytest.raises(ValueError, match="the mechanism of end has no additive noise"):
        from_dowhy(model)


def test_distributions_that_keep_no_rows_need_them():
    model = assigned(Mechanism("linear"))
    model.set_causal_mechanism("root", gcm.ScipyDistribution())
    with pytest.raises(ValueError, match="the distribution of root keeps no rows"):
        from_dowhy(model)
    assert np.abs(from_dowhy(model, table()).noise(table()).mean()).max() < 1e-9
