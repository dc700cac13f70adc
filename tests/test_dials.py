"""A bad dial is one line that says what to write instead."""

import pytest

from helpers import dials
from helpers.dials import BookError


def test_defaults():
    found = dials.read({})
    assert (found.scale, found.seed, found.records) == ("laptop", 0, "use")
    assert found.records_folder == dials.ROOT / "data" / "records"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOK_SCALE", "huge"),
        ("BOOK_SEED", "-1"),
        ("BOOK_SEED", "one"),
        ("BOOK_SEED", "²"),
        ("BOOK_RECORDS", "maybe"),
        ("BOOK_RECORDS_FOLDER", "no/such/folder"),
        ("BOOK_DATA", "no/such/folder"),
        ("BOOK_EXECUTOR", "localhost"),
        ("BOOK_FRESH_SINCE", "yesterday"),
    ],
)
def test_a_bad_dial_is_named_in_one_line(name, value):
    with pytest.raises(BookError) as wrong:
        dials.read({name: value})
    assert name in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_seeds_shift_without_overlap(monkeypatch):
    here = set(dials.seeds(100))
    monkeypatch.setenv("BOOK_SEED", "1")
    assert here.isdisjoint(dials.seeds(100))


@pytest.mark.parametrize(("scale", "size"), [("quick", 1), ("laptop", 2), ("paper", 3)])
def test_at_scale(monkeypatch, scale, size):
    monkeypatch.setenv("BOOK_SCALE", scale)
    assert dials.at_scale(quick=1, laptop=2, paper=3) == size


def test_paper_is_laptop_unless_given(monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "paper")
    assert dials.at_scale(quick=1, laptop=2) == 2


def test_jupyter_shows_one_line():
    assert BookError("do this")._render_traceback_() == ["BookError: do this"]
