"""The HTML page of a run: its numbers, what it holds, and how it behaves in a browser."""

import contextlib
import json
import math
import re
import shutil
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from bench.analysis.report import svg
from bench.analysis.results import as_asked, metrics_of, read_results
from bench.cli.parser import main
from tests.cli.test_cli import fails_with

BROWSER = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--window-size=1300,900",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, undrawn):
    """A run of two problems in which one method fails, with its page beside itself."""
    out = tmp_path_factory.mktemp("run")
    methods = "truth,floor,marginal,linear,additive,tests.fake_methods.dying:Raises"
    where = ["--where", "scenario=RFF_IN,LIN_IN", "graph_kind=er", "--jobs", "1", "--quiet"]
    order = ["run", "--suite", "lorch", "--preset", "smoke", "--methods", methods]
    assert main([*order, *where, "--out", str(out)]) == 2
    assert main(["report", str(out), "--fast", "--beside", str(out)]) == 0
    return out


class Cells(HTMLParser):
    """The table of every cell: {(task, method): {column: text or full number}}."""

    def __init__(self, text):
        super().__init__()
        self.columns, self.rows, self.cell = [], [], None
        self.feed(text[text.index('<section id="cells">') : text.rindex("</table>")])
        names = [*self.columns, "record"]
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        self.found = {(row["task"], row["method"]): row for row in rows}

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "th" and "data-name" in given:
            self.columns.append(given["data-name"])
        elif tag == "tr" and self.columns:
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append(given.get("data-v"))

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.rows[-1][-1] is None:
            self.rows[-1][-1] = data.strip()


def agrees_with_results(page):
    """Every number of the results stands on the page, beside a record that holds it too."""
    frame = as_asked(read_results(page.parent))
    cells = Cells(page.read_text()).found
    lines = (page.parent / "records.jsonl").read_text().splitlines()
    records = {record["sha"][:12]: record for record in map(json.loads, lines)}
    assert len(cells) == len(frame.drop_duplicates(["task", "method"])) == len(records)
    for row in frame.itertuples():
        cell = cells[row.task, row.method]
        assert cell["status"] == row.status
        if row.metric:
            assert float(cell[row.metric]) == row.value
            measured = records[cell["record"]]["result"]["metrics"][row.metric]
            assert math.isclose(measured["value"], row.value)


def test_the_page_has_the_numbers_of_the_run(folder):
    agrees_with_results(folder / "report.html")


def test_every_number_of_a_table_leads_to_its_cells(folder):
    """By a filter on the columns of the cells; a control that has two names is one cell."""
    page = (folder / "report.html").read_text()
    cells, links = Cells(page).found.values(), re.findall(r'data-find="([^"]+)"', page)
    assert len(links) > 20 and any("floor" in link for link in links)
    for link in links:
        wanted = [word.split("=", 1) for word in link.lower().split()]
        assert any(all(cell[a].lower() == v for a, v in wanted) for cell in cells), link


def test_the_page_needs_nothing_else(folder):
    text = (folder / "report.html").read_text()
    fetched = re.findall(r'(?:src|href|url)\s*[=(]\s*"?(https?:[^" )]*)', text)
    assert fetched == [] and "@import" not in text
    assert text.count("<svg") == text.count("</svg>") == len(re.findall("<figure", text)) > 2


def test_a_figure_keeps_its_labels_as_svg():
    figure = Figure()
    axes = figure.subplots()
    axes.plot((1.23456, 2), (0.00051234, 1), label="a 0.00052 line")
    axes.set_yticks((0.0005, 0.0675), ("0.0005", "0.0675"))
    figure.legend()
    drawn = svg(figure)
    assert all(f">{text}</text>" in drawn for text in ("0.0005", "0.0675", "a 0.00052 line"))
    assert "#000000" not in drawn and "currentColor" in drawn


def test_the_page_says_what_was_run_and_what_failed(folder):
    text = (folder / "report.html").read_text()
    run = json.loads((folder / "run.json").read_text())
    (launch,) = run["launches"]
    for fact in (launch["command"].split()[3], launch["cpu"], "10 ok, 2 error"):
        assert fact in text
    assert "out of ideas" in text and "Traceback" in text
    assert "With a second run" in text and "With the published figures" in text
    assert 'class="best"' in text and "Raises" in text


def test_a_run_without_results_is_one_line(capsys, tmp_path, folder):
    fails_with(capsys, ["report", str(tmp_path)], "no results")
    fails_with(capsys, ["report", str(folder), "--fast", "--beside", str(tmp_path)], "no results")


@contextlib.contextmanager
def opened(path, profile):
    """A headless Chromium with a page open."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no browser here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*BROWSER, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    shown = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        shown.get(path.as_uri())
        yield shown
    finally:
        shown.quit()


@pytest.fixture(scope="module")
def browser(folder, tmp_path_factory):
    """The page of the run, open."""
    with opened(folder / "report.html", tmp_path_factory.mktemp("profile")) as shown:
        yield shown


COLUMN = """
const table = document.querySelector(arguments[0] + ' table');
const at = [...table.tHead.rows[0].cells].findIndex((th) => th.dataset.name === arguments[1]);
return [...table.tBodies[0].rows].filter((row) => !row.hidden)
  .map((row) => row.cells[at].dataset.v ?? row.cells[at].textContent.trim());
"""


def heading(browser, section, name):
    return browser.find_element("css selector", f'{section} th[data-name="{name}"] button')


def test_the_page_loads_without_errors_or_requests(browser):
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0


def test_headings_sort_by_click_and_by_key(browser, folder):
    noise = heading(browser, "#cells", "noise")
    browser.execute_script("arguments[0].click()", noise)
    shown = [float(v) for v in browser.execute_script(COLUMN, "#cells", "noise") if v]
    frame = read_results(folder)
    assert shown == sorted(frame[frame["metric"] == "noise"]["value"])
    noise.send_keys("\ue007")  # Enter
    again = browser.execute_script(COLUMN, "#cells", "noise")
    assert [float(v) for v in again if v] == shown[::-1]
    assert again[-2:] == ["", ""], "gaps come last whichever way"
    sort = "return arguments[0].closest('th').getAttribute('aria-sort')"
    assert browser.execute_script(sort, noise) == "descending"
    heading(browser, "#cells", "method").send_keys("\ue007")
    names = browser.execute_script(COLUMN, "#cells", "method")
    assert names == sorted(names, key=str.lower)


def test_the_filter_shows_what_matches(browser):
    find = browser.find_element("id", "find")
    for words, count in (("method=linear", 2), ("linear lin_in", 1), ("nothing", 0), ("", 12)):
        find.clear()
        find.send_keys(words + " ")
        assert len(browser.execute_script(COLUMN, "#cells", "method")) == count
        assert f"{count} of 12 rows" in browser.find_element("id", "cells").text


def test_a_number_leads_to_its_cells(browser):
    link = browser.find_element("css selector", "#results td.best a")
    browser.execute_script("arguments[0].click()", link)
    find = browser.find_element("id", "find")
    assert "scenario=" in find.get_attribute("value")
    (method,) = set(browser.execute_script(COLUMN, "#cells", "method"))
    assert f"method={method}" in find.get_attribute("value")


def luminance(browser, what):
    style = f"return getComputedStyle(document.body).{what}"
    return sum(map(int, re.findall(r"\d+", browser.execute_script(style))[:3])) / 765


def test_the_theme_follows_the_reader_and_the_button(browser, tmp_path):
    for theme, dark in (("light", False), ("dark", True)):
        wish = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)
        assert (luminance(browser, "backgroundColor") < luminance(browser, "color")) == dark
        assert abs(luminance(browser, "backgroundColor") - luminance(browser, "color")) > 0.6
        assert browser.save_screenshot(str(tmp_path / f"{theme}.png"))
    browser.find_element("id", "theme").click()
    assert luminance(browser, "backgroundColor") > 0.9
    assert (tmp_path / "dark.png").stat().st_size > 10_000


def test_summaries_of_all_metrics_are_there(folder):
    text = (folder / "report.html").read_text()
    for metric in metrics_of(read_results(folder)):
        assert f'aria-label="summary-{metric}"' in text and f'aria-label="wins-{metric}"' in text
