"""Tables as people export them: what is read, what is left out with a note, what is refused."""

import gzip
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.reading.cells import is_number
from bench.reading.numbers import numbers
from bench.reading.own import read_own
from bench.reading.tables import open_table
from bench.scm.columns import FLOAT

VALUES = pd.DataFrame({"K": [1.5, -2.25, 3.0, 40.125], "NA": [10.0, 20.5, 30.0, 1000.5]})


LONG = "0" * 140_000
ROWS = "1,2\n" * 100


def written(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(tmp_path, text, graph="K -> NA", **options):
    return read_own(written(tmp_path, text), graph, **options)


def csv_of(frame, **options):
    return frame.to_csv(index=False, **options)


@pytest.mark.parametrize(
    "text",
    [
        csv_of(VALUES),
        csv_of(VALUES, sep=";"),
        csv_of(VALUES, sep="\t"),
        csv_of(VALUES, sep="|"),
        csv_of(VALUES, sep=" "),
        csv_of(VALUES, sep=";", decimal=","),
        csv_of(VALUES, sep="\t", decimal=","),
        csv_of(VALUES).replace(",", ", "),
        csv_of(VALUES).replace("\n", "\r\n"),
        csv_of(VALUES).replace("\n", "\r\r\n"),
        csv_of(VALUES).replace("\n", "\r"),
        csv_of(VALUES.assign(note='"x\ry"')),
        csv_of(VALUES, quoting=1),
        "\ufeff" + csv_of(VALUES),
        "\ufeff\ufeff" + csv_of(VALUES),
        csv_of(VALUES).replace("\n", ",\n"),
        csv_of(VALUES).replace("\n", "\n\n"),
        VALUES.to_csv(),
        VALUES.to_csv(sep="\t").replace("\tK", "K", 1),
    ],
)
def test_a_table_is_read_whatever_separates_its_cells(tmp_path, text):
    own = read(tmp_path, text)
    pd.testing.assert_frame_equal(own.frame, VALUES)
    assert list(own.graph.edges) == [("K", "NA")]


def test_a_table_of_long_lines_is_read(tmp_path):
    wide = pd.DataFrame(np.arange(120_000).reshape(4, 30_000)).add_prefix("x")
    assert len(csv_of(wide).split("\n")[0]) > 131_072
    assert list(read(tmp_path, csv_of(wide), "x0 -> x29999").frame) == ["x0", "x29999"]


def test_a_compressed_table_is_read_within_its_limit(tmp_path, monkeypatch):
    path = written(tmp_path, gzip.compress(csv_of(VALUES).encode()), "t.csv.gz")
    pd.testing.assert_frame_equal(read_own(path, "K -> NA").frame, VALUES)
    monkeypatch.setattr("bench.reading.tables.TABLE_BYTES", 2**20)
    bomb = written(tmp_path, gzip.compress(b"K,NA\n" + b"1,2\n" * 2**19), "bomb.csv.gz")
    assert bomb.stat().st_size < 2**14
    with pytest.raises(ValueError, match="holds more than 1 MB"):
        open_table(bomb)


def test_parquet_is_read_or_the_extra_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    try:
        VALUES.assign(city="x").to_parquet(path)
    except ImportError:
        path.write_bytes(b"")
        with pytest.raises(ValueError, match=r"pip install 'condfip-bench\[arrow\]'"):
            open_table(path)
        return
    own = read_own(path, "K -> NA")
    pd.testing.assert_frame_equal(own.frame, VALUES)
    assert "city is in no edge" in own.notes[0]


def test_what_the_graph_does_not_name_is_left_out_with_a_note(tmp_path):
    more = VALUES.assign(city="Ulm", day="2026-01-01", same=3, height=[1, 2, 3, 5], hole=np.nan)
    own = read(tmp_path, csv_of(more))
    assert list(own.frame) == ["K", "NA"]
    assert any("city, day, same, height, hole are in no edge" in note for note in own.notes)
    kept = read(tmp_path, csv_of(more[["K", "NA", "height"]]), every=True)
    assert list(kept.frame) == ["K", "NA", "height"]
    assert "height" in kept.graph
    with pytest.raises(ValueError, match="column city holds text"):
        read(tmp_path, csv_of(more), every=True)
    with pytest.raises(ValueError, match="column hole has no value"):
        read(tmp_path, csv_of(more), every=True, types=[], missing="impute")


def test_a_column_without_a_name_is_never_a_node(tmp_path):
    for text in (VALUES.to_csv(), VALUES.to_csv().replace(",K", "Unnamed: 0,K", 1)):
        own = read(tmp_path, text, every=True)
        assert list(own.frame) == ["K", "NA"]
        assert any("column 1 has no name" in note for note in own.notes)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("K,NA\n", "no rows"),
        ("K,NA,NA\n1,2,3\n", "line 1: columns 2 and 3 have the same name NA"),
        ("K,NA\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        ("1,2\n3,4\n", "no name"),
        ("K,NA\n1,2\n3,x\n", "column NA holds text, not numbers: line 3 has 'x'"),
        ("K,NA\n1,2\n\n3,x\n", "line 4 has 'x'"),
        ("K,NA\n1,2\n3,\n5,\n7,8", r"column NA has NaN in 2 of 4 rows \(first: line 3\); drop"),
        ("K,NA\n1,2\n3,inf\n5,7\n7,8", "column NA has infinity in line 3"),
        ("K,NA\n1,2\n3,2\n5,2\n7,2", "column NA is constant"),
        ("K,NA\n1,2\n3,4\n", "at least 4"),
        ("K,Na\n1,2\n", r"names NA, which .* lacks \(did you mean Na\?\)"),
        ("K;NA\n1,5;2.5\n1,7;3\n", "column NA holds text, not numbers: line 2 has '2.5'"),
        ("K;NA\n1,5;1.002,5\n1,7;3\n", "column NA holds text, not numbers: line 2 has '1.002,5'"),
        ("K,NA\n1,2\n3,4\r5,6\n", "line 3 has a carriage return within it; remove it"),
        ("K,NA\r1,2\r3,4\n", "line 1 has a carriage return within it; remove it"),
        ('K,NA,x\n1,2,"a\rb"\n3,4\r,u\n', "line 3 has a carriage return within it; remove it"),
        (f"K,NA\n1,{LONG}\n", "line 2: a cell has more than 131072 characters; is a quote open"),
        (f"{LONG}\n", "line 1: a cell has more than 131072 characters"),
        (f'K,NA\n{ROWS}1,"2\n{LONG}\n', "line 103: a cell has more than 131072 characters"),
        (b"K,NA\n\xff\xfe,2\n", "line 2 is not UTF-8"),
        (b"\xff\xfeK\x00", "UTF-16"),
        ("K,NA\n".encode("utf-32"), "is UTF-32; save it as UTF-8"),
        (b"K,NA\n1,\x00\n", "bytes that are no text"),
        ("K,NA\n1e160,2\n-1e160,1\n1,2\n2,3", "another unit"),
        ("K,NA\n1152921504606846977,2\n1152921504606846978,1\n1152921504606846979,3\n", "2\\^53"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_place(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)
    assert "t.csv" in str(refused.value)


FIRST = "".join(f"{k},{k % 7}.5\n" for k in range(300))  # more rows than are sampled
BROKEN = '"é,\n,u,"'


def among(cell):
    """The rows with a cell in their middle."""
    return FIRST.replace(",", f",{cell},")


@pytest.mark.parametrize(
    "text, line, cells",
    [
        (f"K,NA\n{FIRST}9,1,234\n1,2\n", 302, 3),
        (f"K,NA\n{FIRST}\n9,1,234", 303, 3),
        (f"K,NA\r\n{FIRST}9,1,\r\n", 302, 3),
        (f"K,x,NA\n{among('u')}9,é,1,234\n", 302, 4),
        (f"K,x,NA\n{among(BROKEN)}9,8,1,234\n", 602, 4),
        (f"K;NA\n{FIRST.replace(',', ';')}9;1;;234\n", 302, 4),
        (f"K NA\n{FIRST.replace(',', ' ')} 9 \t1 234\n", 302, 3),
        (f"K,NA\n{FIRST * 200}9,1,234\n{FIRST}", 60_002, 3),
    ],
)
def test_a_longer_row_is_refused_wherever_it_stands(tmp_path, text, line, cells):
    message = rf"t.csv: line {line} has {cells} cells, the header [23]; remove a cell"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        f"K,x,NA\n{among(BROKEN)}",
        f"K,x,NA\n{among('u')}" + '7,"a ""b, c""",8\n',
        f"K,x,NA\n{among('u')}" + '7,5",8\n',
        f"K NA\n{FIRST.replace(',', '   ').replace(chr(10), '  ' + chr(10))}",
        f"K,NA\n{FIRST},,,\n",
    ],
)
def test_a_row_is_not_longer_for_separators_in_its_cells(tmp_path, text):
    assert len(read(tmp_path, text, types=[], missing="drop").frame) >= 300


@pytest.fixture
def patience():
    """Ends what waits for ever."""

    def ended(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, patience, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is a pipe or a device and no file; save"):
        open_table(tmp_path / name)


def test_a_graph_is_no_pipe_and_a_table_no_device_or_folder(tmp_path, patience):
    os.mkfifo(tmp_path / "g")
    with pytest.raises(ValueError, match="g is a pipe or a device and no file; save"):
        read(tmp_path, csv_of(VALUES), tmp_path / "g")
    with pytest.raises(ValueError, match="/dev/zero is a pipe or a device"):
        open_table(Path("/dev/zero"))
    with pytest.raises(ValueError, match=f"{tmp_path} is a folder; give a file in it"):
        open_table(tmp_path)


@pytest.mark.parametrize("cell", ["1_000", "\u0661", "\uff11", "\xa01", "0x1", "1e", "x"])
@pytest.mark.parametrize("types", [None, []])
def test_of_a_column_of_numbers_the_cell_that_is_none_is_named(tmp_path, cell, types):
    text = "K,NA\n" + "".join(f"{k}.25,{k}\n" for k in range(60)) + f"{cell},3\n"
    with pytest.raises(
        ValueError, match="column K holds text, not numbers: line 62 has "
    ) as refused:
        read(tmp_path, text, types=types)
    assert repr(cell) in str(refused.value)


def test_numbers_are_told_as_pandas_reads_them(tmp_path):
    cells = ["+1", " 1 ", "\t1", "1.", ".5", "1e5", "-1E+5", "nan", "1e99"]
    text = "K,NA\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate(cells))
    own = read(tmp_path, text, types=[], missing="drop")
    assert own.kinds["K"] == FLOAT
    assert all(map(is_number, cells))
    assert not any(map(is_number, ["", "e5", ".", "1 2", "True", "--1"]))


@pytest.mark.parametrize("types", [None, [], ["K=float"]])
@pytest.mark.parametrize("cells", [["1", "7", 2**64], ["-1", "7", 2**63 + 1], ["5", "7", -(2**70)]])
def test_an_integer_beyond_64_bits_is_no_text_but_loses_digits(tmp_path, types, cells):
    text = "K,NA\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate([*cells, 3, 4, 5]))
    message = rf"column K has an integer beyond 2\^63, .* line 4 has '{cells[2]}'; give it in"
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, types=types)
    assert read(tmp_path, text, types=["K=category"]).kinds["K"].discrete


@pytest.mark.parametrize("name", ["none.csv", "t.xlsx", "t.zip", "t.pkl"])
def test_other_files_are_refused_with_a_remedy(tmp_path, name):
    with pytest.raises(ValueError, match="no file|are not read; "):
        open_table(tmp_path / name)


def test_integers_are_refused_only_where_rounding_shows():
    ticks = 2**60 + np.arange(0, 100, dtype=np.int64)
    with pytest.raises(ValueError, match="subtract 1152921504606846976"):
        numbers(pd.DataFrame({"tick": ticks}))
    clock = 1_700_000_000_000_000_000 + np.arange(100, dtype=np.int64) * 10**9
    rows, _ = numbers(pd.DataFrame({"t": clock}))
    np.testing.assert_allclose(np.diff(rows[:, 0]), 1e9, rtol=1e-6)


def test_a_graph_over_other_columns_is_refused_by_its_line(tmp_path):
    path = written(tmp_path, "source,target\nK,NA\nK,CL\n", "g.csv")
    with pytest.raises(ValueError, match=r"g.csv, line 3, names CL, which .*t.csv lacks"):
        read(tmp_path, csv_of(VALUES), path)


def test_frames_are_refused_as_files_are():
    frame = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": 1.0})
    with pytest.raises(ValueError, match=r"column a has NaN in 2 of 3 rows \(first: row 2\)"):
        numbers(frame)
    with pytest.raises(ValueError, match="column a has NaN"):
        numbers(frame.convert_dtypes())
    with pytest.raises(ValueError, match="holds dates"):
        numbers(pd.DataFrame({"day": pd.date_range("2026-01-01", periods=3)}))
    with pytest.raises(ValueError, match="same name: a"):
        numbers(pd.concat([frame[["b"]].rename(columns={"b": "a"})] * 2, axis=1))
