"""The commands: what they print, and one line with exit code 2 for bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from stored import with_ledger

from helpers import claims, ledger, runner
from helpers.__main__ import main

CRITERION = """
[T-1]
statement = "squares are large"
quantity = "a square"
source = "this book"
said = "book"
at_least = 0
control = "numbers below zero"
records = ["squares"]

[T-2]
statement = "one is above zero"
quantity = "a number"
source = "this book"
said = "book"
at_least = 0
over = "one run"
control = "a number below zero"
"""
PAGE = """
from helpers import claims, records
from helpers.experiments.trial import squares

runs = records.table(squares())
below = claims.each([-7, -5, -3, -8, -2, -4], number=runs["number"])
ledger = claims.judge(
    "trial",
    {
        "T-1": (runs.set_index("number")["square"], below),
        "T-2": (1.0, -3.0),
    },
    tables={"squares": runs},
)
ledger
"""


@pytest.fixture
def chapter(in_book):
    """A book whose chapter `trial` has experiments, and no record yet."""
    return in_book["cwd"]


@pytest.fixture
def judged(book):
    """A chapter that is stored with its claims, as its page gives them."""
    (book / "book/claims/trial.toml").write_text(CRITERION)
    squares = claims.each([0, 1, 4, 9, 16, 25], number=range(6))
    below = claims.each([-7, -5, -3, -8, -2, -4], number=range(6))
    (first, second) = claims.load("trial").values()
    two = [
        claims.Claim(first, squares, below, "laptop"),
        claims.Claim(second, 1.0, -3.0, "laptop"),
    ]
    path = book / "book/trial.ipynb"
    path.write_text(with_ledger(claims.Ledger("trial", two), PAGE))
    return path


def files(book):
    return sorted((book / "data").rglob("*.json"))


def test_record_runs_a_chapter_and_can_be_called_again(helpers_in, chapter):
    early = helpers_in("record", "trial", "--minutes", "0.01", SWEEP_SECONDS="0.25")
    assert early.returncode == 3, early.stderr
    assert "runs to go: run the same command again" in early.stdout
    assert 0 < len(files(chapter)) < 6
    rest = helpers_in("record", "trial", "--sweep", "squares", "--scale", "quick")
    assert rest.returncode == 0, rest.stderr
    assert len(files(chapter)) == 6


def test_record_executes_no_notebook(helpers_in, chapter):
    (chapter / "book/trial.ipynb").write_text("{")
    assert helpers_in("record", "trial").returncode == 0


def test_jobs_share_a_sweep(helpers_in, chapter):
    tally = chapter / "tally"
    run = helpers_in("record", "trial", "--jobs", "2", SWEEP_TALLY=str(tally))
    assert run.returncode == 0, run.stderr
    assert len(files(chapter)) == 6
    assert sorted(tally.read_text().split()) == list("012345")


def test_when_the_one_who_shared_a_sweep_is_killed_its_workers_end(in_book):
    tally = in_book["cwd"] / "tally"
    tally.touch()
    slow = {"SWEEP_SECONDS": "600", "SWEEP_TALLY": str(tally)}
    parent = subprocess.Popen(
        [sys.executable, "-m", "helpers", "record", "trial", "--jobs", "2"],
        cwd=in_book["cwd"],
        env=in_book["env"] | slow,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while len(tally.read_text().split()) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
        parent.kill()
        parent.communicate(timeout=30)  # until no worker holds the pipe any more
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)


def test_verify_tells_whether_the_code_still_gives_the_records(helpers_in, chapter):
    helpers_in("record", "trial")
    before = [path.read_text() for path in files(chapter)]
    same = helpers_in("verify", "trial", "--sample", "4")
    assert same.returncode == 0, same.stderr
    assert same.stdout.count("same (0.0e+00) Square-") == 4
    code = chapter / "helpers/experiments/trial.py"
    code.write_text(code.read_text().replace("number**2", "number**3"))
    other = helpers_in("verify", "--sample", "6")
    assert other.returncode == 1
    assert "DIFFERS" in other.stdout
    assert [path.read_text() for path in files(chapter)] == before


def test_what_other_code_made_is_accepted_once_it_agrees(helpers_in, chapter):
    helpers_in("record", "trial")
    code = chapter / "helpers/experiments/trial.py"
    code.write_text(code.read_text().replace("number**2", "number * self.number"))
    assert "OtherCode" in helpers_in("record", "trial").stderr
    accepted = helpers_in("verify", "trial", "--sample", "2", "--accept")
    assert accepted.returncode == 0, accepted.stderr
    assert helpers_in("record", "trial").stderr == ""


def test_what_differs_is_not_accepted(helpers_in, chapter):
    helpers_in("record", "trial")
    code = chapter / "helpers/experiments/trial.py"
    code.write_text(code.read_text().replace("number**2", "number - 7"))
    assert helpers_in("verify", "trial", "--accept").returncode == 1
    assert "OtherCode" in helpers_in("record", "trial").stderr


def test_verify_without_the_records_says_how_to_make_them(helpers_in, chapter):
    missing = helpers_in("verify", "trial")
    assert missing.returncode == 2
    assert "python -m helpers record trial" in missing.stderr


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (["record", "nowhere"], {}, "'nowhere' records nothing: choose trial"),
        (["record", "../trial"], {}, "'../trial' records nothing: choose trial"),
        (["record", "trial", "--sweep", "x"], {}, "no sweep 'x': choose squares"),
        (["record", "trial", "--scale", "huge"], {}, "BOOK_SCALE='huge' is unknown"),
        (["record", "trial"], {"BOOK_SEED": "x"}, "BOOK_SEED='x' is no seed"),
        (["record", "trial"], {"BOOK_RECORDS": "x"}, "BOOK_RECORDS='x' is unknown"),
        (["record", "trial"], {"BOOK_RECORDS_FOLDER": "x"}, "'x' is no folder"),
        (["record", "trial"], {"BOOK_DATA": "x"}, "BOOK_DATA='x' is no folder"),
        (["record", "trial"], {"BOOK_DEADLINE": "x"}, "BOOK_DEADLINE='x' is no time"),
        (["record", "trial"], {"BOOK_EXECUTOR": "x"}, "BOOK_EXECUTOR='x' is no addr"),
        (["verify", "nowhere"], {}, "'nowhere' records nothing"),
        (["scorecard"], {}, "trial.ipynb was never executed"),
        (["scorecard"], {"BOOK_RECORDS": "maybe"}, "BOOK_RECORDS='maybe' is unknown"),
        (["recheck", "T-1"], {}, "trial.ipynb was never executed"),
        (["audit"], {}, "no whole git history"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    helpers_in, chapter, words, environment, message
):
    wrong = helpers_in(*words, **environment)
    assert wrong.returncode == 2
    assert message in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1
    assert files(chapter) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("record trial --jobs 0", "argument --jobs: 0 is not above zero"),
        ("record trial --jobs x", "argument --jobs: invalid number value: 'x'"),
        ("record trial --minutes -1", "argument --minutes: -1 is not above zero"),
        ("record trial --minutes nan", "argument --minutes: nan is not above zero"),
        ("verify trial --sample -1", "argument --sample: -1 is not above zero"),
        ("recheck T-1 --sample 0", "argument --sample: 0 is not above zero"),
        ("recheck", "the following arguments are required: claim"),
        ("nonsense", "invalid choice: 'nonsense'"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_bad_words_end_in_one_line_after_the_usage(book, capsys, words, message):
    with pytest.raises(SystemExit) as wrong:
        main(words.split())
    assert wrong.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert files(book) == []


def test_a_notebook_that_is_no_json_is_one_line(book, capsys):
    (book / "book/trial.ipynb").write_text("{")
    assert main(["scorecard"]) == 2
    told = capsys.readouterr().err
    assert re.fullmatch(r".*book/trial\.ipynb is no notebook: restore it.*\n", told)


def test_a_spoilt_record_stops_the_command_and_is_kept(helpers_in, chapter):
    helpers_in("record", "trial")
    spoilt = files(chapter)[0]
    spoilt.write_text("{}")
    wrong = helpers_in("record", "trial")
    assert wrong.returncode == 2
    assert spoilt.name in wrong.stderr
    assert spoilt.read_text() == "{}"


# Claims


@pytest.mark.parametrize("shape", ["", "--csv"])
def test_the_scorecard_has_every_claim(judged, capsys, shape):
    assert main(["scorecard", *shape.split()]) == 0
    told = capsys.readouterr().out
    assert "T-1" in told
    assert "T-2" in told


def test_the_scorecard_is_counted_for_the_readme(judged, capsys):
    assert main(["scorecard", "--markdown"]) == 0
    assert "| [trial](book/trial.ipynb) | 2 |" in capsys.readouterr().out


def test_the_scorecard_as_data_is_what_is_stored(judged, capsys):
    assert main(["scorecard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ledger.scorecard()


def test_an_unknown_claim_is_one_line(judged, capsys):
    assert main(["recheck", "T-3"]) == 2
    assert capsys.readouterr().err.startswith("no claim 'T-3'")


def test_a_recorded_claim_is_computed_again_from_fresh_runs(helpers_in, judged):
    helpers_in("record", "trial")
    before = judged.read_text()
    run = helpers_in("recheck", "T-1", "--sample", "2")
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("same (0.0e+00) Square-") == 2
    assert re.search(r"T-1 +squares are large", run.stdout)
    assert re.search(r"criterion +≥ 0, over every seed", run.stdout)
    assert re.search(r"stored +reproduced: 6\.5 \[0, 25\] \(laptop\)", run.stdout)
    assert re.search(r"now +reproduced: 6\.5 \[0, 25\]", run.stdout)
    assert judged.read_text() == before


@pytest.mark.parametrize(("now", "code"), [(2.0, 0), (-2.0, 1)])
def test_a_verdict_that_no_longer_stands_is_exit_1(
    judged, capsys, monkeypatch, now, code
):
    (again,) = [row for row in ledger.scorecard() if row["id"] == "T-2"]
    criterion = claims.load("trial")["T-2"]
    again = again | claims.Claim(criterion, now, -3.0, "laptop").as_data()
    monkeypatch.setattr(runner, "executed", lambda chapter: [again])
    assert main(["recheck", "T-2"]) == code


def test_the_audit_reads_the_history_of_its_own_book(helpers_in, judged):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=judged.parents[1], check=True)

    git("init", "-q")
    git("add", "book")
    git("commit", "-qm", "A book")
    told = helpers_in("audit")
    assert told.returncode == 0, told.stderr
    assert "2 claims: 0 named" in told.stdout
