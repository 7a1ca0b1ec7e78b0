"""Names of methods, columns and files may hold anything; what shows them holds together."""

import hashlib
import re
from io import StringIO

import pandas as pd
import pytest

from bench.analysis.plots import PLOTS
from bench.analysis.plots.kind import save
from bench.analysis.render import FORMATS, render
from bench.analysis.report import page
from bench.analysis.table import metric_table
from bench.run.shape import cell_of, clean
from tests.made_rows import made_run, record, write

ODD = ("a|b", "two\nlines", "\x1b[31mred", "$x$", "$\\frac{$", "50% & #1_{}", "<b>bold</b>")
ODD += ("a\\|b", "\\", "[a](javascript:b)", "`a`|", "_a_ *b*", "&lt;b&gt;", "\u202etxt", "|" * 9)


def split_at_bars(line):
    """The cells of a row, as a reader of Markdown sees them: a backslash takes what follows."""
    return re.sub(r"\\.", lambda found: found[0].replace("|", "BAR"), line).split("|")


def unescaped(cell):
    """What such a reader shows for it, line breaks and escapes of terminals as spaces."""
    plain = re.sub(r"\\([\\`*_(]|BAR)", r"\1", cell.strip()).replace("BAR", "|")
    return plain.replace("&lt;", "<").replace("&amp;", "&")


@pytest.mark.parametrize("name", ODD)
def test_a_name_cannot_break_out_of_its_cell(name):
    frame = made_run(("gp", name), ds=(7,), scms=2)  # the paper has no such d
    table = metric_table(frame, "noise")
    texts = {form: render(table, form) for form in FORMATS}
    for text in texts.values():
        assert all(line.isprintable() for line in text.split("\n"))
    rows = [line for line in texts["md"].split("\n") if line.startswith("|")]
    assert {len(split_at_bars(line)) for line in rows} == {len(split_at_bars(rows[0]))}
    assert len(rows) == 4
    assert not re.search(r"<b>|\]\(|&lt;(?=;)|&(?!amp;|lt;| )", texts["md"])
    assert unescaped(split_at_bars(rows[-1])[2]) == clean(name)
    head, body = texts["tex"].split(r"\bottomrule")[0].split(r"\midrule")[:2]
    body, cells = body.strip().split("\n"), head.split(r"\toprule")[1].count("&")
    assert len([line for line in body if line.endswith(r"\\")]) == 2
    counts = {line.replace(r"\&", "").count("&") for line in body if line.endswith(r"\\")}
    assert counts == {cells}
    assert len(pd.read_csv(StringIO(texts["csv"]))) == 2


@pytest.mark.parametrize("name", ["$x$", "$\\frac{$", "two\nlines"])
def test_a_plot_shows_a_name_as_it_is(name, tmp_path):
    frame = made_run(("marginal", "gp", "linear", name), ds=(10,), scms=3)
    for kind in ("bars", "runtime", "ranks", "profile"):
        assert save(PLOTS[kind](frame), tmp_path, kind)[0].stat().st_size > 1000


def test_a_log_that_is_a_link_is_not_followed_into_the_page(tmp_path):
    failed = record("gp", {}, status="error", reason="ValueError: no")
    run = write(tmp_path / "run", [failed, record("linear")])
    (tmp_path / "secret.txt").write_text("my own words")
    (run / "logs").mkdir()
    tag = hashlib.sha256(cell_of(failed["key"]).encode()).hexdigest()[:8]
    (run / "logs" / f"gp-{tag}.txt").write_text("Traceback of this cell")
    assert "Traceback of this cell" in page([run], refits=False)
    (run / "logs" / f"gp-{tag}.txt").unlink()
    (run / "logs" / f"gp-{tag}.txt").symlink_to(tmp_path / "secret.txt")
    text = page([run], refits=False)
    assert "my own words" not in text and "which is not followed" in text
