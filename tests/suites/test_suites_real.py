"""Sachs and ecoli70: the shipped files, their splits and draws, and the distances between rows."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from bench.metrics import METRICS
from bench.metrics.distances import energy, mmd, wasserstein
from bench.metrics.errors import node_residuals
from bench.registry import Unavailable, load_method
from bench.suites import sachs
from bench.suites.ecoli import ECOLI, read_ecoli
from bench.suites.files import DATA, DATA_DIR
from bench.suites.networks import ECOLI70, GAUSSIAN, NETWORKS
from bench.suites.sachs import SACHS, read_sachs

FILES = [sachs.TABLE, sachs.EDGES]
FILES += [f for network in (ECOLI70, *NETWORKS.values()) for f in (network.nodes, network.edges)]
SIZES = {"arth150": (107, 150), "magic-irri": (64, 102), "magic-niab": (44, 66)}
FOUR = {"noise", "sample", "intervention", "counterfactual"}
ROWS = {
    "mmd_query",
    "mmd_reconstruction",
    "mmd_context",
    "mmd_query_unbiased",
    "energy_query",
    "wasserstein_query",
}


def applying(problem, estimate):
    return {name for name, metric in METRICS.items() if metric.applies(problem, estimate)}


def test_sachs_has_its_rows_and_edges():
    data = read_sachs()
    proteins = ["Raf", "Mek", "Plcg", "PIP2", "PIP3", "Erk", "Akt", "PKA", "PKC", "P38", "Jnk"]
    assert data.rows.shape == (853, 11) and list(data.names) == proteins
    graph = data.graph()
    assert graph.number_of_edges() == 17 and nx.is_directed_acyclic_graph(graph)
    assert {("PKA", "Raf"), ("Raf", "Mek"), ("Mek", "Erk"), ("Erk", "Akt")} <= set(graph.edges)
    assert data.rows.min() >= 1
    np.testing.assert_array_equal(data.rows[0, :3], [26.4, 13.2, 8.82])


def test_sachs_splits_are_disjoint_and_prefixes():
    short, long = (SACHS.tasks("quick", n_context=n, scms=1)[0].problem() for n in (50, 400))
    assert long.data.rows.shape == long.query_rows.shape == (400, 11)
    assert np.array_equal(long.data.rows[:50], short.data.rows)
    assert np.array_equal(long.query_rows, short.query_rows)
    both = np.vstack([long.data.rows, long.query_rows])
    assert len(np.unique(both, axis=0)) == len(np.unique(read_sachs().rows, axis=0)) - 53
    with pytest.raises(ValueError, match="853"):
        SACHS.tasks("quick", n_context=500)


def test_sachs_log_rows_are_the_same_split():
    raw, log = SACHS.tasks("quick", transform="raw,log", scms=1)
    assert raw.name != log.name and log.transform == "log"
    np.testing.assert_allclose(np.exp(log.problem().data.rows), raw.problem().data.rows)
    assert SACHS.where([raw, log], transform="LOG") == [log]


@pytest.fixture
def conditions(tmp_path, monkeypatch):
    """Made rows of two conditions under the names of the published files: Mek is doubled in one."""
    rng, data = np.random.default_rng(0), read_sachs()
    names = ["praf", "pmek", "plcg", "PIP2", "PIP3", "p44/42", "pakts473", "PKA", "PKC", "P38"]
    for file, factor in (("4. cd3cd28+made", 2.0), ("other", 1.0)):
        rows = data.rows[rng.integers(0, 853, 700)] * np.where(np.arange(11) == 1, factor, 1)
        table = pd.DataFrame(rows, columns=[*names, "pjnk"])
        table.to_csv(tmp_path / f"{file}.csv", sep=";" if factor == 2 else ",", index=False)
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    sachs.read_conditions.cache_clear()
    return tmp_path


def test_sachs_scores_conditions_of_a_folder_by_what_the_shipped_rows_taught(conditions):
    tasks = {t.condition: t for t in SACHS.tasks("quick", scms=1, transform="log")}
    assert list(tasks) == ["cd3cd28", "cd3cd28+made", "other"]
    made, other, observed = (tasks[c].problem() for c in ("cd3cd28+made", "other", "cd3cd28"))
    assert np.array_equal(made.data.rows, observed.data.rows) and observed.floor is None
    errors = {}
    for name, problem in (("made", made), ("other", other)):
        nodes = node_residuals(problem, load_method("linear").fit_problem(problem, 0))
        errors[name] = np.array([nodes[protein] for protein in problem.data.names])
        reference = METRICS["residual"].value(problem, problem.floor)
        assert reference < 1.1 * METRICS["residual"].value(other, other.floor)
    unit = observed.data.rows.std(0, ddof=1)[1]
    moved = errors["made"] / errors["other"]
    assert moved[1] > 1.2 and errors["made"][1] ** 2 > (np.log(2) / unit) ** 2 / 2
    assert np.abs(moved[[0, 2, 3, 4, 7, 8, 9, 10]] - 1).max() < 0.2  # neither Mek nor its children


def test_sachs_without_a_folder_is_as_published(conditions, monkeypatch):
    (with_folder,) = SACHS.tasks("quick", scms=1, condition="cd3cd28")
    monkeypatch.delenv(DATA_DIR)
    (task,) = SACHS.tasks("quick", scms=1)
    assert task == with_folder and task.name == "sachs/raw/i0"
    with pytest.raises(ValueError, match="unknown condition other; there are cd3cd28"):
        SACHS.tasks("quick", condition="other")
    with pytest.raises(Unavailable, match="--data-dir"):
        replace(task, condition="other").problem()


def test_sachs_leaves_files_of_other_suites_alone_and_says_so(conditions):
    pd.DataFrame({"red": [1.0], "green": [2.0]}).to_csv(conditions / "tunnel.csv", index=False)
    assert len(SACHS.tasks("quick", scms=1)) == 3
    for path in conditions.glob("*.csv"):
        if path.name != "tunnel.csv":
            path.unlink()
    sachs.read_conditions.cache_clear()
    with pytest.warns(UserWarning, match="no CSV file of Raf, Mek.*cd3cd28 alone"):
        (task,) = SACHS.tasks("quick", scms=1)
    assert task.condition == "cd3cd28"


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda t: t.drop(columns="PKA"), "has no column PKA"),
        (lambda t: np.log(t), "below 1"),
        (lambda t: (t * 3).assign(condition="cd3cd28"), "not in the units"),
        (lambda t: t.assign(condition="cd3cd28"), "condition besides cd3cd28"),
    ],
)
def test_sachs_refuses_other_tables(conditions, monkeypatch, change, message):
    (conditions / "4. cd3cd28+made.csv").unlink()
    table = pd.DataFrame(read_sachs().rows, columns=read_sachs().names)
    change(table).to_csv(conditions / "other.csv", index=False)
    with pytest.raises(ValueError, match=message):
        SACHS.tasks("quick")


def reference_mmd(x, y):
    """The biased V-statistic from pairwise distances of pooled standardised rows."""
    pooled = np.vstack([x, y])
    pooled = (pooled - pooled.mean(0)) / pooled.std(0, ddof=1)
    squared = cdist(pooled, pooled, "sqeuclidean")
    kernel = np.exp(-squared / (np.median(squared[np.triu_indices(len(pooled), 1)]) / 2))
    sign = np.r_[np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))]
    return sign @ kernel @ sign


def test_sachs_context_against_query_is_the_published_reference():
    """Table 24 prints 0.005; single splits range widely, their mean does not."""
    problems = [task.problem() for task in SACHS.tasks("paper", scms=20)]
    values = [METRICS["mmd_context"].value(problem, None) for problem in problems]
    assert 0.003 < np.mean(values) < 0.005
    first = problems[0]
    assert values[0] == pytest.approx(reference_mmd(first.data.rows, first.query_rows), abs=1e-12)


def test_which_metrics_apply():
    real = SACHS.tasks("smoke")[0].problem()
    known = ECOLI.tasks("smoke")[0].problem()
    assert applying(real, known.truth) == ROWS | {"residual"}
    assert applying(known, known.truth) == ROWS | FOUR


def test_distances_by_other_means():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(40, 3)), rng.normal(0.3, 1.2, size=(40, 3))
    expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    assert energy(x, y) == pytest.approx(expected)
    assert wasserstein(x, y) == pytest.approx(
        np.mean([wasserstein_distance(x[:, j], y[:, j]) for j in range(3)])
    )
    assert energy(x, x) == pytest.approx(0, abs=1e-6) and wasserstein(x, x) == 0
    # a kernel of a row with itself is 1: leaving these out takes (1 - mean) / (n - 1) of each set
    gap = mmd(x, y) - mmd(x, y, biased=False)
    assert 0 < gap < 2 / 39
    pairs = [mmd(*rng.normal(size=(2, 30, 2)), biased=False) for _ in range(200)]
    assert abs(np.mean(pairs)) < 4 * np.std(pairs) / np.sqrt(200)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_changed_byte_is_refused_with_name_and_sha(file, tmp_path):
    content = bytearray((DATA / file.name).read_bytes())
    (tmp_path / file.name).write_bytes(content)
    assert file.rows(tmp_path)
    content[-2] ^= 1
    (tmp_path / file.name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{file.name} .*{file.sha256}") as refusal:
        file.rows(tmp_path)
    assert "\n" not in str(refusal.value)
    (tmp_path / file.name).unlink()
    with pytest.raises(ValueError, match=file.name):
        file.rows(tmp_path)


CARDS = ("SACHS.md", "ECOLI70.md", "NETWORKS.md")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_provenance_states_the_sha(file):
    text = "".join((DATA / name).read_text() for name in CARDS)
    assert file.sha256 in text


def test_ecoli_has_its_nodes_edges_and_coefficients():
    truth = read_ecoli()
    adjacency = truth.scm.adjacency[0].numpy()
    assert len(truth.names) == 46 and adjacency.sum() == 70
    place = {name: j for j, name in enumerate(truth.names)}
    x = np.zeros((2, 46))
    x[1, place["icdA"]] = 1.0
    answer = truth.mechanism(x)["aceB"]
    np.testing.assert_allclose(answer, [0.1324, 0.1324 + 1.0464], atol=1e-12)
    assert truth.scm.noise_model.variance[0, place["b1191"]] == pytest.approx(0.6086)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_their_nodes_and_edges(name):
    adjacency = NETWORKS[name].read().scm.adjacency[0].numpy()
    assert (len(adjacency), adjacency.sum()) == SIZES[name]
    assert {t.size[0] for t in GAUSSIAN.tasks("smoke", network=name)} == {SIZES[name][0]}


@pytest.mark.parametrize("network", [ECOLI70, *NETWORKS.values()], ids=["ecoli70", *NETWORKS])
def test_rows_have_the_implied_covariance(network):
    truth, names = network.read(), network.read().names
    weights = np.zeros((len(names),) * 2)
    for edge in network.edges.rows():
        weights[names.index(edge["target"]), names.index(edge["source"])] = edge["weight"]
    nodes = network.nodes.rows()
    noise = np.diag([float(node["variance"]) for node in nodes])
    total = np.linalg.inv(np.eye(len(names)) - weights)
    covariance = total @ noise @ total.T
    mean = total @ [float(node["intercept"]) for node in nodes]
    rows = truth.sample(100_000, seed=2).to_numpy()
    deviation = np.sqrt(np.diag(covariance))
    error = (np.cov(rows.T) - covariance) / np.outer(deviation, deviation)
    assert np.abs(error).max() < 0.03  # about 6 standard errors of the variances
    assert (np.abs(rows.mean(0) - mean) / deviation).max() < 0.02


def test_the_floor_of_ecoli_is_least_squares():
    problem = ECOLI.tasks("quick", scms=1)[0].problem()
    answer = problem.floor.mechanism(problem.query).to_numpy()
    for j, parents in enumerate(problem.data.parents()):
        design, query = (
            np.column_stack([np.ones(len(rows)), rows[:, parents]])
            for rows in (problem.data.rows, problem.query_rows)
        )
        weights = np.linalg.solve(design.T @ design, design.T @ problem.data.rows[:, j])
        np.testing.assert_allclose(answer[:, j], query @ weights, rtol=1e-7, atol=1e-9)


def test_ecoli_draws_keep_the_laws_of_streams():
    short, long = (ECOLI.tasks("quick", scms=1, n_context=n)[0].problem() for n in (60, 700))
    assert np.array_equal(long.data.rows[:60], short.data.rows)
    assert np.array_equal(long.query_rows, short.query_rows)
    assert len({task.problem().sha() for task in ECOLI.tasks("quick")}) == 3
    assert len(short.interventions) == 10
