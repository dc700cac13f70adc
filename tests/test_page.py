"""What the pages make of notebooks and claims, before a browser sees them."""

import json
import re
from types import SimpleNamespace

import claim_rows
import errata
import figure_tables
import folds
import pytest
import scorecard
import strip
import terms
from docutils import nodes

from helpers import ledger

ROWS = ledger.scorecard()


def cell(text, *tags, outputs=(), **page):
    metadata = {"tags": list(tags), "mystnb": page}
    parts = {"source": text, "outputs": list(outputs), "metadata": metadata}
    return {"cell_type": "code"} | parts


def rearranged(*cells):
    source = [json.dumps({"cells": cells})]
    place = SimpleNamespace(env=SimpleNamespace(doc2path="{}.ipynb".format))
    folds.rearrange(place, "trial", source)
    return json.loads(source[0])["cells"]


# Folds


def test_all_code_is_folded_but_the_idea():
    first, second = rearranged(cell("a"), cell("b", "idea"))
    assert "hide-input" in first["metadata"]["tags"]
    assert second["metadata"]["tags"] == ["idea"]


def test_cells_that_show_nothing_join_the_next():
    title = {folds.TITLES[0]: "Data"}
    (only,) = rearranged(cell("a = 1", **title), cell("b", outputs=["figure"]))
    assert only["source"] == "# Data\na = 1\n\nb"
    assert only["outputs"] == ["figure"]


def test_an_idea_and_words_keep_cells_apart():
    words = {"cell_type": "markdown", "source": "so", "metadata": {}}
    assert len(rearranged(cell("a"), words, cell("b"))) == 3
    assert len(rearranged(cell("a"), cell("b", "idea"), cell("c"))) == 3


def test_what_nbval_reads_is_not_shown():
    assert rearranged(cell("# NBVAL_CHECK_OUTPUT\nprint(1)")) == []


# Claims


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_tells_all_that_is_known(row):
    html = claim_rows.body(row, on_scorecard=False)
    assert f"id='{row['id']}'" in html
    assert f"recheck {row['id']}" in html
    assert row["verdict"] in html
    assert ledger.criterion(row) in html
    assert html.count("<circle") == len(strip.finite(row["values"] or [row["value"]]))
    assert html.count("class='cross'") == len(strip.finite(row["control"]["values"]))
    known = row["seen"] or claim_rows.origins()  # these need the whole git history
    assert ("<dt>Criterion set</dt>" in html) == bool(known)
    assert all(f"#e{n}" in html for n in errata.about(row["chapter"], row["id"]))


def test_marks_stand_in_order_and_inside():
    for numbers in ([1, 2, 3], [1e-9, 1, 5], [-4, 0, 2], [7]):
        place, low, high = strip.scale(numbers)
        places = [place(x) for x in numbers]
        assert places == sorted(places)
        assert strip.LEFT <= places[0] <= places[-1] <= strip.RIGHT
        assert (low, high) == (numbers[0], numbers[-1])


def test_the_scorecard_has_a_square_a_row_and_a_choice_for_all():
    assert scorecard.at_a_glance(ROWS).count("<a class='square ") == len(ROWS)
    choices = scorecard.filters(ROWS)
    for key in ("chapter", "verdict", "said"):
        assert all(f"value='{row[key]}'" in choices for row in ROWS)


# Words


def test_the_first_use_of_a_word_is_linked_and_a_plural_counts():
    anchors = {"margin": "term-margin", "minimum norm": "term-minimum-norm"}
    told, text = set(), "Margins, margins; the minimum norm."
    pieces = terms.linked(text, anchors, told, "g.html")
    links = [piece for piece in pieces if isinstance(piece, nodes.reference)]
    assert [link.astext() for link in links] == ["Margins", "minimum norm"]
    assert links[0]["refuri"] == "g.html#term-margin"
    assert told == set(anchors)
    assert "".join(piece.astext() for piece in pieces).startswith("Margins, margins")


def test_a_part_of_a_word_is_no_use_of_it():
    anchors, text = {"span": "term-span"}, "spanned, wingspan, span-like"
    assert len(terms.linked(text, anchors, set(), "g.html")) == 1


def test_nor_is_a_word_of_a_term_that_has_its_link():
    anchors = {"dual": "term-dual", "dual weights": "term-dual-weights"}
    pieces = terms.linked("dual weights, dual weights", anchors, set(), "g.html")
    links = [piece for piece in pieces if isinstance(piece, nodes.reference)]
    assert [link.astext() for link in links] == ["dual weights"]


# Figures


@pytest.mark.parametrize("chapter", ledger.chapters())
def test_every_named_figure_has_its_numbers(chapter):
    named = {name for name, table in figure_tables.tables(chapter) if "\n" in table}
    cells = json.loads(ledger.notebook(chapter).read_text())["cells"]
    shown = [one["metadata"].get("mystnb", {}).get("figure", {}) for one in cells]
    assert named == {figure["name"] for figure in shown if "name" in figure}


# Errata


def test_slips_are_numbered_through_the_book():
    chapters = ledger.chapters()
    found = [number for chapter in chapters for number in errata.numbers(chapter)]
    assert found == list(range(1, len(found) + 1))
    assert len(found) == sum(len(errata.slips(chapter)) for chapter in chapters)


def test_a_slip_leads_to_the_claims_that_it_names():
    assert errata.about("min_norm", "LS-1")
    assert not errata.about("min_norm", "LS-6a")


def test_a_page_shows_each_number_once():
    chapter = next(filter(errata.slips, ledger.chapters()))
    source = [ledger.notebook(chapter).read_text()]
    errata.add_numbers(None, chapter, source)
    shown = re.findall(r"\[E(\d+)\]\{#e\1 ", json.loads(json.dumps(source[0])))
    assert list(map(int, shown)) == list(errata.numbers(chapter))
