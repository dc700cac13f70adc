"""The map of the chapters: boxes in their places, arrows between their borders."""

import re

import concept_map
import pytest

ROWS = ["a, first one | .", "b | c"]


def test_boxes_stand_where_their_row_and_bar_say():
    places = concept_map.boxes(ROWS)
    assert [(p.name, p.row, p.column) for p in places.values()] == [
        ("first one", 0, 0),
        ("b", 1, 0),
        ("c", 1, 1),
    ]


def test_a_relation_is_dashed_where_it_limits():
    limits = concept_map.relation("a > b, c: *Limits.* What: a colon.")
    assert (limits.source, limits.targets) == ("a", ("b", "c"))
    assert limits.sentence == "*Limits.* What: a colon."
    assert limits.kind == "limits"
    assert concept_map.relation("a > b: *Implies.* It does.").kind == "implies"


@pytest.mark.parametrize(("source", "target"), ["ab", "bc", "ac", "ca"])
def test_an_arrow_touches_the_borders_of_both_boxes(source, target):
    places = concept_map.boxes(ROWS)
    start, end, number = concept_map.edge(places[source], places[target])
    for point, box in ((start, places[source]), (end, places[target])):
        away = [abs(p - c) for p, c in zip(point, box.centre, strict=True)]
        reach = [a / (side / 2) for a, side in zip(away, concept_map.BOX, strict=True)]
        assert max(reach) == pytest.approx(1, abs=0.01)
    assert min(start[0], end[0]) <= number[0] <= max(start[0], end[0])


def test_numbers_of_crossing_diagonals_stand_apart():
    places = concept_map.boxes(["a | b", "c | d"])
    spots = [
        concept_map.edge(places[a], places[b])[2]
        for a, b in (("a", "d"), ("b", "c"), ("d", "a"), ("c", "b"))
    ]
    assert len(set(spots)) == 4


def test_each_relation_is_drawn_once_a_target_under_its_own_number():
    places = concept_map.boxes(ROWS)
    links = [
        concept_map.relation("a > b, c: *Implies.* x"),
        concept_map.relation("c > b: *Limits.* y"),
    ]
    svg = concept_map.drawing(places, links)
    assert svg.count('class="implies"') == 2
    assert svg.count('class="limits"') == 1
    assert re.findall(r'href="#bears-(\d+)"', svg) == ["1", "1", "2"]
