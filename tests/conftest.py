import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from stored import notebook

from helpers import dials, figures, provenance

HERE = Path(__file__).parent
WITHOUT_TORCH = """
from helpers import provenance
provenance.device = lambda: "not asked: it would import torch, which takes long"
"""


@pytest.fixture(autouse=True)
def no_dials(monkeypatch):
    """The tests set the dials that they need."""
    for name in [name for name in os.environ if name.startswith("BOOK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ax():
    """Empty axes in the house style."""
    plt.switch_backend("agg")
    figures.use_house_style()
    fig, axes = plt.subplots()
    yield axes
    plt.close(fig)


@pytest.fixture
def forget_code():
    """Call it where a test has changed the text that provenance has read."""

    def forget():
        for cached in provenance.code_of, provenance._Source.of, provenance._fixed:
            cached.cache_clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def book(tmp_path, monkeypatch, forget_code):
    """An empty book with one chapter, `trial`, in place of the real one."""
    (tmp_path / "book/claims").mkdir(parents=True)
    (tmp_path / "data/records").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("root: index\nchapters:\n- file: trial\n")
    (tmp_path / "book/trial.ipynb").write_text(notebook("1"))
    monkeypatch.setattr(dials, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def in_book(book):
    """Environment and folder of a process whose helpers live in that book.

    Its one chapter of experiments, `trial`, is sweep.py beside this file.
    """
    shutil.copytree(HERE.parent / "helpers", book / "helpers")
    experiments = book / "helpers/experiments"
    for path in experiments.glob("[!_]*.py"):
        path.unlink()
    trial = (HERE / "sweep.py").read_text() + WITHOUT_TORCH
    (experiments / "trial.py").write_text(trial)
    return {"cwd": book, "env": os.environ | {"PYTHONPATH": str(book)}}


@pytest.fixture
def helpers_in(in_book):
    """Run `python -m helpers …` there."""

    def run(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "helpers", *words],
            cwd=in_book["cwd"],
            env=in_book["env"] | environment,
            capture_output=True,
            text=True,
        )

    return run
