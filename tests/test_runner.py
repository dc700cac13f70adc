"""A chapter that is executed under seeds of which not everything is recorded."""

import json
import subprocess
import sys

import pytest
from stored import notebook

CELLS = [
    "from helpers import records\nfrom helpers.experiments import trial\nlive = 1",
    "runs = records.table(trial.squares())",
    "largest = runs.square.max()",
    "print(largest)",
    "print(live + 1)",
]
EXECUTE = """
import nbformat, pathlib, sys
from helpers import runner
page = nbformat.read("book/trial.ipynb", as_version=4)
runner.execute(page, pathlib.Path("book"))
nbformat.write(page, sys.stdout)
"""


@pytest.fixture
def outputs(in_book):
    """What each cell of a page prints, under these dials."""

    def run(*cells, **dials):
        (in_book["cwd"] / "book/trial.ipynb").write_text(notebook(*cells))
        done = subprocess.run(
            [sys.executable, "-c", EXECUTE],
            cwd=in_book["cwd"],
            env=in_book["env"] | {"BOOK_RECORDS": "only"} | dials,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return done.stderr
        cells = json.loads(done.stdout)["cells"]
        return ["".join(o["text"][0] for o in cell["outputs"]) for cell in cells]

    return run


def test_under_another_seed_the_rest_of_the_page_goes_on(outputs):
    first, asks, needs, needs_too, live = outputs(*CELLS, BOOK_SEED="3")
    assert (first, live) == ("", "2\n")
    assert asks.startswith("left out: 6 of 6 records of trial are missing")
    assert "BOOK_SEED=3 python -m helpers record trial" in asks
    assert needs == "left out: name 'runs' is not defined\n"
    assert needs_too == "left out: name 'largest' is not defined\n"


def test_an_error_of_its_own_ends_the_page_all_the_same(outputs):
    assert "unknown" in outputs(CELLS[0], "unknown", BOOK_SEED="3")


def test_under_the_seeds_of_the_book_a_missing_record_ends_the_page(outputs):
    assert "records of trial are missing" in outputs(*CELLS)
