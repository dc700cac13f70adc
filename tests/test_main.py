"""The commands: what they print, and one line with exit code 2 for bad input."""

import json

import pytest
from stored import notebook

from helpers import scripts

SWEEP = """
from helpers import records
from sweep import Square, square

def run(spec):
    return square(spec)

found = records.remember_all(run, [Square(n) for n in range(6)], chapter="trial")
"""


@pytest.fixture
def chapter(book):
    (book / "book/trial.ipynb").write_text(notebook("%matplotlib inline", SWEEP))
    return book


def files(book):
    return sorted(book.rglob("*.json"))


def test_record_runs_a_chapter_and_can_be_called_again(helpers_in, chapter):
    early = helpers_in("record", "trial", "--minutes", "0.01", SWEEP_SECONDS="0.25")
    assert early.returncode == 3, early.stderr
    assert "runs to go: run the same command again" in early.stdout
    assert 0 < len(files(chapter)) < 6
    rest = helpers_in("record", "trial", "--scale", "quick")
    assert rest.returncode == 0, rest.stderr
    assert len(files(chapter)) == 6


def test_verify_tells_whether_the_code_still_gives_the_records(helpers_in, chapter):
    helpers_in("record", "trial")
    before = [path.read_text() for path in files(chapter)]
    same = helpers_in("verify", "trial", "--sample", "4")
    assert same.returncode == 0, same.stderr
    assert "4 records run again" in same.stdout
    changed = SWEEP.replace("return square(spec)", "return {'square': 7, 'third': 0.0}")
    (chapter / "book/trial.ipynb").write_text(notebook(changed))
    other = helpers_in("verify", "--sample", "6")
    assert other.returncode == 1
    assert "DIFFERS" in other.stdout
    assert [path.read_text() for path in files(chapter)] == before


def test_verify_without_the_records_says_how_to_make_them(helpers_in, chapter):
    missing = helpers_in("verify", "trial")
    assert missing.returncode == 2
    assert "python -m helpers record trial" in missing.stderr


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (["record", "nowhere"], {}, "no chapter 'nowhere': the book has trial"),
        (["verify", "nowhere"], {}, "no chapter 'nowhere'"),
        (["record", "trial", "--scale", "huge"], {}, "BOOK_SCALE='huge' is unknown"),
        (["record", "trial"], {"BOOK_SEED": "x"}, "BOOK_SEED='x' is no seed"),
        (["record", "trial"], {"BOOK_RECORDS": "x"}, "BOOK_RECORDS='x' is unknown"),
        (["record", "trial"], {"BOOK_RECORDS_FOLDER": "x"}, "'x' is no folder"),
        (["record", "trial"], {"BOOK_DATA": "x"}, "BOOK_DATA='x' is no folder"),
        (["scorecard"], {}, "trial.ipynb was never executed"),
        (["nonsense"], {}, "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    helpers_in, chapter, words, environment, message
):
    wrong = helpers_in(*words, **environment)
    assert wrong.returncode == 2
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert files(chapter) == []


def test_a_spoilt_record_stops_the_command_and_is_kept(helpers_in, chapter):
    helpers_in("record", "trial")
    spoilt = files(chapter)[0]
    spoilt.write_text("{}")
    wrong = helpers_in("record", "trial")
    assert wrong.returncode == 2
    assert spoilt.name in wrong.stderr
    assert spoilt.read_text() == "{}"


def test_scorecard_as_data_has_the_promised_keys(helpers_in, book):
    row = dict.fromkeys(
        [
            "id",
            "source",
            "statement",
            "verdict",
            "scale",
            "value",
            "interval",
            "criterion",
            "control",
            "seeds",
        ]
    )
    mime = "application/vnd.implicit-bias.claims+json"
    output = {"output_type": "execute_result", "data": {mime: [row]}, "metadata": {}}
    (book / "book/trial.ipynb").write_text(notebook("1", outputs=[output]))
    found = json.loads(helpers_in("scorecard", "--json").stdout)
    assert found == [row | {"chapter": "trial"}]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.2]}, 0.2 / 2.2),
        ({"a": 1}, {"b": 1}, float("inf")),
        ([1, 2], [1], float("inf")),
        ([1.0, "x", None], [1.0, "x", None], 0),
        ("x", "y", float("inf")),
        (float("nan"), float("nan"), 0),
        (1.0, float("nan"), float("inf")),
    ],
)
def test_largest_difference(old, new, difference):
    assert scripts.largest_difference(old, new) == pytest.approx(difference)
