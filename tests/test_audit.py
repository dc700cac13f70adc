"""The audit reads a git history; these tests write small ones."""

import json
import os
import re
import subprocess

import pytest
from stored import notebook

from helpers import audit
from helpers.dials import BookError
from helpers.records import RecordStore

MIME = "application/vnd.implicit-bias.claims+json"
NOBODY = {
    "GIT_AUTHOR_NAME": "nobody",
    "GIT_AUTHOR_EMAIL": "nobody@example.org",
    "GIT_COMMITTER_NAME": "nobody",
    "GIT_COMMITTER_EMAIL": "nobody@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
TABLE = {
    "statement": "it rises",
    "quantity": "rise",
    "source": "this book",
    "said": "book",
    "at_least": 0.5,
    "over": "mean",
    "control": "no noise",
}
OLD_CODE = """\
claims = [
    Claim("A-1", "it rises", "us", value=found, at_least=1 / 2, over="mean",
          control=("no noise", np.abs(other))),
]
"""


class Book:
    """A repository with one chapter, `trial`, that makes one claim, A-1."""

    def __init__(self, root):
        self.root = root
        self.git("init", "--quiet")

    def git(self, *words):
        roles = ("AUTHOR", "COMMITTER")
        who = {f"GIT_{r}_{key}": v for r in roles for key, v in NOBODY.items()}
        run = ["git", "-C", str(self.root), *words]
        done = subprocess.run(
            run, check=True, capture_output=True, env=os.environ | who
        )
        return done.stdout.decode().strip()

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "on")
        return self.git("rev-parse", "--short", "HEAD")

    def ask(self, **keys):
        keys = {key: v for key, v in (TABLE | keys).items() if v is not None}
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        self.write("book/claims/trial.toml", "\n".join(["[A-1]", *lines]) + "\n")

    def record(self):
        self.write("data/records/trial/Arm-1.json", "{}")

    def show(self, value=0.7, source="ledger", **bundle):
        rows = [{"id": "A-1", "value": value, "sweeps": ["arms"]}]
        stored = {"sweeps": {"arms": ["Arm-1"]}, "claims": rows}
        data = {MIME: stored | bundle}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        self.write("book/trial.ipynb", notebook(source, outputs=[output]))

    def named(self):
        return [finding.id for finding in audit.findings(self.root)]

    def why(self):
        (finding,) = audit.findings(self.root)
        return finding.why


@pytest.fixture
def repository(tmp_path):
    return Book(tmp_path)


@pytest.fixture
def judged(repository):
    """The criterion was committed first, then its record, then the page."""
    repository.ask()
    repository.commit()
    repository.record()
    repository.recorded = repository.commit()
    repository.show()
    repository.commit()
    return repository


def test_a_criterion_written_first_is_not_named(judged):
    assert judged.named() == []


def renamed(book, **keys):
    """A-1 is called A-2 from now on."""
    book.ask(**keys)
    path = book.root / "book/claims/trial.toml"
    path.write_text(path.read_text().replace("[A-1]", "[A-2]"))
    book.commit()


def test_a_new_name_does_not_hide_what_a_claim_was(judged):
    renamed(judged, at_least=0.4, was="A-1")
    assert judged.named() == ["A-2"]
    assert "at_least from 0.5 to 0.4" in judged.why()


def test_a_new_name_alone_is_no_change(judged):
    renamed(judged, was="A-1")
    assert judged.named() == []


def moved(book, **keys):
    """A-1 stands on another page from now on, its record with it."""
    book.ask(moved="trial", **keys)
    for path in ("book/claims/{}.toml", "book/{}.ipynb", "data/records/{}"):
        (book.root / path.format("trial")).rename(book.root / path.format("next"))
    book.commit()


def test_another_page_does_not_hide_what_a_claim_was(judged):
    moved(judged, at_least=0.4)
    assert "at_least from 0.5 to 0.4" in judged.why()
    assert judged.recorded in judged.why()


def test_another_page_alone_is_no_change(judged):
    moved(judged)
    assert judged.named() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("at_least", 0.4),
        ("at_least", None),
        ("at_most", 0.9),
        ("refuted_at", 0.1),
        ("over", "every seed"),
        ("log", True),
        ("within", [0, 1]),
        ("control", "less noise"),
    ],
)
def test_an_edit_after_the_record_is_named_with_both_commits(judged, key, value):
    judged.ask(**{key: value})
    edited = judged.commit()
    assert key in judged.why()
    assert re.search(f"{edited} .* after .* {judged.recorded} ", judged.why())


def test_an_edit_that_is_not_committed_counts(judged):
    judged.ask(control="less noise")
    change = "control from 'no noise' to 'less noise' in the working tree"
    assert judged.why().startswith(change)


def test_an_edit_that_was_taken_back_counts(judged):
    judged.ask(at_least=0.1)
    judged.commit()
    judged.ask()
    judged.commit()
    assert judged.named() == ["A-1"]


def test_other_words_are_no_edit(judged):
    judged.ask(statement="it does rise", quick=True, changed="nothing")
    judged.commit()
    assert judged.named() == []


def test_an_edit_before_the_record_is_none(repository):
    repository.ask(at_least=0.4)
    repository.commit()
    repository.ask()
    repository.commit()
    repository.record()
    repository.show()
    repository.commit()
    assert repository.named() == []


def test_a_merge_is_no_edit(repository):
    repository.ask(at_least=0.4)
    repository.commit()
    trunk = repository.git("branch", "--show-current")
    repository.git("switch", "--quiet", "--create", "side")
    repository.ask()
    repository.commit()
    repository.show()
    repository.commit()
    repository.git("switch", "--quiet", trunk)
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "side")
    assert repository.named() == []


def test_a_record_is_known_before_the_page_that_shows_it(repository):
    repository.ask()
    repository.record()
    recorded = repository.commit()
    repository.ask(at_least=0.4)
    repository.commit()
    repository.show()
    repository.commit()
    assert recorded in repository.why()


def test_a_value_that_was_not_run_shows_nothing(repository):
    repository.ask()
    repository.show(value=None)
    repository.commit()
    repository.ask(at_least=0.4)
    repository.commit()
    assert repository.named() == []


class TestFromTheNotebook:
    """A criterion that stood in code before it had a file."""

    @pytest.fixture
    def older(self, repository):
        repository.write("book/trial.ipynb", notebook(OLD_CODE))
        repository.since = repository.commit()
        repository.show(source=OLD_CODE)
        repository.shown = repository.commit()
        return repository

    def test_the_move_alone_is_no_edit(self, older):
        older.ask(since=older.since, seen="no")
        older.commit()
        assert older.named() == []

    @pytest.mark.parametrize(
        ("code", "keys"),
        [
            ({"1 / 2": "np.log(1.25)"}, {"at_least": 0.223}),
            ({}, {"over": "mean", "within": [0, 1]}),
            ({', over="mean"': ""}, {"over": "one run"}),
            ({', over="mean"': ""}, {"over": "every seed"}),
        ],
    )
    def test_nor_are_other_words_for_the_same(self, repository, code, keys):
        told = OLD_CODE
        for old, new in code.items():
            told = told.replace(old, new)
        repository.write("book/trial.ipynb", notebook(told))
        since = repository.commit()
        repository.show(source=told)
        repository.commit()
        repository.ask(since=since, seen="no", **keys)
        assert repository.named() == []

    def test_nor_is_it_without_since(self, older):
        older.ask()
        older.commit()
        assert older.named() == []

    def test_what_was_seen_is_named(self, older):
        older.ask(since=older.since, seen="yes")
        older.commit()
        assert older.since in older.why()
        assert "by the page's own account" in older.why()

    def test_records_that_were_there_are_named(self, repository):
        repository.record()
        recorded = repository.commit()
        repository.write("book/trial.ipynb", notebook(OLD_CODE))
        repository.ask(since=repository.commit(), seen="yes")
        assert f"the chapter had records from {recorded} " in repository.why()

    def test_a_value_in_the_commit_of_the_criterion_is_not(self, repository):
        repository.show(source=OLD_CODE)
        repository.ask(since=repository.commit(), seen="same commit")
        assert repository.named() == []
        assert "1 came in one commit" in audit.report(repository.root)

    def test_a_false_no_is_named(self, older):
        later = older.commit()
        older.ask(since=later, seen="no")
        older.commit()
        assert f"in {older.shown}" in older.why()

    def test_the_move_with_another_criterion_is_an_edit(self, older):
        older.ask(since=older.since, seen="no", at_least=0.4)
        moved = older.commit()
        assert older.why().startswith(f"at_least from 0.5 to 0.4 in {moved}")

    def test_a_claim_that_comes_after_its_value(self, older):
        older.write("book/trial.ipynb", notebook("pass"))
        older.commit()
        older.ask()
        assert older.why().startswith("its criterion came in the working tree")

    def test_a_control_that_has_a_name(self, older):
        told = 'pair = ("no noise", 0)\n' + re.sub(r"\(\"no.*\)\)", "pair)", OLD_CODE)
        older.write("book/trial.ipynb", notebook(told))
        since = older.commit()
        assert audit._in_code(notebook(told))["A-1"]["control"] == "no noise"
        older.ask(since=since, seen="yes")
        assert older.why().startswith("criterion and control stand since")

    def test_a_criterion_made_of_a_result_is_another(self, older):
        made = OLD_CODE.replace("1 / 2", "gap.mean() / 2")
        older.write("book/trial.ipynb", notebook(made))
        since = older.commit()
        older.ask(since=since, seen="no")
        assert older.why().startswith("at_least from 'gap.mean() / 2' to 0.5 in ")


class TestReport:
    def test_tells_what_was_changed_and_counts(self, judged):
        judged.ask(control="less noise", changed="the first one passed")
        lines = audit.report(judged.root).splitlines()
        assert lines[0].startswith("A-1: control from 'no noise' to 'less noise' in ")
        assert lines[0].endswith(". the first one passed")
        assert lines[1].startswith("1 claims: 1 named, 0 of these without")

    def test_counts_what_is_not_told(self, judged):
        judged.ask(control="less noise")
        assert "1 named, 1 of these without" in audit.report(judged.root)

    def test_does_not_judge_what_is_withdrawn(self, judged):
        judged.ask(withdrawn="no control is within reach", control=None)
        assert audit.report(judged.root).splitlines()[0].startswith("0 claims")


class TestRecords:
    @pytest.fixture
    def digested(self, repository):
        """A page judged on the records that are there, all of it committed."""
        store = RecordStore("trial")
        store.folder = repository.root / "data/records/trial"
        repository.ask()
        repository.show(records_root=store.root())
        repository.commit()
        return repository

    def told(self, repository):
        return audit.report(repository.root).splitlines()[1:]

    def test_nothing_is_said_of_those_judged(self, digested):
        assert self.told(digested) == []

    def test_others(self, digested):
        digested.record()  # of no format that can be read
        judged, committed = self.told(digested)
        assert judged == "trial: it was judged on other records than are there"
        assert committed == "trial: its records are not those of the last commit"
        digested.commit()
        assert self.told(digested) == [judged]


def test_a_shallow_clone_is_told_what_to_do(judged, tmp_path_factory):
    clone = tmp_path_factory.mktemp("shallow") / "book"
    judged.git("clone", "--quiet", "--depth=1", f"file://{judged.root}", str(clone))
    with pytest.raises(BookError, match="git fetch --unshallow"):
        audit.findings(clone)


def test_so_is_a_folder_without_git(tmp_path):
    with pytest.raises(BookError, match="clone the book with git"):
        audit.findings(tmp_path)


def test_and_a_machine_without_git(judged, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BookError, match="clone the book with git"):
        audit.findings(judged.root)


def test_a_file_that_cannot_be_read(judged):
    judged.write("book/claims/trial.toml", "[A-1")
    with pytest.raises(BookError, match=r"book/claims/ cannot be read"):
        audit.findings(judged.root)
