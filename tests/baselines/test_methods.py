"""Laws over every registered method, known answers, and methods that break laws."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from baselines.additive import spline_ridge
from baselines.linear import Linear
from bench.laws import check
from bench.method import member
from bench.metrics import METRICS
from bench.registry import (
    METHODS,
    LoadedMethod,
    Unavailable,
    declared,
    default_methods,
    list_methods,
    load_method,
    load_suite,
)

SLOW = {
    *("gp-fast", "mlp", "boosting", "s-learner", "t-learner", "fip", "deci", "causalnf", "dowhy"),
    *("condfip", "condfip-published", "condfip-tuned", "condfip-incontext"),
}
SEES_PROBLEM = ("truth", "floor")
SHORTENED = ("fip-published", "fip-published-best")  # a thousand steps on all rows take their time


def law_abiding():
    for name in list_methods():
        if name not in (*SEES_PROBLEM, *SHORTENED):
            yield pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name


@pytest.mark.parametrize("name", list(law_abiding()))
def test_every_method_keeps_the_laws(name):
    try:
        load_method(name)
    except Unavailable as reason:
        pytest.skip(str(reason))
    broken = {law: why for law, why in check(name) if why}
    assert not broken


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORTENED)
def test_the_published_fip_keeps_the_laws_in_fewer_steps(monkeypatch, name):
    method = type(load_method(name).inner)
    short = replace(method.recipe, steps=60, learning_rate=3e-3, best=True)
    monkeypatch.setattr(method, "recipe", short)
    assert not {law: why for law, why in check(name) if why}


@pytest.mark.parametrize("name", SEES_PROBLEM)
def test_controls_that_know_the_truth_refuse_data(name):
    with pytest.raises(ValueError, match="needs the true SCM"):
        load_method(name).fit(pd.DataFrame({"a": [1.0, 2.0]}), nx.DiGraph())


class Oracle(Linear):
    """A baseline that asks for the truth, which it is not shown."""

    def fit_problem(self, problem, seed):
        return problem.truth


class Ceiling(Oracle):
    role = "reference"

    def skip_problem(self, problem):
        return "no truth" if problem.truth is None else None


def test_only_controls_are_shown_a_problem():
    problem = load_suite("lorch", "smoke", d=5)[0].problem()
    control = load_method("tests.baselines.test_methods:Ceiling")
    assert control.sees_problem and control.fit_problem(problem, 0) is problem.truth
    assert control.skip_problem(replace(problem, truth=None)) == "no truth"
    baseline = replace(control, inner=Oracle())
    assert not baseline.sees_problem and baseline.fit_problem(problem, 0) is not problem.truth


def test_members_that_a_class_lacks_have_the_defaults_of_the_protocols():
    class Bare:
        def fit(self, df, graph, *, seed=0):
            return None

    method = LoadedMethod("bare", Bare())
    found = (method.version, method.role, method.noise_space, method.checkpoint_sha)
    assert found == ("", "baseline", "additive", "")
    data = load_suite("lorch", "smoke")[0].problem().data
    assert method.skip(data) is method.pretrain_s is method.seen_in_training(None) is None
    assert member(Bare(), "noise_metric") and member(Bare(), "intervals") is None
    with pytest.raises(KeyError):
        member(Bare(), "colour")


def test_methods_are_listed_by_role_and_then_by_default():
    names = list_methods()
    assert names[:3] == ["truth", "floor", "marginal"]
    assert {"linear", "gp", "condfip"} <= set(default_methods()) <= set(names)
    assert names[: len(default_methods())] == default_methods()
    assert "condfip-published" not in default_methods()  # what a class inherits does not count


@pytest.mark.parametrize("name", list_methods())
def test_what_a_source_declares_is_what_its_class_has(name):
    try:
        inner = load_method(name).inner
    except Unavailable as reason:
        pytest.skip(str(reason))
    said = declared(name)
    assert said.get("version", inner.version) == inner.version
    assert said.get("role", "baseline") == member(inner, "role")


def test_a_pretrained_method_takes_another_checkpoint(tmp_path):
    method = load_method(f"tests.baselines.test_methods:Trained={tmp_path}/w.bin")
    assert method.inner.checkpoint == tmp_path / "w.bin" and method.settings == ()
    with pytest.raises(ValueError, match="linear reads no checkpoint"):
        load_method("linear=w.bin")


class Trained(Linear):
    def __init__(self, checkpoint=None, device="cpu"):
        self.checkpoint, self.device = checkpoint, device


def test_only_methods_that_take_a_device_are_given_one():
    assert load_method("tests.baselines.test_methods:Trained", device="cuda").inner.device == "cuda"
    assert load_method("linear", device="cuda").settings == ()


def test_scikit_learn_clones_a_loaded_method():
    method = load_method("gp")
    again = clone(method)
    assert again == replace(method, inner=again.inner) and again.inner is not method.inner


def test_the_gaussian_process_bears_noise_too_small_to_see():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    df = pd.DataFrame({"a": a, "b": b, "c": 3e4 * a - 1e4 * b + 1e-3 * rng.normal(size=300)})
    scm = load_method("gp").fit(df, nx.DiGraph([("a", "c"), ("b", "c")]))
    assert scm.noise(df)["c"].std() < 1e-3 * df["c"].std()


@pytest.mark.parametrize("name", ["linear", "gp"])
def test_linear_mechanisms_are_found(name):
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    df = pd.DataFrame({"a": a, "b": 2 * a - 1 + 0.1 * rng.normal(size=2000)})[:400]
    scm = load_method(name).fit(df, nx.DiGraph([("a", "b")]))
    answer = scm.generate(pd.DataFrame({"a": [0.0, 0.0], "b": [0.0, 0.0]}), do={"a": 1.0})
    np.testing.assert_allclose(answer["b"], 1.0, atol=0.03)


def test_arrays_are_tables_with_numbered_columns():
    rows = np.random.default_rng(0).normal(size=(50, 2))
    scm = load_method("linear").fit(rows, nx.DiGraph([("x0", "x1")]))
    assert list(scm.noise(rows).columns) == ["x0", "x1"]


def test_few_rows_are_a_reason_to_skip():
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 4)), columns=list("abcd"))
    graph = nx.DiGraph([("a", "d"), ("b", "d"), ("c", "d")])
    from bench.task import Dataset

    for name in ("linear", "additive", "boosting", "gp", "mlp"):
        assert load_method(name).skip(Dataset.of(rows, graph))


def test_a_missing_extra_is_listed_with_its_install_command(monkeypatch):
    from importlib.metadata import EntryPoint

    from bench import registry

    entry = EntryPoint("flow", "no_such_package:Flow [flows]", METHODS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    assert list_methods() == ["flow"]
    assert 'pip install "condfip-bench[flows]"' in registry.describe("flow")
    with pytest.raises(Unavailable, match="no_such_package"):
        load_method("flow")


def means(methods, metrics, **axes):
    problems = [task.problem() for task in load_suite("lorch", **axes)]
    table = {}
    for name in methods:
        fitted = [load_method(name).fit_problem(p, 0) for p in problems]
        table[name] = [
            np.mean([METRICS[m].value(p, f) for p, f in zip(problems, fitted, strict=True)])
            for m in metrics
        ]
    return table


def test_least_squares_reaches_its_known_error():
    errors = means(["linear"], ["noise"], scenario="LIN_IN", d=10, n_query=100, scms=10)
    assert 0.025 <= errors["linear"][0] <= 0.04


def test_the_gaussian_process_is_near_the_floor():
    errors = means(["gp", "floor"], ["noise"], scenario="RFF_IN", d=10, n_query=100, scms=1)
    assert errors["gp"][0] <= 1.15 * errors["floor"][0]


@pytest.mark.slow
def test_the_gaussian_process_is_near_the_floor_on_larger_graphs():
    metrics = ["sample", "intervention", "counterfactual"]
    errors = means(["gp", "floor"], metrics, scenario="RFF_IN", d=20, scms=3)
    assert (np.array(errors["gp"]) <= 1.2 * np.array(errors["floor"])).all()


def test_the_gradient_of_the_marginal_likelihood_is_exact():
    import torch

    from baselines.gp import objective

    generator = torch.Generator().manual_seed(0)
    x, y, theta = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 30, 3), (2, 30), (2, 6))
    )
    gradient = objective(x, y, theta)[1]
    for q in range(6):
        step = torch.zeros_like(theta)
        step[:, q] = 1e-6
        slope = (objective(x, y, theta + step)[0] - objective(x, y, theta - step)[0]) / 2e-6
        torch.testing.assert_close(slope, gradient[:, q], rtol=1e-5, atol=1e-6)


def test_additive_goes_on_as_a_line_beyond_the_data():
    x = np.random.default_rng(0).normal(size=(200, 1))
    predict = spline_ridge(x, np.sin(2 * x[:, 0]) + x[:, 0] ** 3)
    near, mid, far = predict(np.array([[10.0], [20.0], [30.0]]))
    assert far - mid == pytest.approx(mid - near, rel=1e-9)
    within = np.ptp(predict(x)) / np.ptp(x)
    assert abs(far - mid) / 10 < 2 * within  # not the slope of the last few rows


def test_least_absolute_deviations_is_optimal_and_bears_an_outlier():
    from baselines.lad import least_absolute

    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(60, 3)), np.ones(60)])
    y = x @ [2.0, -1.0, 0.5, 3.0] + rng.laplace(size=60)
    weights = least_absolute(x, y)
    left = np.sign(y - x @ weights) * (np.abs(y - x @ weights) > 1e-9)
    touched = x[left == 0]  # the optimum passes through as many rows as it has weights
    assert len(touched) == 4
    subgradient = np.linalg.solve(touched.T, -(x * left[:, None]).sum(0))
    assert (np.abs(subgradient) <= 1 + 1e-9).all()
    y[left > 0] += 1e6 * rng.random((left > 0).sum())
    np.testing.assert_allclose(least_absolute(x, y), weights, atol=1e-6)


@pytest.mark.parametrize("gives_up", [{"highs"}, {"highs", "highs-ipm"}])
def test_least_absolute_deviations_ask_another_solver_before_they_give_up(monkeypatch, gives_up):
    from baselines import lad

    def unsure(*words, method, **more):
        answer = lad_solver(*words, method=method, **more)
        answer.status = 4 if method in gives_up else answer.status
        return answer

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.laplace(size=40)
    weights, lad_solver = lad.least_absolute(x, y), lad.linprog
    monkeypatch.setattr(lad, "linprog", unsure)
    if "highs-ipm" in gives_up:
        with pytest.raises(RuntimeError, match="least absolute deviations: "):
            lad.least_absolute(x, y)
    else:
        np.testing.assert_allclose(lad.least_absolute(x, y), weights, atol=1e-6)


def test_draws_do_not_follow_the_signs_that_a_processor_gives_to_axes(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    df = pd.DataFrame({"a": a, "b": b, "c": a - b + 0.3 * rng.normal(size=60)})
    graph = nx.DiGraph([("a", "c"), ("b", "c")])

    def drawn():
        found = {}
        for name in ("linear", "gp", "amortized-gp"):
            some = load_method(name).fit(df, graph).draws(3, 1)
            found[name] = np.stack([scm.mechanism(df).to_numpy() for scm in some])
        return found

    was, svd, eigh = drawn(), np.linalg.svd, np.linalg.eigh

    def turned_svd(*args, **kwargs):
        left, size, right = svd(*args, **kwargs)
        return -left, size, -right

    monkeypatch.setattr(np.linalg, "svd", turned_svd)
    monkeypatch.setattr(np.linalg, "eigh", lambda x: (eigh(x)[0], -eigh(x)[1]))
    for name, draws in drawn().items():
        np.testing.assert_allclose(draws, was[name], rtol=1e-9, atol=1e-12, err_msg=name)
