"""The comparison of fresh runs with those that are stored, and that it can fail."""

import fresh
import pytest

from helpers import records, runner
from helpers.experiments import max_margin


def specs_of_the_chapter():
    return [*max_margin.long_runs(), *max_margin.two_decades()]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folder of a chapter whose fresh results are the stored ones, but changed."""
    monkeypatch.setenv("BOOK_SCALE", "quick")
    monkeypatch.setenv("BOOK_RECORDS_FOLDER", str(tmp_path))
    specs = specs_of_the_chapter()

    def write(change=lambda row: row, specs=specs):
        for spec in specs:
            key = f"Long-{records.digest(runner.seedless(records.describe(spec)))[:16]}"
            first, *_ = fresh.expected("max_margin")[key]
            made = {"when": "2026-01-31T12:00:00+00:00", "seconds": 1.0}
            rows = [change(dict(row)) for row in first]
            records.RecordStore.of(spec).write(spec, rows, made)
        return tmp_path / "max_margin"

    return write


def test_what_is_the_same_agrees(made):
    assert fresh.differing("max_margin", made()) == {}


def test_another_loss_is_seen(made):
    found = fresh.differing("max_margin", made(lambda row: row | {"test_loss": 99.0}))
    assert len(found.keys() - {"the chapter"}) == 6
    assert min(found.values()) > fresh.FEW


def test_numbers_that_are_gone_are_seen(made):
    nan = float("nan")
    assert fresh.differing("max_margin", made(lambda row: row | {"loss": nan}))


def test_a_spec_that_was_not_run_is_seen(made):
    some = [spec for spec in specs_of_the_chapter() if not spec.recipe.weight_decay]
    missing = fresh.differing("max_margin", made(specs=some))
    assert list(missing.values()) == [1]


def test_that_nothing_is_the_same_is_seen(made, monkeypatch):
    monkeypatch.setattr(fresh, "SOME", 0.5)  # of six records, three
    slightly = made(lambda row: row | {"test_loss": 1.002 * row["test_loss"]})
    assert fresh.differing("max_margin", slightly) == {"the chapter": 1}
