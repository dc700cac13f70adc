"""The publishing address: stamped everywhere, and what a chapter makes of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from address import ROOT, repository, site, theme_options
from directives import bibtex
from first_cell import FIRST_CELL
from publish_address import LINES, checked, publish

from helpers import ledger

CHAPTERS = [*ledger.chapters(), "scorecard"]
HOSTED = "https://github.com/owner/book"
FOREIGN = "https://git.example.org/owner/book"


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """A clone that can be cloned: the book as it is now, in a repository of its own."""
    copy = tmp_path_factory.mktemp("published") / "book"
    unneeded = shutil.ignore_patterns(".*", "_build", "data", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=unneeded)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "-q"], ["add", "."], [*me, "commit", "-qm", "book"]):
        subprocess.run(["git", *command], cwd=copy, check=True)
    publish("none", copy)
    return copy


def snapshot(root):
    paths = [*map(root.joinpath, LINES), *sorted((root / "book").glob("*.ipynb"))]
    return {path.name: path.read_text() for path in paths}


def first_cell(root, chapter):
    notebook = nbformat.read(root / "book" / f"{chapter}.ipynb", as_version=4)
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def run_bare(source, folder):
    """Run code where neither the book nor any installed package is on the path."""
    command = [sys.executable, "-I", "-S", "-c", source]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_begins_with_the_same_cell(chapter):
    address = repository()
    value = "None" if address is None else f'"{address}"'
    wanted = FIRST_CELL.replace("ADDRESS = None", f"ADDRESS = {value}")
    assert first_cell(ROOT, chapter).strip() == wanted.strip()


def test_a_chapter_far_from_the_book_fetches_it(repo, tmp_path):
    """Any: they all begin alike."""
    publish(repo.as_uri(), repo)
    (begin,) = {first_cell(repo, chapter).strip() for chapter in CHAPTERS}
    source = begin + "\nimport helpers; print(helpers.__file__)"
    for _ in range(2):  # again: the folder is there by now
        ran = run_bare(source, tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert Path(ran.stdout.strip()).is_relative_to(tmp_path)


def test_without_an_address_it_says_so_in_one_line(repo, tmp_path):
    publish("none", repo)
    ran = run_bare(first_cell(repo, CHAPTERS[0]), tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "helpers/" in ran.stderr


def test_in_the_book_it_does_nothing(tmp_path):
    source = FIRST_CELL + "\nimport helpers; print(helpers.__file__)"
    ran = run_bare(source, ROOT / "book")
    assert Path(ran.stdout.strip()).is_relative_to(ROOT), ran.stderr


def test_stamping_is_idempotent_and_can_be_taken_back(repo):
    publish("none", repo)
    before = snapshot(repo)
    publish(HOSTED + ".git/", repo)
    once = snapshot(repo)
    publish(HOSTED, repo)
    assert snapshot(repo) == once
    assert all(HOSTED in text for text in once.values())
    assert repository(repo) == HOSTED
    publish("none", repo)
    assert snapshot(repo) == before
    assert repository(repo) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/owner/book",
        "http://github.com/owner/book",
        "https://github.com",
        "https://github.com/owner",
        "https://github.com/ow ner/book",
        'https://github.com/owner/book"',
        "file://",
        "ftp://example.org/a/b",
    ],
)
def test_a_bad_address_is_one_line_and_changes_nothing(url):
    before = snapshot(ROOT)
    script = ROOT / "book" / "_ext" / "publish_address.py"
    ran = subprocess.run([sys.executable, script, url], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "no address of a repository" in ran.stderr
    assert snapshot(ROOT) == before


def test_a_file_without_its_line_stops_the_stamping(repo):
    publish("none", repo)
    readme = repo / "README.md"
    text = readme.read_text()
    readme.write_text(text.replace("<!-- address -->", ""))
    before = snapshot(repo)
    with pytest.raises(ValueError, match=r"README.md has 0 lines"):
        publish(HOSTED, repo)
    assert snapshot(repo) == before
    readme.write_text(text)


def test_the_buttons_follow_from_the_address():
    hosted = theme_options(HOSTED)
    assert hosted["repository_url"] == HOSTED
    assert {"binderhub_url", "colab_url"} <= set(hosted["launch_buttons"])
    assert site(HOSTED) == "https://owner.github.io/book/"
    for elsewhere in (FOREIGN, "file:///somewhere/book"):
        assert theme_options(elsewhere) == {}
        assert site(elsewhere) is None


def test_the_citation_of_a_chapter_points_nowhere_until_there_is_an_address():
    assert "url" not in bibtex("min_norm", "Title", None)
    assert "url       = {https://owner" in bibtex("min_norm", "Title", HOSTED)
    assert f"\\url{{{FOREIGN}}}" in bibtex("min_norm", "Title", FOREIGN)
    assert checked(FOREIGN + "/") == FOREIGN
