"""What a newcomer types first: make, on the wrong and on the right machine."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
from address import ROOT
from directives import headline, title
from look import stylesheet
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.figures import PALETTE


def make(*arguments, cwd=ROOT):
    # Called from `make test`, the inner make must not take the outer one's flags.
    quiet = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True)


@pytest.fixture
def bare(tmp_path):
    """The files that `make` needs, and no environment."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def fake_python(folder, body):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_make_alone_lists_every_target():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^make (\S+) +\S", make().stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("exit 1", "Python 3.11 or newer"),
        ('case "$2" in *version_info*) exit 0;; esac; exit 1', "python3-venv"),
    ],
)
def test_a_python_that_cannot_do_it_gets_one_line(bare, body, advice):
    ran = make("book", fake_python(bare, body), cwd=bare)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert advice in ran.stderr
    assert not (bare / ".venv").exists()


def test_pins_are_exact_and_the_package_asks_for_lower_bounds_only():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["cluster"]
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", bound) for bound in wanted)
    pinned = {pin.split("==")[0] for pin in pins}
    assert {bound.split(">=")[0] for bound in wanted} <= pinned


def test_the_lower_bounds_are_those_that_make_bounds_runs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = dict(bound.split(">=") for bound in project["dependencies"])
    oldest, colab = (pins(f"requirements-{name}.txt") for name in ("bounds", "colab"))
    for package, bound in bounds.items():
        assert numbers(oldest[package]) == numbers(bound)
        assert numbers(colab[package]) >= numbers(bound)


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def numbers(version):
    return [int(part) for part in re.sub(r"(\.0)+$", "", version).split(".")]


def test_the_colours_of_the_pages_are_those_of_the_figures():
    css = stylesheet(PALETTE)
    for name, colour in PALETTE.items():
        assert css.count(f"--{name}: ") == 2
        assert colour in css
    sheets = (ROOT / "book" / "_style").glob("*.css")
    written_twice = [
        s.name for s in sheets for c in PALETTE.values() if c in s.read_text()
    ]
    assert written_twice == []


def test_the_headline_is_the_tagged_cell():
    svg = new_output("display_data", data={"image/svg+xml": "<svg/>"})
    cell = new_code_cell("draw()", outputs=[svg])
    notebook = new_notebook(cells=[new_markdown_cell("# A title\n\nText"), cell])
    assert title(notebook) == "A title"
    with pytest.raises(ValueError, match="headline"):
        headline(notebook)
    cell.metadata = {"tags": ["headline"], "mystnb": {"image": {"alt": "A line"}}}
    assert headline(notebook) == ("<svg/>", "A line")
