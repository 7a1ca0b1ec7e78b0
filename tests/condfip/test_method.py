"""Cond-FiP as a method, its checkpoints, and its command line."""

import json
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import condfip
from bench.metrics import METRICS
from bench.suites.lorch import LorchTask
from bench.task import Problem
from condfip.__main__ import LOGS, main
from condfip.checkpoint import Checkpoint, load, read, write
from condfip.curve import SCENARIOS, scaling_figure
from condfip.curve import read as read_log
from condfip.paper.config import PRESETS, SMOKE, Config
from condfip.paper.method import SHIPPED, CondFiP, CondFiPPublished
from condfip.paper.model import CondFiPModel

EDGES = [("a", "b"), ("c", "b"), ("b", "d")]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "smoke.safetensors"
    stages = {"encoder": {"seconds": 1.0}, "decoder": {"seconds": 2.5}}
    Checkpoint(SMOKE, CondFiPModel(SMOKE.model), stages).save(path)
    return path


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 40))
    b = a - c + 0.1 * rng.normal(size=40)
    return pd.DataFrame({"d": b**2, "b": b, "a": 5 + 3 * a, "c": c})


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    return nx.DiGraph(EDGES)


def problem(scenario: str = "RFF_IN", graph_kind: str = "er") -> Problem:
    return LorchTask(
        suite="lorch", variant="lorch", scenario=scenario, graph_kind=graph_kind, d=10, seed=5
    ).problem()


def test_the_package_offers_the_method():
    assert condfip.CondFiP is CondFiP
    with pytest.raises(AttributeError, match="nothing"):
        _ = condfip.nothing


def test_generating_the_noise_gives_back_the_rows(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    back = scm.generate(scm.noise(table))
    assert list(back.columns) == list(table.columns)
    np.testing.assert_allclose(back, table, rtol=1e-4, atol=1e-4)


def test_interventions_clamp_and_leave_non_descendants_alone(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    answer = scm.counterfactual(table, {"b": 2.0})
    assert (answer["b"] == 2.0).all()
    np.testing.assert_allclose(answer[["a", "c"]], table[["a", "c"]], atol=1e-5)
    assert not np.allclose(answer["d"], table["d"])


def test_columns_in_any_order_and_unit_give_the_same_answers(weights, table, graph):
    plain = CondFiP(weights).fit(table, graph).noise(table)
    moved = table[["c", "a", "d", "b"]] * 10 - 3
    answer = CondFiP(weights).fit(moved, graph).noise(moved) / 10
    np.testing.assert_allclose(answer[plain.columns], plain, atol=1e-4)


def test_a_row_is_answered_alone_as_among_others(weights, table, graph):
    scm = CondFiP(weights).fit(table, graph)
    np.testing.assert_allclose(scm.noise(table[5:6]), scm.noise(table)[5:6], atol=1e-5)


def test_many_rows_are_answered_in_pieces(weights, table, graph, monkeypatch):
    scm = CondFiP(weights).fit(table, graph)
    whole = scm.noise(table)
    monkeypatch.setattr("condfip.paper.method.TOKENS", 7)
    np.testing.assert_allclose(scm.noise(table), whole, atol=1e-5)


def test_graphs_without_edges_and_constant_columns_are_answered(weights, table):
    alone = nx.DiGraph()
    alone.add_nodes_from(table.columns)
    for method in (CondFiP(weights), CondFiPPublished(weights)):
        scm = method.fit(table, alone)
        np.testing.assert_allclose(scm.noise(table), table - table.mean())
        np.testing.assert_allclose(scm.noise_smoothed(table), table - table.mean())
    constant = table.assign(a=1.0)
    scm = CondFiP(weights).fit(constant, nx.DiGraph(EDGES))
    assert np.isfinite(scm.sample(5).to_numpy()).all()


class OneReading(CondFiP):
    """Without the mirror."""

    signs = (1,)


def test_f_is_the_mean_of_a_reading_and_of_one_in_the_mirror(weights, table, graph):
    both = CondFiP(weights).fit(table, graph).mechanism(table)
    plain = OneReading(weights).fit(table, graph).mechanism(table)
    mirrored = -OneReading(weights).fit(-table, graph).mechanism(-table)
    np.testing.assert_allclose(both, (plain + mirrored) / 2, atol=1e-5)
    assert not np.allclose(plain, mirrored, atol=1e-3)
    np.testing.assert_allclose(
        -CondFiP(weights).fit(-table, graph).mechanism(-table), both, atol=1e-5
    )


def test_the_published_way_abducts_with_the_encoder_and_generates_alike(weights, table, graph):
    ours, published = (kind(weights).fit(table, graph) for kind in (OneReading, CondFiPPublished))
    pd.testing.assert_frame_equal(ours.generate(table), published.generate(table))
    pd.testing.assert_frame_equal(published.noise(table), ours.noise_smoothed(table))
    pd.testing.assert_frame_equal(
        published.counterfactual(table, {"a": 0.0}),
        ours.generate(ours.noise_smoothed(table), {"a": 0.0}),
    )
    roots = ["a", "c"]
    residuals = ours.noise_smoothed(table)
    np.testing.assert_allclose(published.noise_scale, residuals.std(ddof=1))
    assert published.sample(10)[roots].notna().all(axis=None)


def test_the_published_way_leaves_the_noise_column_empty(weights):
    p = problem()
    published = CondFiPPublished(weights).fit(p.context, p.graph)
    assert not METRICS["noise"].applies(p, published)
    assert METRICS["noise_smoothed"].applies(p, published)


def test_noise_as_published_reads_the_context_in_units_of_all_rows(weights, table, graph):
    context, query = table[:25], table[25:] * 3 + 1
    scm = CondFiP(weights).fit(context, graph)
    both = pd.concat([context, query])
    units = both.mean(), both.std()
    answer = scm.noise_published(both)
    model = load(weights).model
    names = sorted(table.columns)
    z = torch.tensor(((context - units[0]) / units[1])[names].to_numpy(), dtype=torch.float32)
    adjacency = torch.zeros(1, 4, 4, dtype=torch.bool)
    for parent, child in EDGES:
        adjacency[0, names.index(parent), names.index(child)] = True
    expected = (z - model.encoder(z[None], adjacency)[0].detach()).numpy() * units[1][names].array
    np.testing.assert_allclose(answer[names][:25], expected, rtol=1e-3, atol=1e-4)
    assert len(answer) == 40 and list(answer.columns) == list(table.columns)


def test_a_root_is_its_mean_to_the_decoder(weights, table, graph):
    noise = CondFiP(weights).fit(table, graph).noise(table)
    np.testing.assert_allclose(noise["a"], table["a"] - table["a"].mean(), atol=1e-9)


def test_a_method_says_what_its_weights_are(weights):
    method = CondFiP(weights)
    assert method.checkpoint_sha == read(weights)[2] and method.pretrain_s == 3.5
    task = LorchTask(suite="lorch", variant="lorch", scenario="RFF_IN", graph_kind="er", d=10)
    assert method.seen_in_training(task)
    assert not method.seen_in_training(replace(task, scenario="RFF_OUT"))
    assert not method.seen_in_training(replace(task, shift="noise", alpha=2.0))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_survives_a_header(preset):
    assert Config.from_dict(json.loads(json.dumps(preset.as_dict()))) == preset


def test_a_checkpoint_comes_back_as_it_was(weights, tmp_path):
    checkpoint = load(weights)
    assert checkpoint.save(tmp_path / "copy.safetensors") == checkpoint.sha
    copy = load(tmp_path / "copy.safetensors")
    assert copy.config == checkpoint.config and copy.stages == checkpoint.stages
    for one, other in zip(copy.model.parameters(), checkpoint.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not list(tmp_path.glob("*.partial"))


def broken(weights: Path, path: Path, how: str) -> None:
    """Writes a checkpoint with one thing wrong."""
    data = bytearray(weights.read_bytes())
    if how == "corrupted":
        data[-5] ^= 1
    path.write_bytes(data[:-100] if how == "truncated" else data)
    tensors, header, _ = read(weights)
    if how == "missing key":
        del tensors["encoder.embed.bias"]
    if how == "unknown key":
        tensors["stranger"] = torch.zeros(1)
    if how == "wrong shape":
        tensors["encoder.embed.bias"] = torch.zeros(3)
    if how == "other fields":
        header["config"]["model"]["colour"] = "red"
    if how in ("missing key", "unknown key", "wrong shape", "other fields"):
        write(path, tensors, header)
    if how == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    if how == "edited header":
        with safe_open(weights, "pt") as file:
            metadata = file.metadata()
        metadata["condfip"] = metadata["condfip"].replace("2.5", "9.5")
        save_file(tensors, path, metadata)
    if how == "gone":
        path.unlink()


BROKEN = {
    "corrupted": "its sha256 is",
    "edited header": "its sha256 is",
    "truncated": "is no readable checkpoint",
    "foreign": "its header is missing",
    "missing key": "it lacks encoder.embed.bias",
    "unknown key": "it has the unknown stranger",
    "wrong shape": r"encoder.embed.bias is \(3,\), expected \(16,\)",
    "other fields": "another kind of model",
    "gone": "no checkpoint at",
}


@pytest.mark.parametrize(("how", "message"), BROKEN.items(), ids=BROKEN)
def test_a_broken_checkpoint_is_refused_in_one_line(weights, tmp_path, how, message):
    path = tmp_path / "broken.safetensors"
    broken(weights, path, how)
    with pytest.raises(ValueError, match=message) as caught:
        CondFiP.from_pretrained(path)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_refused(weights):
    with pytest.raises(ValueError, match="no such CUDA device"):
        CondFiP.from_pretrained(weights, device="cuda:9")


@pytest.fixture
def files(tmp_path, table) -> dict[str, str]:
    table.to_csv(tmp_path / "my.csv", index=False)
    edges = pd.DataFrame(EDGES, columns=["source", "target"])
    edges.to_csv(tmp_path / "edges.csv", index=False)
    return {k: str(tmp_path / f"{k}.csv") for k in ("my", "edges", "out")}


def infer(files: dict[str, str], weights: Path, *options: str) -> int:
    paths = ["--data", files["my"], "--graph", files["edges"], "--out", files["out"]]
    return main(["infer", *paths, "--checkpoint", str(weights), *options])


def test_infer_writes_samples_and_counterfactuals(files, weights, table, graph):
    assert infer(files, weights, "--n", "7", "--do", "a=1.5") == 0
    samples = pd.read_csv(files["out"])
    assert samples.shape == (7, 4) and (samples["a"] == 1.5).all()
    assert infer(files, weights, "--counterfactual", "--do", "a=1.5", "c=scale:0") == 0
    expected = CondFiP(weights).fit(table, graph).counterfactual(table, {"a": 1.5, "c": 0.0})
    np.testing.assert_allclose(pd.read_csv(files["out"]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--do", "z=1"], "unknown column 'z'"),
        (["--do", "a=high"], "'high' is no number"),
        (["--counterfactual"], "--counterfactual needs --do"),
        (["--checkpoint", "none.safetensors"], "no checkpoint at"),
        (["--graph", "none.csv"], "no file none.csv"),
        (["--device", "cuda:9"], "no such CUDA device"),
    ],
)
def test_wrong_use_of_infer_is_one_line(files, weights, capsys, options, message):
    assert infer(files, weights, *options) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_graph_that_does_not_match_the_columns_is_one_line(files, weights, capsys):
    Path(files["edges"]).write_text("source,target\na,z\n")
    assert infer(files, weights) == 1
    assert "edges.csv, line 2, names z, which" in capsys.readouterr().err


def test_info_and_plot_tell_of_a_run(weights, tmp_path, capsys):
    assert main(["info", str(weights)]) == 0
    assert "encoder: 5,201 parameters" in capsys.readouterr().out
    assert main(["plot", str(tmp_path)]) == 1
    (tmp_path / "encoder.csv").write_text("step,seconds,loss\n1,2.0,0.5\n2,4.0,0.4\n")
    assert main(["plot", str(tmp_path)]) == 0
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_scaling_draws_the_logs_of_the_shipped_weights(tmp_path):
    logs = {title: SHIPPED.parent / log for title, log in LOGS.items()}
    for axes, log in zip(scaling_figure(logs).axes, logs.values(), strict=True):
        last = read_log(log)[-1]
        drawn = {line.get_label(): line.get_xydata()[-1].tolist() for line in axes.lines}
        seen = float(last.get("datasets") or last["tasks"])
        assert drawn == {name: [seen, float(last[name])] for name in SCENARIOS}
    assert main(["scaling", "--out", str(tmp_path / "scaling.png")]) == 0
    assert (tmp_path / "scaling.png").stat().st_size > 1000
    assert main(["scaling", "--out", str(tmp_path / "nowhere" / "scaling.png")]) == 1


def errors(method: CondFiP, p: Problem) -> dict[str, float]:
    estimate = method.fit(p.context, p.graph)
    asked = ("noise", "sample", "counterfactual", "noise_smoothed")
    return {k: METRICS[k].value(p, estimate) for k in asked if METRICS[k].applies(p, estimate)}


def test_the_shipped_weights_are_small_and_know_their_history():
    assert SHIPPED.stat().st_size < 16 * 2**20
    method = CondFiP.from_pretrained()
    assert method.pretrain_s > 600
    assert {"encoder", "decoder"} <= method.loaded.stages.keys()
    assert all(s["datasets"] > 0 and s["commit"] for s in method.loaded.stages.values())


@pytest.mark.parametrize("scenario", [pytest.param("LIN_IN", marks=pytest.mark.slow), "RFF_IN"])
def test_the_shipped_weights_find_noise_and_mechanisms(scenario):
    p = problem(scenario)
    ours, published = errors(CondFiP(), p), errors(CondFiPPublished(), p)
    spread = p.query_noise_rows - p.query_rows + p.query_rows.mean(0)
    marginal = np.sqrt(np.square(spread / p.scale).mean(1)).mean()
    assert ours["noise"] < 0.6 * marginal and ours["sample"] < 0.8 * marginal
    assert ours["noise_smoothed"] == published["noise_smoothed"] < ours["noise"]
    assert ours["counterfactual"] < published["counterfactual"]
