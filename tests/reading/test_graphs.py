"""The same graph in every form that people have; cycles and undirected edges named."""

import json
import time

import networkx as nx
import pytest

from bench.reading.dot import read_dot
from bench.reading.graphs import as_digraph, read_graph
from bench.task import Dataset

TRUE = nx.DiGraph([("K", "NA"), ("NA", "CL"), ("K", "CL")])
EDGES = "source,target\nK,NA\nNA,CL\nK,CL\n"
MATRIX = ",K,NA,CL\nK,0,1,1\nNA,0,0,1\nCL,0,0,0\n"


def read(tmp_path, text, name="g.csv", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_graph(path, **options)


def gml(graph):
    return "\n".join(nx.generate_gml(graph))


def graphml(graph):
    return "\n".join(nx.generate_graphml(graph))


def typed(mark, column="Type"):
    return f"source,target,{column}\nK,NA,->\nNA,CL,{mark}\nK,CL,-->\n"


@pytest.mark.parametrize(
    "text, name",
    [
        (EDGES, "g.csv"),
        (EDGES.replace(",", ", "), "g.csv"),
        (EDGES.replace(",", ";"), "g.csv"),
        (EDGES.replace(",", "\t"), "g.tsv"),
        (EDGES.replace("\n", "\r"), "g.csv"),
        ("digraph { // an old Mac's\n K->NA; NA->CL; K->CL }".replace("\n", "\r"), "g.dot"),
        ("#" * 60 + "\n" + gml(TRUE), "g.txt"),
        ('Creator "a" ' + gml(TRUE), "g.txt"),
        (EDGES.replace("source,target", "from,to"), "g.txt"),
        (EDGES.replace("source,target", "Cause,Effect"), "g.csv"),
        (EDGES.replace("source,target", "Parent Node,Child Node"), "g.csv"),
        ("target,source\nNA,K\nCL,NA\nCL,K\n", "g.csv"),
        (EDGES.replace("\n", ",1.0\n").replace("target,1.0", "target,weight"), "g.csv"),
        (typed("Directed"), "g.csv"),
        (typed(""), "g.csv"),
        (typed("--", "weight"), "g.csv"),
        (gml(TRUE), "g.gml"),
        (gml(TRUE), "g.txt"),
        (gml(TRUE).replace("label", "name"), "g.gml"),
        (graphml(TRUE), "g.graphml"),
        (graphml(TRUE), "g.xml"),
        ("digraph {K -> NA -> CL; K -> CL}", "g.dot"),
        ('digraph g { rankdir=LR; node [shape=box];\n"K" -> {NA "CL"} [a=b];\nNA->CL }', "g.gv"),
        ('digraph {K; NA [label="sodium"]; K->NA // a\n NA->CL\n CL<-K}', "g.txt"),
        (
            'dag {\nbb="0,0,1,1"\nK [exposure,pos="0,1"]\nCL [outcome]\nK -> {NA CL}\nNA -> CL\n}',
            "g",
        ),
        ("K -> NA\nNA -> CL\nK -> CL\n", "g.txt"),
        (json.dumps(nx.node_link_data(TRUE, edges="links")), "g.json"),
        (json.dumps(nx.node_link_data(TRUE, edges="edges")), "g.json"),
        (json.dumps([["K", "NA"], ["NA", "CL"], ["K", "CL"]]), "g.json"),
        (json.dumps({"K": ["NA", "CL"], "NA": ["CL"], "CL": []}), "g.json"),
        (json.dumps(nx.to_dict_of_dicts(TRUE)), "g.json"),
        (json.dumps({"nodes": ["K"], "links": [["K", "NA"], ["NA", "CL"], ["K", "CL"]]}), "g.json"),
    ],
)
def test_the_same_graph_in_every_form(tmp_path, text, name):
    graph, _ = read(tmp_path, text, name)
    assert set(graph.edges) == set(TRUE.edges)
    assert set(graph.nodes) == set(TRUE.nodes)


def test_a_text_may_stand_in_place_of_a_file():
    dowhy = (
        'graph[directed 1node[ id "K" label "K"]node[ id "NA" label "NA"]'
        'node[ id "CL" label "CL"]edge[source "K" target "NA"]edge[source "NA" target "CL"]'
        'edge[source "K" target "CL"]]'
    )
    for text in (
        dowhy,
        "digraph{K->NA;NA->CL;K->CL}",
        "dag{K -> {NA CL} NA -> CL}",
        "K->NA->CL<-K",
    ):
        assert set(read_graph(text)[0].edges) == set(TRUE.edges)


def test_a_long_text_takes_time_in_proportion():
    text = "digraph {\n" + "\n".join(f"n{k} -> n{k + 1};" for k in range(30_000)) + "}"
    start = time.process_time()
    nodes, edges = read_dot(text)
    assert nodes == [f"n{k}" for k in range(30_001)]
    assert len(edges) == 30_000
    assert time.process_time() - start < 8  # it was 30 s where each node asked all before it


def test_nodes_without_edges_are_kept():
    assert set(read_graph("dag {a b c a -> b}")[0].nodes) == {"a", "b", "c"}


def test_a_matrix_asks_which_way_it_reads(tmp_path):
    with pytest.raises(ValueError, match="reads both ways; say --adjacency row-causes-column"):
        read(tmp_path, MATRIX)
    forth, _ = read(tmp_path, MATRIX, orientation="row-causes-column")
    back, _ = read(tmp_path, MATRIX, orientation="column-causes-row")
    assert set(forth.edges) == set(TRUE.edges) == {(b, a) for a, b in back.edges}


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_a_cell_of_a_matrix_is_an_edge_only_if_it_is_finite(tmp_path, cell):
    text = MATRIX.replace("NA,0,0,1", f"NA,0,0,{cell}")
    with pytest.raises(ValueError, match=f"g.csv: line 3: the cell under CL is {cell}; write 1 or"):
        read(tmp_path, text, orientation="row-causes-column")


def test_names_without_a_header_are_edges_if_the_table_has_them(tmp_path):
    graph, notes = read(tmp_path, "K,NA\nNA,CL\nK,CL\n", columns=["K", "NA", "CL"])
    assert set(graph.edges) == set(TRUE.edges)
    assert "no header" in notes[0]


@pytest.mark.parametrize(
    "text, name, message",
    [
        ("source,target\nK,NA\nNA,\n", "g.csv", "g.csv: line 3: the target is empty"),
        ("one,two\nK,NA\n", "g.csv", "header 'one,two' is not known; use source,target"),
        ("", "g.csv", "it is empty"),
        (EDGES + "CL,K\n", "g.csv", "cycle: .*CL -> K"),
        (EDGES + "K,K\n", "g.csv", "cycle: K -> K"),
        (gml(nx.Graph(TRUE)), "g.gml", "undirected"),
        (graphml(nx.Graph(TRUE)), "g.graphml", "undirected"),
        (json.dumps(nx.node_link_data(nx.Graph(TRUE), edges="links")), "g.json", "undirected"),
        ("graph {K -- NA}", "g.dot", "line 1: K -- NA is undirected"),
        ("dag {K -> NA\nNA <-> CL}", "g.txt", "line 2: NA <-> CL is a hidden common cause"),
        ("digraph {K -> }", "g.dot", "a name is missing"),
        ("digraph {K -> NA", "g.dot", "brace is not closed"),
        (typed("--"), "g.csv", r"line 3: NA -- CL is undirected; give it one .* \(column Type\)"),
        (typed("Undirected"), "g.csv", "line 3: NA undirected CL is undirected"),
        (typed("<->"), "g.csv", "line 3: NA <-> CL is a hidden common cause; give it one"),
        (typed("o->"), "g.csv", "line 3: NA o-> CL is half directed"),
        (typed("<--", "edge_type"), "g.csv", "line 3: NA <-- CL points back; exchange its ends"),
        ("dag {a -> b\n/* b -> c}", "g.txt", "line 2: a comment is not closed"),
        ("dag {a -> b\n\nb -> ->}", "g.txt", "line 3: a name is missing before '->'"),
        ('dag {a -> b\n\n{b -> "c}', "g.txt", "line 3: cannot read"),
        ("graph [ node [ id", "g.gml", "not readable as GML"),
        ("graph [ directed 1 node [ id 0 label [ x 1 ] ] ]", "g.gml", "not as GML has it"),
        ("graph [ directed 1 node 5 ]", "g.gml", r"not as GML has it .*; write node \["),
        ("graph [ directed 1 edge 5 ]", "g.gml", "not as GML has it"),
        ("graph 5", "g.gml", "not as GML has it|not readable as GML"),
        ("source,target\nK,NA\n" + "K" * 140_000, "g.csv", "line 3: a cell has more than 131072"),
        ("#" * 60, "g.txt", "line 1: header '###"),
        ("<graphml", "g.graphml", "not readable as GraphML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><graphml/>", "g.graphml", "DOCTYPE"),
        ("{", "g.json", "not readable as JSON: line 1"),
        ("[" * 100_000, "g.json", "nested too deeply|not readable"),
        ('{"links": [{"source": 1}]}', "g.json", '"links"'),
        ('{"links": ["ab"]}', "g.json", '"links"'),
        ('{"links": "ab"}', "g.json", '"links"'),
        ('{"nodes": "ab", "links": []}', "g.json", '"nodes"'),
        ('{"nodes": [{"x": 1}], "links": []}', "g.json", '"nodes"'),
        ('{"a": "bc"}', "g.json", """'a' has "bc" and no list of effects; write"""),
        ('{"a": 1}', "g.json", "'a' has 1 and no list of effects; write"),
        ('{"a": null}', "g.json", "'a' has null and no list"),
        ("gASV", "g.pkl", "a pickle can run code"),
    ],
)
def test_a_refusal_names_file_place_and_remedy(tmp_path, text, name, message):
    with pytest.raises(ValueError, match=message) as refused:
        read(tmp_path, text, name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_python_takes_graphs_and_pairs_and_refuses_the_rest():
    assert set(as_digraph(list(TRUE.edges)).edges) == set(TRUE.edges)
    assert set(as_digraph(nx.MultiDiGraph(TRUE)).edges) == set(TRUE.edges)
    rows = [[1.0, 2.0], [2.0, 1.0]]
    for wrong in (nx.Graph([("x0", "x1")]), 3, [("x0", "x1", "x0")], ["ab"]):
        with pytest.raises(ValueError, match="undirected|a graph is"):
            Dataset.of(rows, wrong)
