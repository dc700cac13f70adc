"""The built site in a browser, from the file system, without a network.

Run `make book` first. Without a browser these tests are skipped.
"""

import gzip
import json
import re
import shutil
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
import pytest

from helpers import ledger

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts
)
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
# No call home: what a page asks for is then all that is asked for.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
WORST_CONTRAST = 4.5
HEAVIEST = 1_000_000  # bytes of a page with what it loads, as a server would send them
BLOCKING = 1000  # bytes of scripts that hold up the first paint

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium: apt install chromium"),
    pytest.mark.skipif(not PAGES, reason="no site to look at: run `make book`"),
]

IN_THE_PAGE = (Path(__file__).parent / "site_checks.js").read_text()
LABELS = (Path(__file__).parent / "figure_labels.js").read_text().split("\n", 1)[1]
AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")).read_text()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(browser):
    """One tab for all tests; `page.problems` collects what it complains about."""
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.problems = []
    tab.on("pageerror", lambda error: tab.problems.append(f"script: {error}"))
    tab.on("requestfailed", lambda request: lost(tab, request))
    tab.on("console", lambda line: complain(tab, line))
    tab.on("request", lambda request: notice(tab, request.url))
    return tab


def lost(tab, request):
    """A missing file, and not one that we left behind by going to the next page."""
    if request.failure != "net::ERR_ABORTED":
        tab.problems.append(f"lost: {request.url} ({request.failure})")


def complain(tab, line):
    if line.type == "error":
        tab.problems.append(f"console: {line.text}")


def notice(tab, url):
    if not url.startswith(("file:", "data:", "blob:")):
        tab.problems.append(f"outside request: {url}")


def visit(tab, path):
    """Open a page and wait until its maths is set."""
    tab.set_viewport_size({"width": 1300, "height": 900})
    tab.emulate_media(color_scheme="light", reduced_motion="reduce")
    tab.goto(path.as_uri())
    tab.evaluate("async () => { await window.MathJax?.startup?.promise }")


def inspect(tab, path):
    """Everything that is wrong with a page, one line each."""
    tab.problems.clear()
    visit(tab, path)
    tab.evaluate(IN_THE_PAGE)
    found = tab.evaluate("checks.content()")
    found += dead_links(path, tab.evaluate("checks.links()"))
    for scheme in ("light", "dark"):
        tab.evaluate("name => document.documentElement.dataset.theme = name", scheme)
        for text, ratio in tab.evaluate("checks.contrast()").items():
            if ratio < WORST_CONTRAST:
                found.append(f"{scheme}: contrast of {text} is {ratio:.1f}")
        if "_modules" not in path.parts:  # alike, and many
            found += [f"{scheme}: {problem}" for problem in access(tab)]
    found += tab.evaluate("checks.formulas()")
    found += weight(path)
    tab.set_viewport_size({"width": 390, "height": 844})
    found += tab.evaluate("checks.width()") + tab.evaluate("checks.formulas()")
    return found + tab.problems


def access(tab):
    """What would stop somebody who reads the page in another way than by eye."""
    tab.evaluate(AXE)
    found = tab.evaluate(
        "axe.run(document, {resultTypes: ['violations'], preload: false})"
    )
    return [
        f"{broken['id']}: {broken['nodes'][0]['html'][:80]}"
        for broken in found["violations"]
    ]


def weight(path):
    """What a page and the files that it names weigh, and those that block it."""
    html = path.read_text(encoding="utf-8", errors="replace")
    found = []
    scripts = re.findall(r"<script ([^>]*src=[^>]*)>", html)
    blocking = [tag for tag in scripts if "defer" not in tag and "async" not in tag]
    size = sum(file.stat().st_size for tag in blocking for file in named(path, tag))
    if size > BLOCKING and path.name != "search.html":
        found.append(f"{size} bytes of scripts block the page")
    tags = re.findall(r"<(?:script|link|img) [^>]*>", html)
    files = {file.resolve() for tag in tags for file in named(path, tag)}
    total = sum(map(sent, {path.resolve(), *files}))
    if total > HEAVIEST:
        found.append(f"the page weighs {total} bytes")
    return found


@cache
def sent(file):
    """Its bytes, as a server sends them: many pages load the same."""
    return len(gzip.compress(file.read_bytes()))


def named(path, tag):
    """The files of the site that a tag refers to."""
    names = re.findall(r'(?:src|href)="([^"?#:]+)', tag)
    files = [path.parent / unquote(name) for name in names]
    return [file for file in files if file.is_file() and file.suffix != ".html"]


def dead_links(path, links):
    """Links into the site whose file or anchor does not exist."""
    dead = []
    for link in links:
        parts = urlsplit(link)
        if parts.scheme != "file":
            continue
        target = Path(unquote(parts.path))
        if not target.is_file():
            dead.append(f"broken link: {link}")
        elif parts.fragment and unquote(parts.fragment) not in anchors(target):
            dead.append(f"no such anchor: {link}")
    return dead


@cache
def anchors(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    return set(re.findall(r"""\b(?:id|name)=["']([^"']+)["']""", text))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_nothing_wrong(page, name):
    assert not inspect(page, SITE / name)


def test_there_is_maths_to_typeset():
    assert 'class="math' in (SITE / "min_norm.html").read_text()


def test_search_finds_a_word(page):
    page.problems.clear()
    page.goto((SITE / "search.html").as_uri() + "?q=descent")
    page.locator("#search-results li a").first.wait_for(timeout=5000)
    hits = page.locator("#search-results li a").evaluate_all(
        "all => all.map(a => a.href)"
    )
    assert any("min_norm.html" in hit for hit in hits)
    assert page.problems == []


def test_search_leads_to_the_row_of_a_claim(page):
    page.problems.clear()
    page.goto((SITE / "search.html").as_uri() + "?q=DAM-6")
    first = page.locator("#search-results li a").first
    first.wait_for(timeout=5000)
    assert first.get_attribute("href").endswith("flatness.html#DAM-6")
    assert page.problems == []


def test_every_claim_has_an_address_that_opens_it(page):
    claims = json.loads((SITE / "claims.json").read_text())["claims"]
    assert len(claims) > 100
    for claim in claims:
        assert claim["id"] in anchors(SITE / f"{claim['chapter']}.html")
    page.goto((SITE / "flatness.html").as_uri() + "#DAM-6")
    opened = page.locator("#DAM-6 details[open]")
    opened.wait_for(timeout=5000)
    assert "python -m helpers recheck DAM-6" in opened.inner_text()


@pytest.mark.parametrize(
    "address", ["stability.html#thm-exact", "max_margin.html#fig-flow"]
)
def test_an_address_inside_a_page_is_in_sight_when_all_is_set(page, address):
    name, place = address.split("#")
    page.emulate_media(reduced_motion="no-preference")  # scrolling may take its time
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto((SITE / name).as_uri() + f"#{place}")
    page.wait_for_load_state("load")
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")
    page.wait_for_timeout(300)
    top = page.locator(f"[id='{place}']").first.bounding_box()["y"]
    assert 0 <= top < 200


def test_every_page_says_what_it_is_about():
    book = SITE.parents[1] / "book"
    for path in (*book.glob("*.md"), *book.glob("*.ipynb")):
        html = (SITE / f"{path.stem}.html").read_text()
        assert '<meta name="description" content="' in html, path.name


def test_the_scorecard_keeps_a_question_in_its_address(page):
    address = (SITE / "scorecard.html").as_uri()
    page.goto(f"{address}?verdict=undecided")
    shown = page.locator("tbody.claim:visible")
    some = shown.count()
    assert 0 < some < page.locator("tbody.claim").count()
    page.locator("[name=text]").fill("noise")
    assert 0 < shown.count() < some
    assert "text=noise" in page.url


def test_one_switch_opens_all_code_and_remembers(page):
    page.goto((SITE / "min_norm.html").as_uri())
    folds = page.locator("details.code")
    assert folds.count() > 0
    assert page.locator("details.code[open]").count() == 0
    page.locator(".code-switch").click()
    page.goto((SITE / "max_margin.html").as_uri())
    assert page.locator("details.code[open]").count() == folds.count()
    page.evaluate("localStorage.clear()")


def test_the_reader_can_turn_the_page_dark(page):
    page.emulate_media(color_scheme="dark")
    page.goto((SITE / "index.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    seen = {page.evaluate("document.documentElement.dataset.theme")}
    for _ in range(2):
        page.locator(".theme-switch-button").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    page.evaluate("localStorage.clear()")
    assert seen == {"light", "dark"}


def test_on_a_phone_the_contents_open(page):
    page.problems.clear()
    visit(page, SITE / "index.html")
    page.set_viewport_size({"width": 390, "height": 844})
    entry = page.locator(".bd-links a", has_text="Glossary").first
    entry.wait_for(state="hidden", timeout=2000)
    page.locator(".primary-toggle").first.click()
    entry.wait_for(state="visible", timeout=2000)
    assert page.problems == []


BROKEN = """
<!doctype html><html><body><main style="color:#999;background:#aaa" class="bd-article">
<p>Raw $x^2$ and <span class="math">\\(y\\)</span></p><img src="none.svg">
<svg width="5" height="5"></svg><div style="width:900px">wide</div>
<a href="nowhere.html">a</a><a href="#lost">b</a>
<mjx-container display style="display: block; overflow: auto; width: 50px">
<div style="width: 90px">maths</div></mjx-container><script src="slow.js"></script>
<script>console.error("help"); throw new Error("oh")</script>
<script src="https://example.invalid/x.js"></script></main></body></html>
"""


def test_the_checks_can_fail(page, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(BROKEN)
    (tmp_path / "slow.js").write_text("//" + "x" * BLOCKING)
    found = "\n".join(inspect(page, path))
    for complaint in (
        "raw TeX",
        "maths is not typeset",
        "broken image",
        "without a text alternative: img",
        "without a text alternative: svg",
        "broken link",
        "no such anchor",
        "contrast",
        "image-alt",
        "formula cut off",
        "bytes of scripts block",
        "wider than the screen",
        "console: help",
        "script: oh",
        "outside request",
    ):
        assert complaint in found


@pytest.mark.parametrize("chapter", ledger.chapters())
def test_no_label_of_a_figure_is_covered(page, chapter):
    found = []
    for cell in json.loads(ledger.notebook(chapter).read_text())["cells"]:
        for output in cell.get("outputs", ()):
            drawing = output.get("data", {}).get("image/svg+xml")
            if drawing:
                page.set_content("".join(drawing))
                name = cell["metadata"]["mystnb"]["figure"]["name"]
                found += [f"{name}: {pair}" for pair in page.evaluate(LABELS)]
    assert not found


def test_covered_labels_are_noticed(page):
    words = "<g id='text_{}'><!-- {} --><rect x='{}' y='9' width='9' height='9'/></g>"
    groups = [words.format(1, "a", 20), words.format(2, "b", 24)]
    groups += [words.format(3, "c", 46), "<g id='patch_1'><path d='M50 0V90'/></g>"]
    page.set_content(f"<svg>{''.join(groups)}</svg>")
    assert page.evaluate(LABELS) == ["a and b", "c and an axis"]


def test_drawings_answer_to_keys_and_sliders(page):
    """Without a kernel: what a reader turns changes what the page says."""
    drawings = 0
    for name in PAGES:
        if 'class="interactive"' not in (SITE / name).read_text():
            continue
        page.goto(f"file://{SITE / name}")
        for drawing in page.locator("figure.interactive").all():
            drawings += 1
            before = drawing.inner_text()
            for slider in drawing.locator("input[type=range]").all():
                slider.press("ArrowRight")
                slider.press("ArrowRight")
            assert drawing.inner_text() != before, name
            for handle in drawing.locator("[role=slider]").all():
                before = drawing.inner_text()
                handle.press("ArrowDown")
                assert drawing.inner_text() != before, name
    assert drawings
