"""A table of 100,000 rows and 50 columns: what each default method takes for it, or its refusal."""

import contextlib
import io

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from bench.cli.parser import main
from bench.run.records import read_records

ROWS, COLUMNS, EARLIER = 100_000, 50, 8
MINUTES, GIB = 30, 4


def table(rng):
    """Columns that bend after up to three of the ones before, and their graph."""
    x, edges = rng.normal(size=(ROWS, COLUMNS)), []
    for j in range(1, COLUMNS):
        earlier = np.arange(max(0, j - EARLIER), j)
        for i in rng.choice(earlier, size=min(3, len(earlier)), replace=False):
            x[:, j] += np.tanh(x[:, i] * rng.uniform(0.5, 2)) * rng.choice([-1, 1])
            edges.append((f"x{i}", f"x{j}"))
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(COLUMNS)]), edges


@pytest.mark.soak
def test_a_table_of_normal_size_is_answered_or_refused(tmp_path, capsys):
    frame, edges = table(np.random.default_rng(0))
    frame.to_csv(tmp_path / "t.csv", index=False)
    graph = ";".join(f"{a} -> {b}" for a, b in edges)
    (tmp_path / "g.txt").write_text(f"dag {{{graph}}}")
    assert nx.is_directed_acyclic_graph(nx.DiGraph(edges))
    words = ["run", "--data", str(tmp_path / "t.csv"), "--graph", str(tmp_path / "g.txt")]
    words += ["--do", "x0=1", "--jobs", "1", "--max-mem", f"{GIB}G", "--timeout", f"{MINUTES}m"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main([*words, "--out", str(tmp_path / "out")])
    assert code in (0, 2), said.getvalue()
    with capsys.disabled():
        print(f"\n{'method':<14} {'rows':>8} {'status':<8} {'seconds':>8} {'GiB':>5}  reason")
        for folder in ("out", "out/answers"):
            for record in read_records(tmp_path / folder).current:
                run, result = record["run"], record["result"]
                rows = ROWS // 2 if folder == "out" else ROWS
                seconds, gib = run["wall_s"] or 0, (run["peak_rss_mb"] or 0) / 1024
                line = f"{record['key']['method']:<14} {rows:>8,} {result['status']:<8}"
                print(f"{line} {seconds:>8.1f} {gib:>5.2f}  {result['reason'][:60]}")
                assert result["status"] in ("ok", "skipped")
