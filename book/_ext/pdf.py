"""The prose of the book as one PDF, printed from the built pages.

    python book/_ext/pdf.py

Run `make book` first. Code stays behind; every page has an entry in the outline.
"""

import re
import shutil
import sys
from io import BytesIO

from playwright.sync_api import sync_playwright
from pypdf import PdfWriter

from address import ROOT

SITE = ROOT / "_build" / "html"
OUT = ROOT / "_build" / "book.pdf"
BROWSERS = "chromium", "chromium-browser", "google-chrome"
ON_SCREEN_ONLY = {"helpers", "benchmarks", "contributing", "scorecard"}
FOOT = (
    "<div style='font: 8px sans-serif; width: 100%; text-align: center'>"
    "Implicit Bias, Claim by Claim &middot; {title} &middot; "
    "<span class='pageNumber'></span></div>"
)


def pages():
    """Of the table of contents, in its order."""
    toc = (ROOT / "_toc.yml").read_text()
    names = re.findall(r"(?:root|file): *(\w+)", toc)
    return [name for name in names if name not in ON_SCREEN_ONLY]


def printed(tab, name):
    """The title of a page, and the page on paper."""
    tab.goto((SITE / f"{name}.html").as_uri())
    tab.evaluate("async () => { await window.MathJax?.startup?.promise }")
    title = tab.locator("h1").first.inner_text().removesuffix("#").replace("\n", " ")
    paper = tab.pdf(
        format="A4",
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT.format(title=title),
        prefer_css_page_size=True,
        print_background=True,
    )
    return title, BytesIO(paper)


def main():
    if not SITE.is_dir():
        sys.exit("there are no pages to print: run `make book` first")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit("there is no browser to print with: apt install chromium")
    book = PdfWriter()
    book.add_metadata({"/Title": "Implicit Bias, Claim by Claim"})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        tab = browser.new_page(color_scheme="light")
        for name in pages():
            title, paper = printed(tab, name)
            book.append(paper, outline_item=title)
        browser.close()
    book.write(OUT)
    print(f"{OUT.relative_to(ROOT)}: {len(book.pages)} pages")


if __name__ == "__main__":
    main()
