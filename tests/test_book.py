"""What a reader sees is what was run, whole, at any scale, and able to fail."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from address import ROOT

from helpers import claims

BOOK = ROOT / "book"
CHAPTERS = claims.chapters()
NOTEBOOKS = [*CHAPTERS, "scorecard"]
CHECKED = "# NBVAL_CHECK_OUTPUT"


def code_cells(name):
    cells = json.loads((BOOK / f"{name}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def outputs(name):
    return [output for cell in code_cells(name) for output in cell["outputs"]]


def copy_of_the_book(folder):
    """The tracked parts that a chapter needs to run, apart from the real ones."""
    for part in ("book", "helpers", "data/records"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "_toc.yml", folder)
    return folder


def run_in(folder, *command, **environment):
    """With that folder's helpers in place of the installed ones."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        | environment,
        capture_output=True,
        text=True,
    )


def nbval(folder, chapter, **environment):
    quiet = ["-p", "no:cacheprovider", "-W", "default", "--nbval-current-env"]
    notebook = f"book/{chapter}.ipynb"
    command = ["-m", "pytest", "--nbval-lax", *quiet, notebook]
    return run_in(folder, *command, BOOK_RECORDS="only", **environment)


def test_there_is_a_chapter():
    assert CHAPTERS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_executed_top_to_bottom_without_a_murmur(name):
    counts = [cell["execution_count"] for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1))
    for output in outputs(name):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_checked_cell_shows_what_it_checks(name):
    checked = [cell for cell in code_cells(name) if CHECKED in source(cell)]
    assert checked
    for cell in checked:
        assert any(output.get("text") for output in cell["outputs"])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_claims_are_stored_and_each_has_a_control(chapter):
    rows = claims.stored(claims.notebook(chapter))
    assert rows
    for row in rows:
        assert row["verdict"] in claims.VERDICTS
        assert row["verdict"] != "vacuous", row["id"]
        assert row["control"]["label"]
        if row["value"] is not None:
            assert row["control"]["interval"] is not None
    printed = "".join(
        "".join(output["text"])
        for cell in code_cells(chapter)
        if CHECKED in source(cell)
        for output in cell["outputs"]
    )
    assert [line.split(" | ")[0] for line in printed.splitlines()] == [
        row["id"] for row in rows
    ]


def test_ids_are_unique_in_the_book():
    ids = [row["id"] for row in claims.scorecard()]
    assert len(ids) == len(set(ids))


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
    for cell in code_cells(name):
        assert len(source(cell).splitlines()) <= 30
        for node in ast.parse(source(cell)).body:
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 10


def test_the_readme_shows_the_scorecard():
    table = claims.as_markdown(claims.scorecard())
    assert table in (ROOT / "README.md").read_text(), "run book/_ext/execute.py"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_runs_live_at_quick_scale_on_nothing_recorded(tmp_path, chapter):
    copy_of_the_book(tmp_path)
    shutil.rmtree(tmp_path / "data/records")
    (tmp_path / "data/records").mkdir()
    run = run_in(tmp_path, "-m", "helpers", "record", chapter, "--scale", "quick")
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr


# What these run live is NumPy's and Numba's, which the switch does not reach.
WITHOUT_TORCH = {"label_noise", "sparse_recovery"}


@pytest.mark.parametrize("chapter", sorted({*CHAPTERS} - WITHOUT_TORCH))
def test_verdicts_survive_another_numeric_back_end(tmp_path, chapter):
    copy_of_the_book(tmp_path)
    run = nbval(tmp_path, chapter, ATEN_CPU_CAPABILITY="default")
    assert run.returncode == 0, run.stdout[-3000:]


MUTATIONS = {
    "the units' bend": (
        "training/ensemble.py",
        "inputs = inputs.relu()",
        "inputs = inputs * 1",
        "bad_minima",
    ),
    "the gradient's sign": (
        "dynamics/linear.py",
        "w = w - rate * gradient(problem, w)",
        "w = w + rate * gradient(problem, w)",
        "min_norm",
    ),
    "a factor in the filter": (
        "oracles/least_squares.py",
        "(1 - np.asarray(rate) * s**2) ** steps",
        "(1 - np.asarray(rate) * s**2) ** (2 * steps)",
        "min_norm",
    ),
    "a control that never fails": (
        "claims.py",
        "return high < self.at_least or self.at_most < low",
        "return False",
        "min_norm",
    ),
    "a rate of momentum forgotten in the penalty": (
        "oracles/regularised_loss.py",
        "left = 1 - rate * np.asarray(curvatures) / (2 * (1 + momentum))",
        "left = 1 - rate * np.asarray(curvatures) / 2",
        "label_noise",
    ),
    "a clock that runs slow": (
        "oracles/diagonal.py",
        "2 / (2 - rate",
        "2 / (2 + rate",
        "sparse_recovery",
    ),
    "the units forgotten in the risk": (
        "oracles/least_squares.py",
        "(np.asarray(w) - signal) * spread",
        "(np.asarray(w) - signal)",
        "min_norm",
    ),
    "one kind of sampling for another": (
        "oracles/stability.py",
        "share = (examples - batch) / (batch * max(examples - 1, 1))",
        "share = 1 / batch",
        "stability",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_book_notices_a_broken_helper(tmp_path, name):
    room, right, wrong, chapter = MUTATIONS[name]
    path = copy_of_the_book(tmp_path) / "helpers" / room
    before = path.read_text()
    assert before.count(right) >= 1
    path.write_text(before.replace(right, wrong))
    run = nbval(tmp_path, chapter)
    assert run.returncode == 1, f"nobody noticed: {name}"
    assert "mismatch" in run.stdout.lower() or "failed" in run.stdout.lower()
