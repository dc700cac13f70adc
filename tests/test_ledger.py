"""Stored claims are read back as they were judged, and shown alike everywhere."""

import csv
import io
import json

import pytest
from stored import notebook, with_ledger

from helpers import ledger
from helpers.claims import Claim, Criterion, Ledger, each
from helpers.dials import BookError


def claim(value, control=9.0, name="T-1", **keys):
    bounds = keys if {"at_least", "at_most"} & keys.keys() else {"at_most": 1.0} | keys
    said = {"source": "A & B 2021", "said": "sharpened", "quantity": "a <number>"}
    asked = Criterion(name, "a test", **said, control="elsewhere", **bounds)
    return Claim(asked, value, control, "laptop")


def row(*args, **keys):
    return claim(*args, **keys).as_data() | {"chapter": "trial"}


@pytest.fixture
def stored(book):
    """The rows of a book whose one chapter has two claims, one of them not run."""
    two = [claim(each([0.5, 0.7], seed=[0, 1])), claim(None, None, "T-2")]
    (book / "book/trial.ipynb").write_text(with_ledger(Ledger("trial", two)))
    return ledger.scorecard()


def test_stored_claims_are_read_back_with_their_chapter(stored):
    assert stored == [
        row(each([0.5, 0.7], seed=[0, 1])),
        row(None, None, "T-2"),
    ]
    assert stored[1]["verdict"] == "not run at this scale"
    assert stored[1]["value"] is stored[1]["interval"] is None


def test_a_stored_chapter_says_on_which_records_it_was_judged(stored):
    text = ledger.notebook("trial").read_text()
    (bundle,) = ledger.bundles_in(json.loads(text))
    assert bundle["chapter"] == "trial"
    assert len(bundle["records_root"]) == 64


def test_a_claim_is_found_by_its_id(stored):
    assert ledger.find("T-2") == stored[1]
    with pytest.raises(BookError, match=r"no claim 'T-3': `python -m helpers score"):
        ledger.find("T-3")


def test_chapters_are_the_notebooks_in_the_order_of_the_contents(book):
    names = ["trial", "prose", "scorecard", "first"]
    files = "\n".join(f"- file: {name}" for name in names)
    (book / "_toc.yml").write_text(f"root: index\nchapters:\n{files}\n")
    for name in ("first", "scorecard"):
        (book / f"book/{name}.ipynb").write_text(notebook("1"))
    assert ledger.chapters() == ["trial", "first"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (notebook("1"), "never executed"),
        ("{", "is no notebook"),
        ("[]", "is no notebook"),
        ("{}", "is no notebook"),
    ],
)
def test_a_notebook_without_outputs_is_one_line(book, text, message):
    (book / "book/trial.ipynb").write_text(text)
    with pytest.raises(BookError, match=message):
        ledger.scorecard()


def test_a_missing_chapter_is_one_line(book):
    with pytest.raises(BookError, match="no chapter 'nowhere'"):
        ledger.stored(ledger.notebook("nowhere"))


# What is shown


@pytest.mark.parametrize("shape", [ledger.as_text, ledger.as_csv, ledger.table])
def test_every_table_shows_every_claim_and_its_verdict(stored, shape):
    text = shape(stored)
    for each_row in stored:
        assert each_row["id"] in text
        assert each_row["verdict"] in text


def test_the_readme_counts_the_claims_of_each_chapter(stored):
    head, _, *lines = ledger.as_markdown(stored).splitlines()
    verdicts = {row["verdict"] for row in stored}
    assert all(verdict in head for verdict in verdicts)
    numbers = [int(cell) for cell in " ".join(lines).split() if cell.isdigit()]
    assert sum(numbers) == len(stored)


def test_the_html_table_links_the_chapter_and_escapes_what_it_shows(stored):
    html = ledger.table(stored, with_chapter=True)
    assert "href='trial.html'" in html
    assert "A &amp; B 2021" in html
    assert "a &lt;number&gt;" in html
    assert "A & B" not in html


def test_the_html_table_says_whose_claim_it_is_and_how_many_seeds(stored):
    html = ledger.table(stored)
    assert "sharpened here" in html
    assert "2 seeds, each" in html


def test_a_change_is_told_in_a_fold():
    told = ledger.table([row(0.5, changed="the control had passed")])
    assert "<details><summary>changed</summary><small>the control had" in told
    assert "<details>" not in ledger.table([row(0.5)])


def test_a_vacuous_claim_is_shown():
    assert "∅ vacuous" in ledger.table([row(0.5, 0.5)])


def test_csv_has_a_line_a_claim_and_its_numbers_in_columns(stored):
    first, second = csv.DictReader(io.StringIO(ledger.as_csv(stored)))
    assert (first["id"], first["low"], first["high"]) == ("T-1", "0.5", "0.7")
    assert (first["at_most"], first["control"]) == ("1.0", "elsewhere")
    assert (first["control_low"], first["control_high"]) == ("9.0", "9.0")
    assert (second["verdict"], second["low"]) == ("not run at this scale", "")


def test_every_verdict_has_a_badge_of_its_own():
    badges = [ledger.badge(verdict) for verdict in ledger.VERDICTS]
    assert len({badge.split(">")[0] for badge in badges}) == len(ledger.VERDICTS)
    assert "verdict-contradicts'" in ledger.badge("contradicts the source")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (0, "0"),
        (-2.5, "−2.5"),
        (1.234e-15, "1.23·10⁻¹⁵"),
        (1e-8, "10⁻⁸"),
        (123456, "1.23·10⁵"),
    ],
)
def test_digits_are_printed_as_in_a_book(value, text):
    assert ledger.digits(value) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"at_most": 1e-8}, "≤ 10⁻⁸"),
        ({"at_least": 0.05}, "≥ 0.05"),
        ({"at_least": 0.4, "at_most": 0.6}, "in [0.4, 0.6]"),
    ],
)
def test_a_criterion_is_printed_with_its_direction(bounds, text):
    assert ledger.criterion(row(0.5, **bounds)) == text


@pytest.mark.parametrize(
    ("value", "keys", "text"),
    [
        (0.25, {"over": "one run"}, "0.25"),
        ([0.25, 0.75], {}, "0.5 [0.25, 0.75]"),
        ([0.25, 0.25], {}, "0.25 [0.25]"),
        ([0.25, float("nan")], {}, "–"),
        (None, {}, "–"),
    ],
)
def test_what_was_measured_is_printed_with_its_interval(value, keys, text):
    assert ledger.measured(row(value, **keys)) == text
