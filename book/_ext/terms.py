"""The first use of a glossary's word on a page leads to the glossary.

Authors write plain words; which of them are explained, and where they first stand in
running text, is found when the pages are built.
"""

import re

from docutils import nodes

from helpers import ledger

GLOSSARY, FIRST_PAGE = "glossary", "index"
# Words of the book that are words of everyday English as well: told on the first page.
EVERYDAY = {"claim", "control", "null", "record", "scale", "seed", "verdict"}
NOT_IN = (
    nodes.reference,
    nodes.title,
    nodes.caption,
    nodes.literal,
    nodes.math,
    nodes.term,
    nodes.table,
)


def link_first_uses(app, doctree, docname):
    if docname not in (FIRST_PAGE, *ledger.chapters()):
        return
    objects = app.env.get_domain("std").objects
    anchors = {
        name.lower(): place[1]
        for (kind, name), place in objects.items()
        if kind == "term" and name.lower() not in EVERYDAY
    }
    address, told = app.builder.get_relative_uri(docname, GLOSSARY), set()
    for text in list(doctree.findall(nodes.Text)):
        if anchors and in_running_text(text):
            text.parent.replace(text, linked(text.astext(), anchors, told, address))


def in_running_text(text):
    parents, node = [], text.parent
    while node is not None:
        parents.append(node)
        node = node.parent
    in_paragraph = any(isinstance(node, nodes.paragraph) for node in parents)
    return in_paragraph and not any(isinstance(node, NOT_IN) for node in parents)


def linked(text, anchors, told, address):
    """The text in pieces; each word that was found is added to those `told`."""
    pieces, end = [], 0
    for found in pattern(anchors).finditer(text):
        word = found["word"].lower()
        if word in told:
            continue
        told.add(word)
        uri = f"{address}#{anchors[word]}"
        link = nodes.reference("", "", internal=True, refuri=uri, classes=["term"])
        link += nodes.inline("", found[0])
        pieces += [nodes.Text(text[end : found.start()]), link]
        end = found.end()
    return [*pieces, nodes.Text(text[end:])]


def pattern(words):
    """The longest of several words that begin alike; a plural counts."""
    choices = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(rf"(?<![\w-])(?P<word>{choices})(?:e?s)?(?![\w-])", re.IGNORECASE)


def setup(app):
    app.connect("doctree-resolved", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
