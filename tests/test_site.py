"""The built site in a browser, from the file system, without a network.

Run `make book` first. Without a browser these tests are skipped.
"""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

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

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium: apt install chromium"),
    pytest.mark.skipif(not PAGES, reason="no site to look at: run `make book`"),
]

IN_THE_PAGE = (Path(__file__).parent / "site_checks.js").read_text()


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
    tab.problems.clear()
    tab.set_viewport_size({"width": 1400, "height": 900})
    tab.emulate_media(color_scheme="light")
    tab.goto(path.as_uri())
    tab.evaluate("async () => { await window.MathJax?.startup?.promise }")


def inspect(tab, path):
    """Everything that is wrong with a page, one line each."""
    visit(tab, path)
    tab.evaluate(IN_THE_PAGE)
    found = tab.evaluate("checks.content()")
    found += dead_links(path, tab.evaluate("checks.links()"))
    for scheme in ("light", "dark"):
        tab.evaluate("name => document.documentElement.dataset.theme = name", scheme)
        for text, ratio in tab.evaluate("checks.contrast()").items():
            if ratio < WORST_CONTRAST:
                found.append(f"{scheme}: contrast of {text} is {ratio:.1f}")
    tab.set_viewport_size({"width": 390, "height": 844})
    found += tab.evaluate("checks.width()")
    return found + tab.problems


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


def anchors(path, known={}):  # noqa: B006 the cache is meant
    if path not in known:
        text = path.read_text(encoding="utf-8", errors="replace")
        known[path] = set(re.findall(r'\b(?:id|name)="([^"]+)"', text))
    return known[path]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_nothing_wrong(page, name):
    assert not inspect(page, SITE / name)


def test_maths_is_typeset_where_the_source_has_some(page):
    set_pages = [name for name in PAGES if 'class="math' in (SITE / name).read_text()]
    assert "min_norm.html" in set_pages
    for name in set_pages:
        visit(page, SITE / name)
        wanted = page.locator(".math").count()
        assert page.locator(".math mjx-container").count() >= wanted, name


def test_search_finds_a_word(page):
    visit(page, SITE / "search.html")
    page.goto((SITE / "search.html").as_uri() + "?q=descent")
    page.locator("#search-results li a").first.wait_for(timeout=5000)
    hits = page.locator("#search-results li a").evaluate_all(
        "all => all.map(a => a.href)"
    )
    assert any("min_norm.html" in hit for hit in hits)
    assert page.problems == []


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
<script>console.error("help"); throw new Error("oh")</script>
<script src="https://example.invalid/x.js"></script></main></body></html>
"""


def test_the_checks_can_fail(page, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(BROKEN)
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
        "wider than the screen",
        "console: help",
        "script: oh",
        "outside request",
    ):
        assert complaint in found


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
