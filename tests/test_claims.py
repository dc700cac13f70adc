"""Verdicts: what must pass passes, and everything else is called by its name."""

import json

import numpy as np
import pytest
from stored import notebook

from helpers import claims
from helpers.claims import Claim
from helpers.dials import BookError


def claim(value, control=9.0, name="T-1", **criterion):
    criterion = criterion or {"at_most": 1.0}
    return Claim(name, "a test", "a source", value, ("elsewhere", control), **criterion)


@pytest.mark.parametrize(
    ("value", "control", "criterion", "verdict"),
    [
        (0.5, 2.0, {"at_most": 1}, "reproduced"),
        (1.0, 2.0, {"at_most": 1}, "reproduced"),
        (1.1, 2.0, {"at_most": 1}, "not reproduced"),
        (3.0, 0.5, {"at_least": 1}, "reproduced"),
        (0.9, 1.5, {"at_least": 0.85, "at_most": 0.95}, "reproduced"),
        (0.8, 1.5, {"at_least": 0.85, "at_most": 0.95}, "not reproduced"),
        ([0.1, 0.9], 2.0, {"at_most": 1}, "reproduced"),
        ([0.1, 1.1], 2.0, {"at_most": 1}, "partly"),
        ([1.2, 1.1], 2.0, {"at_most": 1}, "not reproduced"),
        (0.5, 0.5, {"at_most": 1}, "vacuous"),
        (0.5, [2.0, 0.9], {"at_most": 1}, "vacuous"),
        (2.0, 0.5, {"at_most": 1}, "vacuous"),
        (0.5, float("nan"), {"at_most": 1}, "vacuous"),
        (0.5, [2.0, float("nan")], {"at_most": 1}, "vacuous"),
        (float("nan"), 2.0, {"at_most": 1}, "not reproduced"),
        ([0.5, float("nan")], 2.0, {"at_most": 1}, "not reproduced"),
        (float("inf"), 2.0, {"at_most": 1}, "not reproduced"),
        (2.0, 3.0, {"at_most": 1, "refuted_at": 1.5}, "contradicts the source"),
        (1.2, 3.0, {"at_most": 1, "refuted_at": 1.5}, "not reproduced"),
        (0.2, 0.1, {"at_least": 1, "refuted_at": 0.5}, "contradicts the source"),
        ([1.2, 2], 3.0, {"at_most": 1, "refuted_at": 1.5}, "not reproduced"),
        (None, None, {"at_most": 1}, "not run at this scale"),
    ],
)
def test_verdict(value, control, criterion, verdict):
    assert claim(value, control, **criterion).verdict == verdict


def test_mean_is_judged_by_the_far_end_of_its_interval():
    values = np.array([0.8, 1.0, 0.9, 0.7, 1.1])
    half = 2.776445 * values.std(ddof=1) / 5**0.5
    judged = claim(values, over="mean", at_most=1.0)
    assert judged.interval == pytest.approx((0.9 - half, 0.9 + half), rel=1e-6)
    assert judged.verdict == "partly"
    assert claim(values, over="mean", at_most=0.9 + 1.01 * half).verdict == "reproduced"
    assert claim(values, over="mean", at_most=0.9 - 1.01 * half).verdict == (
        "not reproduced"
    )


def test_a_claim_needs_a_criterion_and_a_control():
    with pytest.raises(BookError, match="has no criterion"):
        Claim("T-1", "a test", "a source", 1.0, ("elsewhere", 2.0))
    with pytest.raises(TypeError, match="control"):
        Claim("T-1", "a test", "a source", 1.0, at_most=1)


def test_ids_are_unique():
    with pytest.raises(BookError, match="two claims are called T-1"):
        claims.check(claim(1.0), claim(2.0))


def test_the_checked_text_holds_no_measured_digit():
    one, other = claims.check(claim(0.123)), claims.check(claim(0.456))
    assert str(one) == str(other) != str(claims.check(claim(1.23)))


def test_every_verdict_has_a_badge_of_its_own():
    assert len({claims.badge(verdict) for verdict in claims.VERDICTS}) == 6
    assert "verdict-contradicts'" in claims.badge("contradicts the source")


def test_digits_are_printed_as_in_a_book():
    row = claim([1.234e-15, 2e-15], at_most=1e-8).as_data()
    assert claims.measured(row) == "1.62·10⁻¹⁵ [1.23·10⁻¹⁵, 2·10⁻¹⁵]"
    assert row["criterion"] == "≤ 10⁻⁸"


def store(book, ledger, chapter="trial"):
    bundle = ledger._repr_mimebundle_()
    json.dumps(bundle, allow_nan=False)
    output = {"output_type": "execute_result", "data": bundle, "metadata": {}}
    path = book / f"book/{chapter}.ipynb"
    path.write_text(notebook("1", outputs=[output]))
    return path


def test_stored_claims_are_read_back(book):
    path = store(book, claims.check(claim([0.5, 0.7]), claim(None, None, "T-2")))
    first, second = claims.stored(path)
    assert claims.scorecard() == [first, second]
    assert first == {
        "id": "T-1",
        "chapter": "trial",
        "source": "a source",
        "statement": "a test",
        "verdict": "reproduced",
        "scale": "laptop",
        "value": 0.6,
        "interval": [0.5, 0.7],
        "over": "every seed",
        "criterion": "≤ 1",
        "control": {"label": "elsewhere", "interval": [9, 9]},
        "seeds": [0, 1],
    }
    assert second["verdict"] == "not run at this scale"
    assert second["value"] is second["interval"] is None


def test_tables_show_every_claim(book):
    store(book, claims.check(claim(0.5), claim(None, None, "T-2")))
    rows = claims.scorecard()
    for text in claims.as_text(rows), claims.as_markdown(rows), claims.table(rows):
        assert "T-1" in text
        assert "T-2" in text
    assert "href='trial.html'" in claims.table(rows, with_chapter=True)


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
        claims.scorecard()


def test_a_missing_chapter_is_one_line(book):
    with pytest.raises(BookError, match="no chapter 'nowhere'"):
        claims.stored(claims.notebook("nowhere"))
