"""Directives that read the claims out of the stored notebooks.

`headline` shows a chapter's first figure, `summary` heads a chapter, `chapter-map`
lists the chapters. All three say what the notebooks say: nothing is typed twice.
"""

import os
from collections import Counter
from html import escape
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import costs
from address import repository, site
from helpers import ledger
from helpers.dials import BookError

BOOK = "Implicit Bias, Claim by Claim"


def badges(rows):
    """How many claims got each verdict."""
    counts = Counter(row["verdict"] for row in rows)
    return " ".join(
        f"<span class='tally'>{counts[verdict]} {ledger.badge(verdict)}</span>"
        for verdict in ledger.VERDICTS
        if counts[verdict]
    )


def title(notebook):
    """Text of the first heading."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    raise ValueError("no heading")


def headline(notebook):
    """SVG and text alternative of the cell tagged `headline`."""
    for cell in notebook.cells:
        if "headline" not in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            svg = output.get("data", {}).get("image/svg+xml")
            if svg:
                alt = cell.metadata["mystnb"]["image"]["alt"]
                return "".join(svg), alt
    raise ValueError("no cell tagged headline with an SVG output")


def bibtex(chapter, heading, address):
    """BibTeX entry of a chapter; without an address until the book has one."""
    rows = [
        f"@incollection{{implicit_bias_{chapter},",
        "  author    = {{The contributors}},",
        f"  title     = {{{heading}}},",
        f"  booktitle = {{{BOOK}}},",
        "  year      = {2026},",
    ]
    if address and site(address):
        rows.append(f"  url       = {{{site(address)}{chapter}.html}},")
    elif address:
        rows.append(f"  howpublished = {{\\url{{{address}}}}},")
    return "\n".join([*rows, "}"])


def html(text):
    return nodes.raw("", text, format="html")


class Ledger(SphinxDirective):
    """What the three directives share: a chapter's notebook, watched for changes."""

    has_content = True

    def read(self, chapter):
        path = Path(self.env.doc2path(chapter))
        if path.suffix != ".ipynb" or not path.exists():
            raise self.error(f"{chapter} is not a chapter")
        self.env.note_dependency(str(path))
        return path, nbformat.read(path, as_version=4)

    def stored(self, path):
        try:
            return ledger.stored(path)
        except BookError as problem:
            raise self.error(str(problem)) from problem

    def inline(self, text):
        return self.state.inline_text(text, self.lineno)[0]

    def body(self, cls):
        box = nodes.container(classes=[cls])
        self.state.nested_parse(self.content, self.content_offset, box)
        return box


class Headline(Ledger):
    """`{headline} chapter`: its headline figure, linked; the body is the caption."""

    required_arguments = 1

    def run(self):
        chapter = self.arguments[0]
        _, notebook = self.read(chapter)
        try:
            svg, alt = headline(notebook)
        except (KeyError, ValueError) as problem:
            raise self.error(f"{chapter}: {problem}") from problem
        # Not a numbered figure: it stands outside the count of its own chapter.
        link = nodes.reference("", "", internal=True, refuri=f"{chapter}.html")
        link += nodes.image(uri=self.keep(chapter, svg), alt=alt)
        figure = nodes.container(classes=["headline"])
        figure += [link, self.body("caption")]
        return [figure]

    def keep(self, chapter, svg):
        """Write the figure among the build's files; its path as Sphinx wants it."""
        folder = Path(self.env.app.doctreedir).parent / "headlines"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{chapter}-headline.svg"
        path.write_text(svg, encoding="utf-8")
        return Path(os.path.relpath(path, self.env.srcdir)).as_posix()


class Summary(Ledger):
    """`{summary}`: the box at the head of a chapter; the body is the scope."""

    def run(self):
        chapter = self.env.docname
        path, notebook = self.read(chapter)
        rows = self.stored(path)
        scales = sorted({row["scale"] for row in rows})
        box = nodes.container(classes=["summary"])
        box += html('<p class="summary-title">The chapter at a glance</p>')
        for name, value in [
            ("Scope", self.body("scope")),
            ("Verdicts", html(badges(rows))),
            ("Scale", html(escape(", ".join(scales)))),
            ("Cost", html(escape("; ".join(cost(chapter, notebook))))),
            ("Cite", html(cite(chapter, notebook))),
        ]:
            row = nodes.container(classes=["summary-row"])
            row += html(f'<div class="label">{name}</div>')
            cell = nodes.container(classes=["summary-value"])
            cell += value
            row += cell
            box += row
        return [box]


def cost(chapter, notebook):
    """Of running the page, and of every sweep of records behind it."""
    told = [costs.live(notebook), *map(costs.told, costs.recorded(chapter))]
    older = costs.on_trust(chapter)
    if older:
        told.append(f"{older} of them by an earlier code, and not run again yet")
    return told


def cite(chapter, notebook):
    entry = escape(bibtex(chapter, title(notebook), repository()))
    return (
        "<details class='cite'><summary>Cite this chapter (BibTeX)</summary>"
        f"<div class='highlight'><pre>{entry}</pre></div></details>"
    )


class ChapterMap(Ledger):
    """`{chapter-map}`: every chapter, in order, with what it settles.

    The body is one `chapter: sentence` a line; each chapter of the contents has one.
    """

    def run(self):
        sentences = dict(line.split(": ", 1) for line in self.content if ": " in line)
        chapters = ledger.chapters()
        if set(sentences) != set(chapters):
            raise self.error(f"chapter-map wants one sentence for each of {chapters}")
        board = nodes.container(classes=["chapter-map"])
        for chapter in chapters:
            board += self.card(chapter, sentences[chapter])
        return [board]

    def card(self, chapter, sentence):
        path, notebook = self.read(chapter)
        card = nodes.container(classes=["chapter-card"])
        link = nodes.reference("", "", internal=True, refuri=f"{chapter}.html")
        link += self.inline(title(notebook))
        card += nodes.paragraph("", "", link, classes=["chapter-title"])
        card += nodes.paragraph("", "", *self.inline(sentence))
        card += html(f'<p class="verdicts">{badges(self.stored(path))}</p>')
        return card


class Costs(Ledger):
    """`{costs}`: a row for each chapter, and one for each sweep behind it."""

    has_content = False

    def run(self):
        rows = []
        for chapter in ledger.chapters():
            _, notebook = self.read(chapter)
            link = f'<a href="{chapter}.html">{escape(title(notebook))}</a>'
            run = notebook.metadata.get("book", {})
            live = costs.duration(run.get("seconds", 0))
            rows.append([link, "the page", "", live, run.get("device", "")])
            for sweep in costs.recorded(chapter):
                spent = costs.duration(sweep.seconds)
                what = f"records, <code>{sweep.scale}</code>"
                rows.append(["", what, str(sweep.runs), spent, sweep.device])
        return [html(table(("chapter", "what", "runs", "time", "on"), rows))]


def table(head, rows):
    names = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{x}</td>' for x in row)}</tr>" for row in rows)
    return (
        "<div class='pst-scrollable-table-container'><table class='table'>"
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def setup(app):
    app.add_directive("costs", Costs)
    app.add_directive("headline", Headline)
    app.add_directive("summary", Summary)
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
