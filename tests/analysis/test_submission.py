"""A stranger's run is data: whatever is wrong with it is one line that names the file."""

import gzip
import json
import shutil

import pytest

from bench.analysis import submission
from bench.analysis.outputs import publish
from bench.analysis.submission import check_submission
from bench.cli.parser import main
from bench.run.records import LAUNCHES, PACKED
from bench.run.shape import canonical, sha_of
from tests.cli.test_cli import fails_with
from tests.made_rows import SETTINGS, record, write


@pytest.fixture
def sent(tmp_path):
    run = write(tmp_path / "run", [record("gp", index=i) for i in range(3)] + [record("linear")])
    publish(run, tmp_path / "sent")
    return tmp_path / "sent"


def rewrite(folder, change):
    """Writes the records again, each changed by `change(record)`."""
    lines = gzip.decompress((folder / PACKED).read_bytes()).splitlines()
    found = [json.loads(line) for line in lines]
    for one in found:
        change(one)
    pack(folder, "".join(f"{canonical(one)}\n" for one in found).encode())


def pack(folder, content):
    (folder / PACKED).write_bytes(gzip.compress(content))


def launches(folder, change):
    told = json.loads((folder / LAUNCHES).read_text())
    (folder / LAUNCHES).write_text(json.dumps(change(told)))


def better(one, seals=False):
    one["result"]["metrics"]["noise"]["value"] = 0.001
    if seals:
        one["sha"] = sha_of(one["key"], one["result"])


def colour(one):
    one["key"]["method"] = "gp\x1b[31m"
    one["sha"] = sha_of(one["key"], one["result"])


def sealed(part, **changes):
    """Changes a part of each record and seals it again."""

    def change(one):
        one[part].update(changes)
        one["sha"] = sha_of(one["key"], one["result"])

    return lambda folder: rewrite(folder, change)


def linked(folder, name):
    path = folder / name
    kept = folder.parent / "elsewhere"
    kept.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(kept)


def edited_table(folder):
    path = folder / "tables" / "noise.md"
    path.write_text(path.read_text().replace("0.500", "0.100", 1))


def first(told, **changes):
    return {"launches": [{**told["launches"][0], **changes}]}


WRONG = {
    "an edited result": (lambda f: rewrite(f, better), "records.jsonl.gz, line 1: its sha"),
    "an edited result, sealed again": (
        lambda f: rewrite(f, lambda one: better(one, seals=True)),
        "noise.md says something else than the records",
    ),
    "an edited table": (edited_table, "noise.md says something else"),
    "a further table": (lambda f: (f / "tables" / "x.md").write_text(""), "x.md is no table of"),
    "colours": (lambda f: rewrite(f, colour), "line 1: its text"),
    "bounds that are none": (sealed("result", bounds=5), "line 1: its bounds are no list"),
    "no settings": (
        sealed("key", settings={}),
        "line 1: the settings of a lorch task lack variant",
    ),
    "an empty setting": (
        sealed("key", settings={**SETTINGS, "d": None, "index": 0, "seed": 0}),
        "line 1: axis d takes numbers, not None",
    ),
    "an error out of measure": (
        sealed("result", metrics={"noise": {"version": "1", "value": 1e308}}),
        "line 1: its metric noise is above 1e+100",
    ),
    "versions that are none": (
        lambda f: launches(f, lambda told: first(told, versions=[1])),
        "launch 0 lacks",
    ),
    "an unknown launch": (
        lambda f: rewrite(f, lambda one: one["run"].update(launch=7)),
        "run.json has no launch",
    ),
    "an odd field": (lambda f: rewrite(f, lambda one: one.update(more=1)), "line 1: it is not an"),
    "a doubled line": (
        lambda f: pack(f, gzip.decompress((f / PACKED).read_bytes()) * 2),
        "line 5: its cell is there already",
    ),
    "a cut line": (
        lambda f: pack(f, gzip.decompress((f / PACKED).read_bytes())[:-9]),
        "is cut off",
    ),
    "no records": (lambda f: pack(f, b""), "has 0 lines"),
    "no gzip": (lambda f: (f / PACKED).write_bytes(b"\x1f\x8bnone"), "is no gzip file"),
    "spaces": (
        lambda f: pack(f, gzip.decompress((f / PACKED).read_bytes()).replace(b'":', b'": ')),
        "is not written as records are",
    ),
    "records a link": (lambda f: linked(f, PACKED), "is a link or no plain file"),
    "launches a link": (lambda f: linked(f, LAUNCHES), "is a link or no plain file"),
    "a table a link": (lambda f: linked(f, "tables/noise.md"), "is a link or no plain file"),
    "a program": (lambda f: (f / "run.sh").write_text("rm -r ."), "run.sh is no part of a run"),
    "a folder": (lambda f: (f / "logs").mkdir(), "logs is a link or no plain file"),
    "no launches": (lambda f: (f / LAUNCHES).unlink(), "has no run.json"),
    "launches no JSON": (lambda f: (f / LAUNCHES).write_text("["), "run.json is no JSON"),
    "deep launches": (lambda f: (f / LAUNCHES).write_text("[" * 100_000), "run.json is no JSON"),
    "launches of numbers": (lambda f: launches(f, lambda _: {"launches": [1]}), "launch 0 lacks"),
    "a launch of another shape": (
        lambda f: launches(f, lambda told: first(told, commit=3)),
        "launch 0 lacks",
    ),
    "a launch that colours": (
        lambda f: launches(f, lambda told: first(told, cpu="\x1b[31m")),
        "launch 0 is too long, or not printable",
    ),
    "a long launch": (
        lambda f: launches(f, lambda told: first(told, cpu="x" * 10_000)),
        "launch 0 is too long",
    ),
}


def test_a_sound_run_is_said_to_be_so(sent, capsys):
    assert main(["check-run", str(sent)]) == 0
    out = capsys.readouterr().out
    assert "4 records (4 ok) of 1 launches; 1 tables" in out and "methods gp, linear" in out


@pytest.mark.parametrize("how", WRONG)
def test_what_is_wrong_is_one_line_that_names_the_file(how, sent, capsys):
    change, message = WRONG[how]
    change(sent)
    fails_with(capsys, ["check-run", str(sent)], message)


def test_limits_of_sizes_hold_before_anything_is_read_or_unpacked(sent, monkeypatch):
    monkeypatch.setattr(submission, "UNPACKED_MOST", 1000)
    with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
        check_submission(sent)
    monkeypatch.setitem(submission.MOST, PACKED, 10)
    with pytest.raises(ValueError, match="more than 10"):
        check_submission(sent)
    monkeypatch.setattr(submission, "FILES_MOST", 0)
    with pytest.raises(ValueError, match="more than 0 files"):
        check_submission(sent)


def test_a_folder_that_is_a_link_or_none_is_refused(sent, tmp_path, capsys):
    (tmp_path / "link").symlink_to(sent)
    fails_with(capsys, ["check-run", str(tmp_path / "link")], "is no folder")
    shutil.rmtree(sent)
    fails_with(capsys, ["check-run", str(sent)], "is no folder")
