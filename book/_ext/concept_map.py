"""`{concept-map}`: the chapters as boxes, and how they bear on one another as arrows.

The body begins with the boxes, a line a row: `chapter, name` with bars between, a dot
where there is none. Then come the relations, numbered as they stand:
`chapter > chapter, chapter: *Limits.* Sentence.` One that limits is drawn dashed.
"""

from html import escape
from textwrap import wrap
from typing import NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

BOX = 98, 42
STEP = 131, 90
# Halfway, diagonals that cross would put their numbers on one spot.
PLACE = {"straight": 0.5, "diagonal": 0.36}
SHORTER = 9  # a line of text in a box has so many letters


class Box(NamedTuple):
    chapter: str
    name: str
    row: int
    column: int

    @property
    def centre(self):
        return (
            self.column * STEP[0] + BOX[0] / 2 + 1,
            self.row * STEP[1] + BOX[1] / 2 + 1,
        )


class Relation(NamedTuple):
    source: str
    targets: tuple
    sentence: str

    @property
    def kind(self):
        return "limits" if self.sentence.startswith("*Limits.*") else "implies"


def boxes(lines):
    """Of the rows `chapter, name | . | chapter`, by chapter."""
    found = {}
    for row, line in enumerate(lines):
        for column, entry in enumerate(line.split("|")):
            chapter, _, name = entry.strip().partition(", ")
            if chapter != ".":
                name = name or chapter.replace("_", " ")
                found[chapter] = Box(chapter, name, row, column)
    return found


def relation(line):
    arrow, _, sentence = line.partition(": ")
    source, _, targets = arrow.partition(" > ")
    return Relation(source, tuple(targets.split(", ")), sentence)


def edge(source, target):
    """Where an arrow between two boxes begins and ends, and where its number stands."""
    (x0, y0), (x1, y1) = source.centre, target.centre
    dx, dy = x1 - x0, y1 - y0
    # From a centre to the border of its box, as a share of the way.
    out = min(side / 2 / abs(d) for side, d in zip(BOX, (dx, dy), strict=True) if d)
    place = PLACE["diagonal" if dx and dy else "straight"]
    ways = (out, 1 - out, place)
    return [(round(x0 + way * dx, 1), round(y0 + way * dy, 1)) for way in ways]


def arrow(number, link, source, target):
    (x0, y0), (x1, y1), (x, y) = edge(source, target)
    return (
        f'<path class="{link.kind}" d="M{x0} {y0}L{x1} {y1}" '
        'marker-end="url(#arrow)"/>',
        f'<a href="#bears-{number}" aria-label="Relation {number}">'
        f'<circle cx="{x}" cy="{y}" r="9"/>'
        f'<text class="number" x="{x}" y="{y + 4}">{number}</text></a>',
    )


def drawn(box):
    x, y = box.centre
    lines = wrap(box.name, max(SHORTER, max(map(len, box.name.split()))))
    top = y + 4 - 8 * (len(lines) - 1)
    words = "".join(
        f'<text x="{x}" y="{top + 16 * k}">{escape(line)}</text>'
        for k, line in enumerate(lines)
    )
    return (
        f'<a href="{box.chapter}.html" aria-label="{escape(box.name)}">'
        f'<rect x="{x - BOX[0] / 2}" y="{y - BOX[1] / 2}" '
        f'width="{BOX[0]}" height="{BOX[1]}"/>{words}</a>'
    )


def drawing(places, relations):
    """The map as SVG: arrows under boxes, numbers over both."""
    width = max(box.column for box in places.values()) * STEP[0] + BOX[0] + 2
    height = max(box.row for box in places.values()) * STEP[1] + BOX[1] + 2
    paths, numbers = zip(
        *(
            arrow(number, link, places[link.source], places[target])
            for number, link in enumerate(relations, 1)
            for target in link.targets
        ),
        strict=True,
    )
    return "\n".join(
        [
            f'<svg class="concept-map" viewBox="0 0 {width} {height}" role="group" '
            'aria-label="How the chapters bear on one another; the numbers are '
            'explained below">',
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>',
            *paths,
            *map(drawn, places.values()),
            *numbers,
            "</svg>",
        ]
    )


class ConceptMap(SphinxDirective):
    has_content = True

    def run(self):
        lines = list(self.content)
        gap = lines.index("") if "" in lines else len(lines)
        places = boxes(lines[:gap])
        relations = [relation(line) for line in lines[gap:] if line]
        named = {name for r in relations for name in (r.source, *r.targets)}
        if named - set(places):
            raise self.error(f"no box for {', '.join(sorted(named - set(places)))}")
        lone = set(places) - named
        if lone:
            raise self.error(f"nothing bears on {', '.join(sorted(lone))}")
        told = [
            f"{number}. []{{#bears-{number}}}{link.sentence}"
            for number, link in enumerate(relations, 1)
        ]
        words = nodes.container()
        self.state.nested_parse(
            StringList(told, source=self.env.docname), self.content_offset, words
        )
        return [nodes.raw("", drawing(places, relations), format="html"), *words]


def setup(app):
    app.add_directive("concept-map", ConceptMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
