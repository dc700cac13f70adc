"""The scorecard: every claim at a glance, what to filter by, and the same as data.

The page's own table, made for whoever opens the notebook, gives way to this one; it is
read from the chapters when the pages are built. claims.json and claims.csv go with it.
"""

import json
from collections import Counter
from html import escape
from pathlib import Path

from docutils import nodes

import claim_rows
from helpers import ledger

PAGE = "scorecard"
WHOSE = {"source": "the source's", "sharpened": "sharpened here", "book": "ours"}


def at_a_glance(rows):
    """A row for each chapter, and in it a square for each claim."""
    lines = "".join(chapter_line(name, rows) for name in ledger.chapters())
    return f"<table class='glance'><tbody>{lines}</tbody></table>{legend(rows)}"


def legend(rows):
    found = {row["verdict"]: claim_rows.kind(row["verdict"]) for row in rows}
    signs = "".join(
        f"<span><i class='square verdict-{found[verdict]}'></i> {verdict}</span>"
        for verdict in ledger.VERDICTS
        if verdict in found
    )
    return f"<p class='legend' aria-hidden='true'>{signs}</p>"


def chapter_line(chapter, rows):
    own = [row for row in rows if row["chapter"] == chapter]
    counts = Counter(row["verdict"] for row in own)
    told = "; ".join(f"{n} {v}" for v in ledger.VERDICTS if (n := counts[v]))
    return (
        f"<tr><th scope='row'><a href='{chapter}.html'>{chapter}</a></th>"
        f"<td><span class='squares'>{''.join(map(square, own))}</span>"
        f"<small>{told}</small></td></tr>"
    )


def square(row):
    """For the eye and the mouse; the words beside it say the same."""
    kind = claim_rows.kind(row["verdict"])
    told = escape(f"{row['id']}, {row['verdict']}: {row['statement']}", quote=True)
    return (
        f"<a class='square verdict-{kind}' tabindex='-1' aria-hidden='true' "
        f"href='{row['chapter']}.html#{row['id']}' title=\"{told}\"></a>"
    )


def filters(rows):
    """What a reader may choose by; scorecard.js listens."""
    present = {row["verdict"] for row in rows}
    menus = (
        menu("chapter", "Chapter", {name: name for name in ledger.chapters()}),
        menu("verdict", "Verdict", {v: v for v in ledger.VERDICTS if v in present}),
        menu("said", "Whose sentence", WHOSE),
        menu("source", "Source", {s: s for s in sources(rows)}),
    )
    return (
        f"<form class='filters' role='search' hidden>{''.join(menus)}"
        "<label>Text <input type='search' name='text' autocomplete='off'></label>"
        "<output aria-live='polite'></output></form>"
    )


def sources(rows):
    """Works, whether a claim is theirs or was made after them."""
    return sorted({row["source"].removeprefix("this book, after ") for row in rows})


def menu(name, title, choices):
    options = "".join(
        f"<option value='{escape(value, quote=True)}'>{escape(text)}</option>"
        for value, text in choices.items()
    )
    return (
        f"<label>{title} <select name='{name}'><option value=''>all</option>"
        f"{options}</select></label>"
    )


def fill(app, doctree):
    if app.env.docname != PAGE:
        return
    for chapter in ledger.chapters():
        app.env.note_dependency(str(ledger.notebook(chapter)))
    rows = ledger.scorecard()
    whole = at_a_glance(rows) + filters(rows)
    whole += claim_rows.table(rows, on_scorecard=True)
    for plain in claim_rows.plain_tables(doctree):
        plain.replace_self(nodes.raw("", whole, format="html"))


def publish(app, exception):
    """The claims as data, for others to build on."""
    if exception is None and app.builder.format == "html":
        rows = ledger.scorecard()
        data = {"commit": claim_rows.commit(), "claims": rows}
        text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
        Path(app.outdir, "claims.json").write_text(text, encoding="utf-8")
        Path(app.outdir, "claims.csv").write_text(ledger.as_csv(rows), encoding="utf-8")


def add_script(app, pagename, templatename, context, doctree):
    if pagename == PAGE:
        app.add_js_file("scorecard.js")


def setup(app):
    app.connect("doctree-read", fill)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
