"""The slips in sources that the chapters found, numbered through the book.

A slip is an item of the list in a box of class `erratum`. Its number is also its
address, as in `min_norm.html#e3`, and `{errata}` shows all of them.
"""

import json
import re

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from helpers import ledger

BOX = re.compile(r":::\{admonition\}[^\n]*\n:class: erratum\n.*?\n:::", re.DOTALL)
ITEM = re.compile(r"^- (.*(?:\n  .*)*)", re.MULTILINE)
TITLE = "\n:class: erratum\n"
LINKED = f" ([all of them](errata.md)){TITLE}"


def slips(chapter):
    """The text of each, in the order of the page."""
    notebook = json.loads(ledger.notebook(chapter).read_text())
    words = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    boxes = BOX.findall("\n".join("".join(cell["source"]) for cell in words))
    return [item for box in boxes for item in ITEM.findall(box)]


def numbers(chapter):
    """Those of a chapter's slips; they go on from chapter to chapter."""
    chapters = ledger.chapters()
    before = chapters[: chapters.index(chapter)]
    first = 1 + sum(len(slips(other)) for other in before)
    return range(first, first + len(slips(chapter)))


def about(chapter, claim):
    """The numbers of the slips that name a claim."""
    named = f"{{claim}}`{claim}`"
    pairs = zip(numbers(chapter), slips(chapter), strict=True)
    return [number for number, slip in pairs if named in slip]


def add_numbers(app, docname, source):
    """What Sphinx reads of a chapter has them; the notebook does not."""
    if docname not in ledger.chapters():
        return
    notebook, left = json.loads(source[0]), iter(numbers(docname))

    def numbered(item):
        number = next(left)
        return f"- [E{number}]{{#e{number} .erratum-number}} {item[1]}"

    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            text = BOX.sub(lambda box: ITEM.sub(numbered, box[0]), text)
            cell["source"] = text.replace(TITLE, LINKED)
    source[0] = json.dumps(notebook)


class Errata(SphinxDirective):
    """`{errata}`: every slip, with a link to the box in which it stands."""

    def run(self):
        board = nodes.container(classes=["errata"])
        for chapter in ledger.chapters():
            self.env.note_dependency(str(ledger.notebook(chapter)))
            if slips(chapter):
                title = nodes.rubric()
                title += nodes.reference("", chapter, refuri=f"{chapter}.html")
                board += title
            for number, slip in zip(numbers(chapter), slips(chapter), strict=True):
                board += self.slip(f"{chapter}.html#e{number}", number, slip)
        return [board]

    def slip(self, address, number, text):
        body = nodes.container(classes=["slip"], ids=[f"e{number}"])
        lines = text.replace("\n  ", "\n").splitlines()
        self.state.nested_parse(lines, self.content_offset, body)
        link = nodes.reference(
            "", f"E{number}", refuri=address, classes=["erratum-number"]
        )
        body[0].insert(0, nodes.Text(" "))
        body[0].insert(0, link)
        return body


def setup(app):
    app.add_directive("errata", Errata)
    app.connect("source-read", add_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
