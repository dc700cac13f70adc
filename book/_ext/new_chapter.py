"""Begin a chapter: python book/_ext/new_chapter.py NAME

It is a template that passes every test of the book. What follows is to put a subject in
its place: the notebook, and its criteria in book/claims/.
"""

import re
import sys

import execute
from address import ROOT
from helpers import claims, ledger

BOOK, TEMPLATE = ROOT / "book", ROOT / "book" / "_template"
PLACES = """Begun: the chapter {name}. Write
  book/claims/{name}.toml  what is claimed, first: criteria, controls, sources
  book/{name}.ipynb        the page; then: .venv/bin/python book/_ext/execute.py {name}
  book/index.md            its sentence on the first page
and look at it: make book, make test. Every rule of a test: book/contributing.md"""


def main(words):
    name = checked(*words)
    prefix, last = claim_prefix(name), last_numbered_chapter()
    for source, place in (
        ("chapter.ipynb", BOOK / f"{name}.ipynb"),
        ("chapter.toml", BOOK / "claims" / f"{name}.toml"),
    ):
        text = (TEMPLATE / source).read_text()
        filled = text.replace("NAME", name).replace("ID-", f"{prefix}-")
        title = name.replace("_", " ").capitalize()
        place.write_text(filled.replace("TITLE", title))
    after("_toc.yml", rf"      - file: {last}\n", f"      - file: {name}\n")
    sentence = f"{name}: What the chapter settles, in a sentence.\n"
    after("book/index.md", rf"{last}: \S.*\n", sentence)
    execute.main([name])
    print(PLACES.format(name=name))


def checked(name=""):
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        sys.exit("name the chapter in lower case: make chapter NAME=my_subject")
    if (BOOK / f"{name}.ipynb").exists() or (BOOK / f"{name}.md").exists():
        sys.exit(f"there is a page {name!r}: choose another name")
    return name


def claim_prefix(name):
    """Three letters that no claim of the book begins with."""
    letters = re.sub(r"[^a-z]", "", name).upper().ljust(3, "X")
    taken = {i.split("-")[0] for c in ledger.chapters() for i in claims.load_all(c)}
    tries = (
        letters[:2] + letter for letter in letters[2:] + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )
    return next(prefix for prefix in tries if prefix not in taken)


def after(file, pattern, line):
    """Behind the line that the pattern finds."""
    path = ROOT / file
    text = path.read_text()
    end = re.search(pattern, text).end()
    path.write_text(text[:end] + line + text[end:])


def last_numbered_chapter():
    chapters = (ROOT / "_toc.yml").read_text().split("numbered: 1")[1]
    numbered = chapters.split("- caption:")[0]
    names = re.findall(r"file: (\S+)", numbered)
    return [name for name in names if (BOOK / "claims" / f"{name}.toml").exists()][-1]


if __name__ == "__main__":
    main(sys.argv[1:])
