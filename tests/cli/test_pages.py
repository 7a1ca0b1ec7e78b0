"""Pages say what their commands print, and are found out where they do not."""

import pytest

from bench.cli.pages import Filler, cell_of, pages
from bench.cli.parser import parser

TABLE = """### pooled

| metric | method  | ratio             |
| ------ | ------- | ----------------- |
| noise  | gp      | **0.41 [.3, .5]** |
| sample | gp      | <u>0.75</u>       |
| sample | condfip | 1.31              |
"""
PAGE = """# Title
```
$ python -m bench table one
old
```
It is <!-- table one :: noise gp :: ratio -->old<!-- / -->,
or <!-- :: sample condfip :: ratio! -->1<!-- / -->.
<!-- $ python -m bench table two -->
old
<!-- end -->
"""


def shown(words):
    print(TABLE if words[1] == "one" else f"{words[1]} of another")
    return 0


def test_every_place_is_filled_with_what_its_command_prints():
    filled = Filler(shown).fill(PAGE)
    assert "$ python -m bench table one\n### pooled" in filled
    assert "-->0.41 [.3, .5]<!-- / -->,\nor" in filled and "-->1.31<!-- / -->." in filled
    assert "<!-- $ python -m bench table two -->\ntwo of another\n<!-- end -->" in filled
    assert Filler(shown).fill(filled) == filled


def test_the_first_number_of_a_cell_alone():
    assert cell_of(TABLE, "noise gp", "ratio!") == "0.41"
    assert cell_of(TABLE, "sample gp", "ratio") == "0.75"


@pytest.mark.parametrize(("row", "column"), [("gp", "ratio"), ("mlp", "ratio"), ("gp", "error")])
def test_a_number_that_no_single_row_gives_is_refused(row, column):
    with pytest.raises(ValueError, match=r"[02] rows have"):
        cell_of(TABLE, row, column)


def test_a_page_that_says_otherwise_is_found_out(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(Filler(shown).fill(PAGE).replace("1.31<", "1.30<"))
    check = parser().parse_args(["pages", "--check", str(page)])
    assert pages(check, shown) == 2 and "page.md:" in capsys.readouterr().out
    assert pages(parser().parse_args(["pages", str(page)]), shown) == 0
    assert pages(check, shown) == 0 and "1.31<" in page.read_text()


def test_a_command_that_fails_is_named(tmp_path):
    with pytest.raises(ValueError, match="python -m bench table one"):
        Filler(lambda words: 1).fill(PAGE)
