"""What a reader sees is what was run, whole, at any scale, and able to fail."""

import ast
import json
import os
import re
import shutil
import statistics
import subprocess
import sys

import execute
import fresh
import pytest
from address import ROOT

from helpers import claims, experiments, ledger, records

BOOK = ROOT / "book"
CHAPTERS = ledger.chapters()
NOTEBOOKS = [*CHAPTERS, "scorecard"]
CHECKED = "# NBVAL_CHECK_OUTPUT"
LINES_A_CELL = 10  # of the median cell that an author left without a fold
LINES_AN_IDEA = 15
IDEAS_A_CHAPTER = 6  # cells that stand open on the page
FUNCTIONS_A_CHAPTER = 12
FOLDED = {"hide-cell", "hide-input", "remove-input", "remove-cell"}


def code_cells(name):
    cells = json.loads((BOOK / f"{name}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def outputs(name):
    return [output for cell in code_cells(name) for output in cell["outputs"]]


def printed(name):
    """What the checked cells print, line by line."""
    checked = [cell for cell in code_cells(name) if CHECKED in source(cell)]
    texts = [out["text"] for cell in checked for out in cell["outputs"]]
    return "".join("".join(text) for text in texts).splitlines()


def test_there_is_a_chapter():
    assert CHAPTERS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_executed_top_to_bottom_without_a_murmur(name):
    counts = [cell["execution_count"] for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1))
    for output in outputs(name):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_criterion_is_judged_shown_and_checked(chapter):
    rows = ledger.stored(ledger.notebook(chapter))
    wanted = list(claims.load(chapter))
    assert [row["id"] for row in rows] == wanted
    assert [line.split(" | ")[0] for line in printed(chapter)] == wanted


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_is_stored_was_judged_by_todays_criteria(chapter):
    asked = claims.load(chapter)
    for row in ledger.stored(ledger.notebook(chapter)):
        criterion = asked[row["id"]]
        assert row["criterion"] == criterion.bounds, row["id"]
        assert row["control"]["label"] == criterion.control, row["id"]
        assert row["statement"] == criterion.statement, row["id"]
        if row["value"] is not None:
            assert row["control"]["interval"] is not None, row["id"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_vacuous_claim_says_why(chapter):
    for row in ledger.stored(ledger.notebook(chapter)):
        assert row["verdict"] in ledger.VERDICTS
        if row["verdict"] == "vacuous":
            assert row["changed"], row["id"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_ledger_was_made_of_the_records_that_are_there(chapter):
    (bundle,) = ledger.bundles_in(json.loads(ledger.notebook(chapter).read_text()))
    assert bundle["records_root"] == records.RecordStore(chapter).root()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_machine_path_and_no_weight(name):
    path = BOOK / f"{name}.ipynb"
    assert path.stat().st_size < 1_000_000
    assert not re.search(r"(?<![\w./])/(home|root|tmp|Users|work)/", path.read_text())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_figure_is_vector_and_told_in_words(name):
    for cell in code_cells(name):
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", ())}
        assert "image/png" not in kinds
        if "image/svg+xml" in kinds:
            shown = cell["metadata"]["mystnb"]
            assert len(shown["image"]["alt"]) > 60
            assert len(shown["figure"]["caption"]) > 60
            assert shown["figure"]["name"].startswith("fig-")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_read_like_a_page(name):
    cells = code_cells(name)
    sources = [source(cell) for cell in cells]
    seen = [source(cell) for cell in cells if not FOLDED & set(tags(cell))]
    ideas = [source(cell) for cell in cells if "idea" in tags(cell)]
    if name in CHAPTERS:
        assert 1 <= len(ideas) <= IDEAS_A_CHAPTER
        assert max(len(s.splitlines()) for s in ideas) <= LINES_AN_IDEA
    if seen:
        assert statistics.median(len(s.splitlines()) for s in seen) <= LINES_A_CELL
    nodes = [node for s in sources for node in ast.walk(ast.parse(s))]
    functions = [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    assert len(functions) <= FUNCTIONS_A_CHAPTER, functions


def test_the_readme_shows_the_scorecard():
    table = ledger.as_markdown(ledger.scorecard())
    assert table in (ROOT / "README.md").read_text(), "run book/_ext/execute.py"
    assert execute.FIGURE.read_text() == execute.figure(), "run book/_ext/execute.py"


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """A chapter that is run live at quick scale: its claims, and what it recorded."""

    def run(chapter):
        folder = copy_of_the_book(tmp_path_factory.mktemp(chapter))
        command = f"import json; from helpers import runner as r; print({CLAIMS})"
        done = subprocess.run(
            [sys.executable, "-c", command.format(chapter=chapter)],
            cwd=folder,
            env=os.environ
            | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
            | {"BOOK_SCALE": "quick", "BOOK_RECORDS": "use"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        rows = json.loads(done.stdout.splitlines()[-1])
        return rows, folder / "data/records" / chapter

    return run


CLAIMS = "json.dumps(r.executed({chapter!r}))"


def copy_of_the_book(folder):
    """The tracked parts that a chapter needs to run, without a record."""
    for part in ("book", "helpers"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "_toc.yml", folder)
    (folder / "data/records").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_runs_live_at_quick_scale_and_keeps_its_verdicts(quick, chapter):
    """Networks are trained anew here: a broken training loop cannot hide."""
    rows, made = quick(chapter)
    found = {row["id"]: row["verdict"] for row in rows}
    stored = {row["id"]: row for row in ledger.stored(ledger.notebook(chapter))}
    for name, asked in claims.load(chapter).items():
        if asked.quick:
            assert found[name] == stored[name]["verdict"], name
    if chapter in experiments.recorded():
        assert not fresh.differing(chapter, made), f"see tests/fresh.py {chapter}"
