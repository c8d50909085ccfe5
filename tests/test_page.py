"""The HTML page: what stands in it, that nothing hostile does, what a real browser makes of it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from fabricated import measured, result

from gpteval.api.results import matrix
from gpteval.cli.leaderboard import command
from gpteval.errors import ResultError
from gpteval.report.plots import Score, Series, chart, plot
from gpteval.report.standings import standings
from gpteval.results.pairing import side
from gpteval.results.store import ResultStore
from gpteval.studies.hardest import hardest

COMMITTED = Path(__file__).parent.parent / "results"
CASES = Path(__file__).parent.parent.parent / "shared" / "cases" / "records"
HOSTILE = (
    "<img src=x onerror=alert(1)>|a\x1b[2J\u202e \"'</script><script>alert(2)</script>{{ 7 * 7 }}"
)
VOID = {"meta", "link", "br", "img", "input", "line", "circle", "polyline", "polygon"}
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 28)"


def write(directory, path, *options):
    given = [str(o) for o in (directory, *options, "--output", path)]
    CliRunner().invoke(command, given, catch_exceptions=False, standalone_mode=False)
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Elements in order, with their attributes and text; refuses what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append((tag, len(self.found) - 1))

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, place in self.open:
            self.found[place][2].append(data)

    def all(self, tag):
        return [(attrs, "".join(text).strip()) for name, attrs, text in self.found if name == tag]


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write(COMMITTED, path, "--reference", "tfidf")
    return path


@pytest.fixture(scope="module")
def page(committed):
    return Page(committed.read_text(encoding="utf-8"))


def test_the_page_of_the_committed_results_is_small_and_asks_for_nothing(committed, page):
    text = committed.read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest|<iframe|\bon\w+=", text)
    places = [a[n] for _, a, _ in page.found for n in ("src", "href") if n in a]
    assert all(place.startswith(("#", "data:,")) for place in places)


def test_every_section_that_the_navigation_names_is_there(page):
    sections = {attrs["id"] for attrs, _ in page.all("section")}
    names = {attrs["href"][1:] for attrs, _ in page.all("a")}
    assert names == sections == {"matrix", "plots", "every", "parts", "charts", "costs", "examples"}
    ids = [attrs["id"] for _, attrs, _ in page.found if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_every_headline_score_of_the_records_is_in_the_page(page):
    cells = {text for _, text in page.all("td")}
    for row in standings(ResultStore(COMMITTED).read()):
        assert f"{row.score:.1f}" in cells, (row.task, row.metric)
    found = matrix(COMMITTED)
    captions = [text for _, text in page.all("figcaption")]
    for line in found.lines:
        if len(line.cells) > 1:
            assert sum(text.startswith(f"{line.task} ") for text in captions) >= 1
    assert any("layers/layers.jsonl" in text for text in captions)
    assert any("curve/points.jsonl" in text for text in captions)


def test_parts_have_a_table_of_their_own(page):
    captions = " ".join(text for _, text in page.all("caption"))
    with_parts = {r.task for r in standings(ResultStore(COMMITTED).read()) if "/" in r.metric}
    assert with_parts and all(f"{task}, " in captions for task in with_parts)


def test_every_task_has_its_examples(page):
    titles = [text for _, text in page.all("summary")]
    lines = [line for line in matrix(COMMITTED).lines if not line.suite]
    assert len(titles) == len(lines)
    text = " ".join(text for _, text in page.all("section"))
    assert "against the reference" in text and "most of" in text
    assert "not shown" not in text


@pytest.mark.parametrize("field", ["model", "recipe", "task"])
def test_hostile_names_are_text(tmp_path, field):
    known = [result("rte"), result("sst2", model="other")]
    ResultStore(tmp_path / "r").append([replace(r, **{field: HOSTILE}) for r in known])
    text = write(tmp_path / "r", tmp_path / "p.html")
    found = Page(text)
    assert not found.all("img") and len(found.all("script")) == 1
    assert "\x1b" not in text and "\u202e" not in text and "{{ 7 * 7 }}" in text
    assert "<img src=x onerror=alert(1)>" in " ".join(t for _, t in found.all("section"))


@pytest.mark.skipif(not CASES.is_dir(), reason="no directory of cases beside the repository")
@pytest.mark.parametrize(
    "case", sorted(CASES.glob("*.jsonl")) if CASES.is_dir() else [], ids=lambda p: p.stem
)
def test_records_from_strangers_make_a_page_or_one_line(tmp_path, case):
    (tmp_path / "r").mkdir()
    shutil.copy(case, tmp_path / "r" / "records.jsonl")
    try:
        found = Page(write(tmp_path / "r", tmp_path / "p.html"))
    except ResultError as error:
        assert "\n" not in str(error)
        return
    assert not found.all("img") and len(found.all("script")) == 1


def test_texts_are_there_where_the_rows_are(tmp_path):
    arguments = ["baselines", "--tasks", "wnli", "--sample", "--results", tmp_path / "r"]
    program = [sys.executable, "-m", "gpteval", *map(str, arguments)]
    subprocess.run(program, check=True, capture_output=True)
    found = Page(write(tmp_path / "r", tmp_path / "p.html"))
    texts = [text for attrs, text in found.all("p") if attrs.get("class") == "text"]
    assert texts and all(" | " in text for text in texts)  # premise and hypothesis


def test_without_rows_the_page_says_what_to_name(page):
    assert "without their texts: name their data set with --data-dir" in [
        text for _, text in page.all("p")
    ]


@pytest.mark.parametrize("option", ["--matrix", "--cost"])
def test_a_page_has_everything_and_refuses_a_part(tmp_path, option):
    found = CliRunner().invoke(command, [str(COMMITTED), option, "--format", "html"])
    assert found.exit_code == 2 and "an HTML page has everything" in found.output


def test_a_damaged_file_of_points_is_named(tmp_path):
    ResultStore(tmp_path / "r").append([result("rte")])
    place = tmp_path / "r" / "curve" / "points.jsonl"
    place.parent.mkdir()
    whole = (COMMITTED / "curve" / "points.jsonl").read_text(encoding="utf-8")
    place.write_text(whole[:-40], encoding="utf-8")
    with pytest.raises(ResultError, match=r"points\.jsonl is damaged"):
        write(tmp_path / "r", tmp_path / "p.html")


def test_the_page_needs_no_torch(tmp_path):
    measured(tmp_path / "r", "rte", model="a")
    measured(tmp_path / "r", "rte", right=0.5, model="b")
    code = (
        "import sys; from gpteval.cli.leaderboard import command; command(sys.argv[1:], "
        "standalone_mode=False); sys.exit(str({'torch', 'datasets', 'sklearn'} & set(sys.modules)))"
    )
    words = [tmp_path / "r", "--reference", "b", "--output", tmp_path / "p.html"]
    program = [sys.executable, "-c", code, *map(str, words)]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert run.stderr.strip() == "set()"


def test_the_hardest_are_those_that_most_are_wrong_on(tmp_path):
    for model, right in (("a", 0.9), ("b", 0.6), ("c", 0.5)):
        measured(tmp_path, "rte", right=right, model=model, drawn=ord(model))
    found = hardest(side(str(tmp_path)))
    counts = [example.wrong for example in found]
    assert counts == sorted(counts, reverse=True) and 0 < counts[-1] <= counts[0] <= 3
    for example in found:
        assert example.wrong == sum(own.prediction != example.label for own in example.said)
    with_errors = {p.id for m in side(str(tmp_path)) for p in m.runs()[0]
                   if p.prediction != p.label}  # fmt: skip
    assert {example.id for example in found} == with_errors


def test_a_plot_keeps_order_and_proportion():
    scores = [Score("a", 50, 40, 60, False), Score("b", 70, None, None, True)]
    drawn = plot(scores, 30.0, None)
    best, second = drawn.bars
    assert (best.score.name, best.low, drawn.paper) == ("b", None, None)
    assert second.low < second.x < second.high < best.x
    assert (best.x - second.x) / (second.x - drawn.constant) == pytest.approx(1)
    places = [x for x, _ in drawn.ticks]
    assert 2 <= len(places) <= 6 and all(a < b for a, b in pairwise(places))


@pytest.mark.parametrize("value", [0.0, 1e-9, 1e300, -5.0])
def test_a_single_score_can_be_drawn_whatever_it_is(value):
    assert plot([Score("a", value, None, None, True)], None, None).bars[0].x > 0
    drawn = chart([Series("a", ((0, value, None, None),), 0)], "t", "x", "y", {})
    assert drawn.curves[0].band == ""


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser():
    if not BROWSER or not DRIVER:
        pytest.skip("no chromium with chromedriver (Debian: chromium, chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def shown(browser, path, width=1440, scheme="light"):
    """Open the page as a screen of this width has it."""
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(path.as_uri())
    return browser


def column(browser, heading):
    """What the shown rows of the long table say below a heading."""
    return browser.execute_script(
        "const t = document.querySelector('#every table');"
        "const heads = [...t.tHead.rows[0].cells].map((c) => c.textContent);"
        "return [...t.tBodies[0].rows].filter((r) => !r.hidden)"
        ".map((r) => r.cells[heads.indexOf(arguments[0])].textContent)",
        heading,
    )


def button(browser, heading):
    buttons = browser.find_elements("css selector", "#every th button")
    return next(b for b in buttons if b.text.startswith(heading))


def numbers(texts):
    return [float(text) for text in texts if text]


def test_a_browser_finds_no_error_and_asks_for_nothing(browser, committed):
    browser.get_log("performance")
    shown(browser, committed)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events
             if e["method"] == "Network.requestWillBeSent"]  # fmt: skip
    assert committed.as_uri() in asked
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def test_a_click_sorts_and_another_turns_the_order(browser, committed):
    shown(browser, committed)
    for order, reverse in (("descending", True), ("ascending", False)):
        button(browser, "ours").click()
        scores = numbers(column(browser, "ours"))
        assert scores == sorted(scores, reverse=reverse) and len(scores) > 100
        head = button(browser, "ours").find_element("xpath", "..")
        assert head.get_attribute("aria-sort") == order
    differences = column(browser, "diff.")
    button(browser, "diff.").click()
    assert column(browser, "diff.")[-1] == ""  # what has no value stands last, whatever the order
    assert sorted(column(browser, "diff.")) == sorted(differences)
    assert len(browser.find_elements("css selector", "#every [aria-sort]")) == 1


def test_the_keyboard_sorts_and_shows_where_it_is(browser, committed):
    shown(browser, committed)
    from selenium.webdriver.common.keys import Keys

    browser.find_element("css selector", "#every input").click()
    browser.switch_to.active_element.send_keys(Keys.TAB)  # the box that scrolls
    browser.switch_to.active_element.send_keys(Keys.TAB)
    active = browser.switch_to.active_element
    assert (active.tag_name, active.text.split()[0]) == ("button", "task")
    assert active.value_of_css_property("outline-style") == "solid"
    active.send_keys(Keys.ENTER)
    tasks = column(browser, "task")
    assert tasks == sorted(tasks)
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert column(browser, "task") == sorted(tasks, reverse=True)


def test_words_filter_the_rows(browser, committed):
    shown(browser, committed)
    whole = column(browser, "task")
    field = browser.find_element("css selector", "#every input")
    field.send_keys("mini RTE")
    kept = column(browser, "task")
    assert set(kept) == {"rte"} and set(column(browser, "model")) == {"mini"}
    status = browser.find_element("css selector", "#every [role=status]").text
    assert status == f"{len(kept)} of {len(whole)} rows"
    field.clear()
    field.send_keys(" ")
    assert column(browser, "task") == whole


def test_examples_open(browser, committed):
    shown(browser, committed)
    first = browser.find_element("css selector", "#examples details")
    inside = first.find_element("css selector", "ol")
    assert not inside.is_displayed()
    first.find_element("css selector", "summary").click()
    assert inside.is_displayed()


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_never_scrolls_sideways_its_tables_do(browser, committed, width):
    shown(browser, committed, width)
    browser.execute_script("document.querySelectorAll('details').forEach((d) => d.open = true)")
    script = "return [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"
    page_width, body_width, screen = browser.execute_script(script)
    assert max(page_width, body_width) <= screen == width
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')]"
        ".map((b) => [b.scrollWidth, b.clientWidth])"
    )
    assert width > 390 or any(inner > outer for inner, outer in boxes)


@pytest.mark.parametrize(("scheme", "ground"), [("light", LIGHT), ("dark", DARK)])
def test_the_colours_are_those_of_the_scheme_and_can_be_read(browser, committed, scheme, ground):
    shown(browser, committed, scheme=scheme)
    body = browser.find_element("css selector", "body")
    assert rgb(body, "background-color") == rgb_of(ground)
    for selector in ("body", ".notes", "a", "td small", ".above", ".below", "figcaption"):
        text = rgb(browser.find_element("css selector", selector), "color")
        assert contrast(text, rgb_of(ground)) >= 4.5, selector  # WCAG 2.2, AA


def rgb(element, name):
    return rgb_of(element.value_of_css_property(name))


def rgb_of(text):
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def contrast(one, other):
    """WCAG's ratio of luminances."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    shares = (c / 255 for c in colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
