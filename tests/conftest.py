import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored import notebook

from helpers import dials

DIALS = [name for name in os.environ if name.startswith("BOOK_")]


@pytest.fixture(autouse=True)
def no_dials(monkeypatch):
    """The tests set the dials that they need."""
    for name in DIALS:
        monkeypatch.delenv(name)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """An empty book with one chapter, `trial`, in place of the real one."""
    (tmp_path / "book").mkdir()
    (tmp_path / "data/records").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("root: index\nchapters:\n- file: trial\n")
    (tmp_path / "book/trial.ipynb").write_text(notebook("1"))
    monkeypatch.setattr(dials, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def helpers_in(book):
    """Run `python -m helpers …` on a copy of the package that lives in that book."""
    shutil.copytree(Path(dials.__file__).parent, book / "helpers")

    def run(*words, **environment):
        python_path = f"{book}{os.pathsep}{Path(__file__).parent}"
        return subprocess.run(
            [sys.executable, "-m", "helpers", *words],
            cwd=book,
            env=os.environ | {"PYTHONPATH": python_path} | environment,
            capture_output=True,
            text=True,
        )

    return run
