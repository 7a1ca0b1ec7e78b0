"""Plots: numbers apart from drawing, labels that never overlap, looks of their own."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from bench.analysis.plots import PLOTS, kinds_for, save
from bench.analysis.plots.style import style
from bench.analysis.plots.sweeps import draw_sweep, graph_numbers
from bench.analysis.rankings import friedman
from bench.analysis.results import read_results
from bench.cli.parser import main
from bench.registry import METHODS, names
from tests.cli.test_cli import fails_with
from tests.made_rows import CONTROLS, MANY, made_run, record, rows, write

MADE = made_run()
DRAWN = ["bars", "heatmap", "ranks"]
DRAWN += [
    pytest.param(k, marks=pytest.mark.slow) for k in ("d", "over-reference", "runtime", "profile")
]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, undrawn):
    """A run of one small problem, by methods that take no time."""
    folder = tmp_path_factory.mktemp("smoke")
    where = ["--where", "scenario=RFF_IN", "graph_kind=er", "--jobs", "1", "--quiet"]
    order = ["run", "--suite", "lorch", "--preset", "smoke", "--methods", "truth,floor,linear"]
    assert main([*order, *where, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory, undrawn):
    """A run on real data."""
    folder = tmp_path_factory.mktemp("real")
    order = ["run", "--suite", "sachs", "--preset", "smoke", "--methods", "linear", "--quiet"]
    assert main([*order, "--jobs", "1", "--out", str(folder)]) == 0
    return folder


def shown_texts(axes):
    """Titles, labels, notes, and the labels of ticks in view."""
    yield from axes.texts
    yield axes.title
    for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
        low, high = sorted(axis.get_view_interval())
        yield axis.label
        ticks = (t for t in axis.get_major_ticks() if low <= t.get_loc() <= high)
        yield from (tick.label1 for tick in ticks)


def overlaps(figure):
    """Pairs of upright texts whose boxes cross by more than a pixel."""
    FigureCanvasAgg(figure).draw()
    texts = [t for axes in figure.axes for t in shown_texts(axes)]
    texts += [t for legend in figure.legends for t in legend.get_texts()]
    shown = [t for t in texts if t.get_visible() and t.get_text().strip()]
    upright = [t for t in shown if t.get_rotation() % 90 == 0]
    assert len(upright) > 10
    boxes = [(t.get_text(), t.get_window_extent().padded(-1)) for t in upright]
    return [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]


@pytest.mark.parametrize("kind", DRAWN)
def test_no_labels_overlap_with_more_than_fourteen_methods(kind):
    drawing = PLOTS[kind](MADE)
    assert overlaps(drawing.figure) == []
    assert set(drawing.numbers["method"]) >= set(MANY) - set(CONTROLS)


def test_registered_methods_differ_in_colour_and_in_grey():
    baselines = [name for name in names(METHODS) if name not in CONTROLS]
    looks = [style(name) for name in baselines]
    looks += [style(name, role) for name, role in CONTROLS.items()]
    looks.append(style("reference", "reference"))
    assert len({look["color"] for look in looks[-4:]}) == 4
    assert len({(look["color"], look["marker"]) for look in looks}) == len(looks)
    assert len({style(name)["color"] for name in MANY if name in baselines}) >= 10
    assert style("somebody.else:Method") == style("somebody.else:Method")


def test_what_explodes_ends_at_the_edge_with_its_number():
    errors = {"marginal": [1.0, 1.0], "gp": [0.1, 0.2], "dowhy": [1e9, 2e9]}
    frame = pd.DataFrame(rows(errors) + rows(errors, d=20))
    for kind in ("bars", "d"):
        figure = PLOTS[kind](frame).figure
        axes = figure.axes[0]
        assert axes.get_ylim()[1] < 10
        assert "1.5e+09" in {text.get_text() for text in axes.texts}


def test_a_share_does_not_explode():
    shares = {"gp": [0.05, 0.05], "gp-fast": [0.05, 0.05], "linear": [0.9, 0.9]}
    frame = pd.DataFrame(rows(shares, metric="effect_rows_outside"))
    (axes,) = PLOTS["bars"](frame).figure.axes
    assert axes.get_ylim()[1] > 0.9 and not axes.texts and axes.get_ylabel() == "share"


def test_an_axis_of_a_suites_own_has_a_plot():
    errors = {"gp": [0.1, 0.2], "linear": [0.2, 0.3]}
    frame = pd.DataFrame(rows(errors, n_query=400) + rows(errors, n_query=400, alpha=1.0, d=20))
    frame["strength"] = frame["d"] / 10
    assert "axis" in kinds_for(frame)
    assert set(PLOTS["axis"].numbers(frame)["x"]) == {1.0, 2.0}


def test_many_settings_stand_in_several_rows_and_each_column_has_its_ticks():
    frame = pd.concat(
        pd.DataFrame(rows({"gp": [0.1], "linear": [0.2]}, noise=noise, d=d))
        for noise in ("", "laplace", "mixture", "student_t", "uniform", "gumbel")
        for d in (10, 20)
    )
    figure = PLOTS["d"](frame.reset_index(drop=True)).figure
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 6 and figure.get_figwidth() < 13
    lowest = {axes.get_subplotspec().colspan.start: axes for axes in shown}
    for axes in lowest.values():
        assert axes.get_xlabel() == "nodes d"
        assert axes.xaxis.get_tick_params()["labelbottom"]
    assert overlaps(figure) == []


@pytest.mark.slow
def test_problems_without_a_truth_are_not_among_those_drawn(tmp_path):
    """Half of the problems of `effects` have one; each kind that needs it shows that half."""
    order = ["run", "--suite", "effects", "--preset", "smoke", "--where", "scenario=LIN_OUT"]
    order += ["--methods", "linear", "--jobs", "1", "--quiet", "--out", str(tmp_path)]
    assert main(order) == 0
    frame = read_results(tmp_path)
    assert frame["task"].nunique() == 2
    for kind in ("draws", "nodes", "mechanism"):
        assert kind in kinds_for(frame, refits=True)
        numbers = PLOTS[kind].numbers(frame)
        assert not numbers.empty and "binary" not in numbers.to_csv()


def test_a_plot_of_one_metric_shows_no_other(tmp_path, capsys):
    run = write(tmp_path, [record(m, {"noise": 0.5, "sample": 1.0}) for m in ("linear", "gp")])
    order = ["plot", str(run), "--kind", "bars", "--out", str(tmp_path / "drawn")]
    assert main([*order, "--metric", "sample"]) == 0
    assert set(pd.read_csv(tmp_path / "drawn" / "bars.csv")["metric"]) == {"sample"}
    capsys.readouterr()
    fails_with(capsys, [*order, "--metric", "mmd_query"], "there are noise, sample")


def test_a_method_has_the_same_colour_in_every_plot():
    frame = made_run(("truth", "floor", "linear", "gp", "mlp"))
    for kind in ("profile",):
        axes = PLOTS[kind](frame).figure.axes[0]
        handles, names = axes.get_legend_handles_labels()
        drawn = dict(zip(names, handles, strict=True))["gp"]
        curve = drawn.lines[0] if hasattr(drawn, "lines") else drawn
        assert to_hex(curve.get_color()).upper() == style("gp")["color"]
    bars = {c.get_label(): c for c in PLOTS["bars"](frame).figure.axes[0].containers}
    assert to_hex(bars["gp"].patches[0].get_facecolor()).upper() == style("gp")["color"]


def test_the_numbers_behind_a_plot_are_its_file(tmp_path):
    drawing = PLOTS["ranks"](MADE)
    png, pdf, csv = save(drawing, tmp_path, "ranks")
    assert png.read_bytes()[1:4] == b"PNG" and pdf.read_bytes()[:4] == b"%PDF"
    pd.testing.assert_frame_equal(pd.read_csv(csv), drawing.numbers, rtol=1e-5)


def test_ranks_and_floor_ratios_by_hand():
    errors = {
        "floor": [1.0, 2.0, 4.0],
        "marginal": [20.0, 20.0, 20.0],
        "gp": [2.0, 4.0, 8.0],
        "mlp": [1.0, 8.0, 16.0],
        "linear": [9.0, 9.0, 9.0],
    }
    frame = pd.DataFrame(rows(errors))
    ratios = PLOTS["over-reference"].numbers(frame).set_index("method")
    assert ratios.loc["gp", ["ratio", "low", "high"]].tolist() == pytest.approx([2, 2, 2])
    assert ratios.loc["mlp", "ratio"] == pytest.approx(16 ** (1 / 3))
    ranks = PLOTS["ranks"].numbers(frame).set_index("method")
    assert ranks["mean_rank"].to_dict() == pytest.approx({"gp": 4 / 3, "mlp": 2, "linear": 8 / 3})
    matrix = pd.DataFrame(errors)[["gp", "mlp", "linear"]]
    assert ranks["cd"].unique() == pytest.approx(friedman(matrix).cd)


def test_each_panel_of_ratios_names_what_it_measures_against():
    errors = {"marginal": [9.0, 9.5], "gp": [2.0, 4.0], "mlp": [2.5, 5.0]}
    known = pd.DataFrame(rows({"floor": [1.0, 2.0], **errors}))
    other = pd.DataFrame(rows({"reference": [1.0, 2.0], **errors}, metric="sample"))
    other.loc[other["method"] == "reference", "role"] = "reference"
    axes = PLOTS["over-reference"](pd.concat([known, other])).figure.axes
    assert [part.get_xlabel() for part in axes] == ["error / floor", "error / reference"]


def test_the_pareto_front_is_what_no_faster_method_matches():
    frame = pd.DataFrame(rows({"linear": [3.0], "mlp": [2.0], "gp": [1.0], "boosting": [2.5]}))
    frame["fit_s"] = frame["method"].map({"linear": 1, "mlp": 2, "gp": 3, "boosting": 9})
    front = PLOTS["runtime"].numbers(frame.assign(query_s=0)).set_index("method")["pareto"]
    assert front.to_dict() == {"linear": True, "mlp": True, "gp": True, "boosting": False}


def test_error_against_time_is_over_the_problems_that_all_methods_have():
    frame = pd.DataFrame(rows({"linear": [1.0, 9.0], "gp": [2.0, 9.0]})).assign(query_s=0)
    last = (frame["method"] == "gp") & (frame["value"] == 9.0)
    for part, errors, problems in ((frame[~last], [1.0, 2.0], 1), (frame, [5.0, 5.5], 2)):
        found = PLOTS["runtime"].numbers(part).set_index("method")
        assert found.loc[["linear", "gp"], "error"].tolist() == errors
        assert set(found["problems"]) == {problems}


def test_errors_by_node_are_those_of_the_run(smoke):
    """The mean over rows of a root is at most the root of the mean over rows and nodes."""
    frame = read_results(smoke)
    nodes = PLOTS["nodes"].numbers(frame)
    assert set(nodes["method"]) == {"floor", "linear"} and len(nodes) == 20
    noise = frame[frame["metric"] == "noise"].set_index("method")["value"]
    whole = nodes.groupby("method")["error"].apply(lambda e: np.sqrt(np.square(e).mean()))
    for method in whole.index:
        assert noise[method] <= whole[method] < 2 * noise[method]
    assert (nodes[nodes["parents"] == 0]["error"] < 0.5).all()


def test_a_mechanism_is_shown_with_its_data_and_its_estimates(smoke):
    numbers = PLOTS["mechanism"].numbers(read_results(smoke))
    counts = numbers["what"].value_counts()
    assert counts.to_dict() == {"data": 50, "truth": 80, "linear": 80}
    curve = numbers[numbers["what"] == "linear"]
    assert np.diff(curve["y"], 2) == pytest.approx(0, abs=1e-6 * curve["y"].abs().max())


def test_draws_stand_beside_the_data_of_a_real_table(real):
    frame = read_results(real)
    assert "pairs" in kinds_for(frame, refits=True) and "pairs" not in kinds_for(frame)
    drawing = PLOTS["pairs"](frame)
    assert drawing.numbers["what"].value_counts().to_dict() == {"data": 50, "linear": 50}
    assert drawing.numbers.notna().all(axis=None) and drawing.numbers.shape[1] == 6


def test_the_command_draws_what_fits_or_what_is_asked(smoke, capsys):
    assert main(["plot", str(smoke), "--kind", "draws", "--kind", "nodes"]) == 0
    written = capsys.readouterr().out.split()
    assert [path.rsplit("/", 1)[1] for path in written] == [
        f"{kind}.{form}" for kind in ("draws", "nodes") for form in ("png", "pdf", "csv")
    ]
    assert set(kinds_for(read_results(smoke))) == {"bars", "over-reference", "runtime", "draws"}


def test_a_plot_that_the_run_cannot_fill_is_one_line(smoke, capsys):
    for kind in ("pairs", "alpha"):
        fails_with(capsys, ["plot", str(smoke), "--kind", kind], f"plot {kind} needs")


def test_methods_without_a_problem_in_common_are_not_compared():
    frame = made_run(("floor", "linear", "gp", "mlp"), ds=(10,))
    frame = frame[(frame["method"] != "gp") | (frame["task"].str.endswith("/0"))]
    frame = frame[(frame["method"] != "mlp") | (frame["task"].str.endswith("/1"))]
    assert not {"floor", "ranks", "profile"} & set(kinds_for(frame))


def test_error_against_reach_goes_from_inside_the_data_to_far_beyond():
    reaches = ("quantile", "edge", "1", "2", "4", "shift")
    frame = pd.concat(
        [made_run(("linear", "gp"), ds=(10,)).assign(reach=reach) for reach in reversed(reaches)]
    )
    frame["suite"] = "lorch-reach"
    frame["metric"] = "intervention"
    frame["value"] += frame["reach"].map({reach: k for k, reach in enumerate(reaches)})
    numbers = PLOTS["reach"].numbers(frame)
    line = numbers[(numbers["method"] == "gp") & (numbers["panel"] == numbers["panel"].iloc[0])]
    line = line.sort_values("x")
    assert tuple(line["label"]) == reaches and line["mean"].is_monotonic_increasing
    axes = PLOTS["reach"].draw(numbers).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(reaches)
    fewer = numbers[(numbers["panel"] != numbers["panel"].iloc[-1]) | (numbers["label"] != "2")]
    assert len(fewer) < len(numbers)
    for axes in PLOTS["reach"].draw(fewer).axes:
        assert [label.get_text() for label in axes.get_xticklabels()] in ([], list(reaches))


def test_error_against_rows_has_the_papers_figures_beside():
    frame = pd.concat([made_run(("floor", "gp")).assign(n_context=n) for n in (50, 100, 400)])
    frame["task"] += "/" + frame["n_context"].astype(str)
    numbers = PLOTS["rows"].numbers(frame)
    paper = numbers[numbers["role"] == "paper"].set_index(["metric", "panel", "method", "x"])
    assert paper.loc[("noise", "LIN_IN, d = 10", "FiP (paper)", 50), "mean"] == 0.13
    assert paper.loc[("counterfactual", "RFF_IN, d = 20", "DECI (paper)", 400), "mean"] > 0
    assert not paper.index.duplicated().any()
    assert "Cond-FiP (paper)" not in paper.loc["noise"].index.get_level_values("method")
    assert set(numbers["panel"]) == {
        f"{s}, d = {d}" for s in set(frame["scenario"]) for d in (10, 20)
    }
    for other in (frame.assign(reach="4"), frame.assign(scm="csuite/" + frame["scm"])):
        assert set(PLOTS["rows"].numbers(other)["role"]) == {"reference", "baseline"}
    figure = PLOTS["rows"].draw(numbers)
    lines = {c.get_label(): c.lines[0] for c in figure.axes[0].containers}
    assert lines["FiP (paper)"].get_linestyle() == ":"
    assert lines["FiP (paper)"].get_color() == style("fip")["color"]


def test_found_graphs_stand_at_their_distance_beside_the_line_of_edits(tmp_path, undrawn):
    words = [*("run", "--suite", "lorch-graph", "--preset", "smoke", "--set", "scms=1", "d=8")]
    words += ["given=true,corrupt,order,inferred", "edits=1,2", "n_context=30", "n_query=10"]
    words += ["--methods", "linear", "--jobs", "1", "--quiet", "--out", str(tmp_path)]
    assert main(words) == 0
    frame = read_results(tmp_path)
    numbers = graph_numbers(frame)
    line = numbers[(numbers["found"] == "") & (numbers["metric"] == "noise")]
    assert set(line["x"]) == {0, 1, 2}
    distance = frame[frame["metric"] == "graph_distance"]
    for found, given in (("order", "order"), ("r2sort", "inferred")):
        apart = distance[distance["given"] == given].groupby("scenario")["value"].mean()
        assert set(numbers["x"][numbers["found"] == found]) == set(apart) and apart.nunique() > 1
    figure = draw_sweep(numbers)
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    keys = dict(zip(names, legend.legend_handles, strict=True))
    keys = {name: key.get_marker() for name, key in keys.items() if name.startswith("graph of")}
    markers = {lines.get_marker() for axes in figure.axes for lines in axes.lines}
    assert set(keys) == {"graph of order", "graph of r2sort"}
    assert len(set(keys.values())) == 2 and set(keys.values()) <= markers


def test_a_run_of_the_truth_alone_has_no_errors_to_draw():
    needs_a_truth = {"draws"}
    assert set(kinds_for(made_run(("truth",)))) <= needs_a_truth
