"""Records: whatever happens to the file, what is read from it is whole, and the rest is named."""

import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.run.records import (
    FILE,
    PACKED,
    PARTS,
    SPOILT_FILE,
    RecordFile,
    read_launches,
    read_records,
    write_launches,
    write_text,
)
from bench.run.shape import LINE_MOST, Spoilt, canonical, clean, sha_of
from tests.run.made_records import made


def line_of(record):
    return (canonical(record) + "\n").encode()


def written(folder, *lines):
    (folder / FILE).write_bytes(b"".join(lines))
    return read_records(folder)


def test_what_is_appended_is_read_plain_and_packed(tmp_path):
    with RecordFile(tmp_path) as file:
        for index in range(3):
            file.append(made(index))
    assert read_records(tmp_path).current == [made(i) for i in range(3)]
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / PACKED).write_bytes(gzip.compress((tmp_path / FILE).read_bytes()))
    assert read_records(packed) == read_records(tmp_path)
    with RecordFile(packed) as file:  # a run goes on where a packed one ended
        file.append(made(3))
    assert len(read_records(packed).current) == 4


def test_the_last_line_of_a_cell_wins_and_other_keys_are_stale(tmp_path):
    first, edited = made(), made(source="edited")
    again = made(status="error", reason="ValueError: no", metrics={})
    found = written(tmp_path, *map(line_of, (first, made(1), again)))
    assert found.current == [made(1), again] and found.stale == 0
    found = written(tmp_path, *map(line_of, (first, first, made(1), edited)))
    assert found.current == [made(1), edited] and found.stale == 2
    assert found.older == [
        "linear on lorch: 1 of 2 cells are of another version or source than its last one; "
        "run the same command to renew them"
    ]


def test_an_axis_that_came_later_makes_no_second_cell(tmp_path):
    later = made(settings={**made()["key"]["settings"], "reach": "quantile"})
    found = written(tmp_path, line_of(made()), line_of(later))
    assert found.current == [later] and found.stale == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000))
def test_a_torn_last_line_is_dropped_wherever_it_is_torn(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("torn")
    whole = line_of(made()) + line_of(made(1))
    cut = min(cut, len(whole))
    found = written(folder, whole[:-cut])
    first = len(line_of(made()))
    assert found.current == ([made()] if cut <= len(whole) - first else [])
    assert not found.spoilt
    with RecordFile(folder) as file:
        file.append(made(2))
    assert read_records(folder).current == [*found.current, made(2)]


def changed(part, **fields):
    """A record with fields changed and its seal renewed, as a crafty hand would."""
    record = json.loads(canonical(made()))
    record[part] |= fields
    record["sha"] = sha_of(record["key"], record["result"])
    return line_of(record)


def unsealed(**fields):
    record = json.loads(canonical(made()))
    record["result"] |= fields
    return line_of(record)


def raw(part, old, new):
    text = canonical(made())
    assert old in text, part
    return text.replace(old, new, 1).encode() + b"\n"


SPOILT = {
    "empty": b"\n",
    "rubbish": b"spam and eggs\n",
    "nul bytes": b"\0" * 300 + b"\n",
    "half": line_of(made())[:80] + b"\n",
    "two in one": line_of(made())[:-1] + line_of(made()),
    "not UTF-8": line_of(made()).replace(b'"ok"', b'"o\xe9"'),
    "UTF-16": canonical(made()).encode("utf-16") + b"\n",
    "number": b"12\n",
    "list": b"[]\n",
    "null": b"null\n",
    "NaN": raw("run", '"fit_s":0.01', '"fit_s":NaN'),
    "infinite time": raw("run", '"fit_s":0.01', '"fit_s":1e999'),
    "large time": raw("run", '"fit_s":0.01', '"fit_s":1e308'),
    "negative time": raw("run", '"fit_s":0.01', '"fit_s":-1'),
    "no launch": raw("run", '"launch":0', '"launch":"first"'),
    "NaN result": raw("result", '"value":0.25', '"value":NaN'),
    "large integer": raw("run", '"fit_s":0.01', '"fit_s":1' + "0" * 400),
    "larger integer": raw("run", '"fit_s":0.01', '"fit_s":1' + "0" * 5000),
    "nested": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "surrogate": changed("result", reason="\ud800"),
    "surrogate method": changed("key", method="\udfff"),
    "long text": changed("result", reason="x" * 200_000),
    "long line": b"x" * (LINE_MOST + 10) + b"\n",
    "edited": unsealed(status="skipped"),
    "edited value": raw("result", '"value":0.25', '"value":0.0'),
    "no sha": raw("sha", '"sha":"', '"shu":"'),
    "status": changed("result", status="fine"),
    "status list": changed("result", status=["ok"]),
    "no settings": changed("key", settings=None),
    "settings list": changed("key", settings=[1]),
    "settings of settings": changed("key", settings={"d": {"d": 1}}),
    "method number": changed("key", method=3),
    "metrics list": changed("result", metrics=[["noise", 1]]),
    "metric pair": changed("result", metrics={"noise": ["1", 0.5]}),
    "metric text": changed("result", metrics={"noise": {"version": "1", "value": "low"}}),
    "metric true": changed("result", metrics={"noise": {"version": "1", "value": True}}),
    "no metric version": changed("result", metrics={"noise": {"value": 1.0}}),
    "nodes": changed("result", nodes={"x0": "high"}),
    "columns": changed("result", columns={"x0": [1.0]}),
    "columns text": changed("result", columns={"x0": "ab"}),
    "seen": changed("result", seen_in_training="maybe"),
    "run list": raw("run", '"run":{', '"run":[{').replace(b'},"sha"', b'}],"sha"'),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_line_is_named_in_one_line_and_leaves_the_file(tmp_path, kind):
    lines = [line_of(made()), SPOILT[kind], line_of(made(1))]
    found = written(tmp_path, *lines)
    assert found.current == [made(), made(1)]
    (told,) = found.spoilt
    assert told.startswith(f"{tmp_path / FILE}, line 2: ") and len(told.splitlines()) == 1
    assert len(told) < 400 and told.isprintable()
    with RecordFile(tmp_path):
        pass
    assert (tmp_path / FILE).read_bytes() == lines[0] + lines[2]
    assert (tmp_path / SPOILT_FILE).stat().st_size > 0


def test_what_is_no_record_is_not_written(tmp_path):
    wrong = json.loads(canonical(made()))
    wrong["result"]["metrics"]["noise"]["value"] = float("nan")
    with RecordFile(tmp_path) as file, pytest.raises(Spoilt):
        file.append(wrong)
    assert (tmp_path / FILE).read_bytes() == b""


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    with RecordFile(tmp_path) as file:
        file.append(made())
        real = os.fsync

        def full(descriptor):
            os.ftruncate(descriptor, len(line_of(made())) + 40)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.append(made(1))
        assert (tmp_path / FILE).read_bytes() == line_of(made())
        monkeypatch.setattr(os, "fsync", real)
        file.append(made(2))
    assert read_records(tmp_path).current == [made(), made(2)]


def test_a_broken_packed_file_gives_what_can_be_read_and_one_line(tmp_path):
    packed = gzip.compress(b"".join(line_of(made(i)) for i in range(200)))
    (tmp_path / PACKED).write_bytes(packed[: len(packed) // 2])
    found = read_records(tmp_path)
    assert 0 < len(found.current) < 200 and len(found.spoilt) == 1
    (tmp_path / PACKED).write_bytes(b"no gzip at all")
    assert read_records(tmp_path).current == [] and len(read_records(tmp_path).spoilt) == 1


def test_launches_are_read_back_and_rubbish_is_none(tmp_path):
    assert read_launches(tmp_path) == []
    write_launches(tmp_path, [{"command": "python -m bench run"}])
    assert read_launches(tmp_path) == [{"command": "python -m bench run"}]
    for rubbish in ("", "[]", '{"launches": 3}', '{"launches": [1, null]}', "\0"):
        (tmp_path / "run.json").write_text(rubbish)
        assert read_launches(tmp_path) == []


def test_text_from_anywhere_becomes_one_short_printable_line():
    assert clean("a\nb\t c\x1b[31m \ud800 d") == "a b c [31m ? d"
    assert len(clean("x" * 10**6)) == 2000


@pytest.mark.parametrize("part", PARTS)
def test_a_link_in_place_of_a_folder_of_a_run_is_refused_and_not_followed(part, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / part).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=f"{part} is a link; remove it"):
        RecordFile(tmp_path / "run")
    with pytest.raises(OSError, match=f"{part} is a link; remove it"):
        write_text(tmp_path / "run" / part / "a.txt", "")
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("name", [FILE, "logs/spoilt-lines.txt"])
def test_a_link_in_place_of_a_file_that_is_written_is_refused_and_not_followed(name, tmp_path):
    mine, folder = tmp_path / "mine.txt", tmp_path / "run"
    mine.write_text("dear")
    (folder / "logs").mkdir(parents=True)
    (folder / FILE).write_bytes(b"spoilt\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(mine)
    with pytest.raises(OSError, match="is a link; remove it"):
        RecordFile(folder)
    assert mine.read_text() == "dear"
