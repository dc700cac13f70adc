"""Arrows one way: which room may import which, and how cheap the door is."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"
MAY_IMPORT = {
    "dials": set(),
    # what a chapter computes with
    "problems": {"dials"},
    "images": {"dials"},
    "oracles": {"dials"},
    "dynamics": {"dials", "problems"},
    "networks": {"dials"},
    "training": {"dials", "images", "records"},
    "curvature": set(),
    "experiments": {
        *("dials", "records", "problems", "images", "oracles", "dynamics"),
        *("networks", "training", "curvature"),
    },
    # the way of a number
    "provenance": {"dials"},
    "records": {"dials", "provenance"},
    "ledger": {"dials"},
    "claims": {"dials", "records", "ledger"},
    "audit": {"dials", "records"},
    # what a reader sees, and the commands
    "figure_data": set(),
    "figures": {"dials", "figure_data"},
    "compare": set(),
    "runner": {"dials", "experiments", "records", "provenance", "ledger", "compare"},
    "__main__": {"dials", "experiments", "runner", "ledger", "audit"},
    "__init__": set(),
}
LIGHT = ("dials", "provenance", "records", "ledger", "claims", "figures")
each_module = pytest.mark.parametrize(
    "path",
    sorted(HELPERS.rglob("*.py")),
    ids=lambda path: str(path.relative_to(HELPERS)),
)


def room(path):
    """A package is one room, whatever the number of its files."""
    return path.relative_to(HELPERS).parts[0].removesuffix(".py")


def imported(source):
    """The rooms of helpers that a module asks for, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = node.level or node.module == "helpers"
            rooms = [f"helpers.{alias.name}" for alias in node.names]
            names = rooms if inside else [node.module]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("helpers."))


@each_module
def test_each_room_opens_only_its_doors(path):
    assert room(path) in MAY_IMPORT, f"give {room(path)} its line in the table"
    others = set(imported(path.read_text())) - {room(path)}
    assert others <= MAY_IMPORT[room(path)]


def test_the_table_has_no_empty_rooms():
    assert MAY_IMPORT.keys() == {room(path) for path in HELPERS.rglob("*.py")}


def reaches(room):
    return {room}.union(*(reaches(other) for other in MAY_IMPORT[room]))


def test_oracles_and_dynamics_never_meet():
    assert "oracles" not in reaches("dynamics")
    assert "dynamics" not in reaches("oracles")


def test_experiments_neither_judge_nor_draw():
    assert reaches("experiments").isdisjoint({"claims", "ledger", "figures", "audit"})


@pytest.mark.parametrize(
    "line",
    [
        "from helpers import oracles",
        "from helpers.oracles import ridge",
        "import helpers.oracles as o",
        "def f():\n    from helpers import oracles",
        "from . import oracles",
    ],
)
def test_a_forbidden_import_is_seen(line):
    assert list(imported(line)) == ["oracles"]


# One way to import, which `provenance` can follow


def strange_imports(source):
    """Those of helpers that are not `from helpers… import name`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("helpers"))
        elif isinstance(node, ast.ImportFrom):
            ours = node.level or node.module.startswith("helpers")
            if node.level or (ours and node.names[0].name == "*"):
                yield ast.unparse(node)


def hidden_definitions(source):
    """What is defined at the top, but under a condition."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            if "TYPE_CHECKING" in ast.unparse(node).splitlines()[0]:
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.Assign):
                    yield ast.unparse(inner)


@each_module
def test_provenance_sees_every_import_and_every_definition(path):
    assert not list(strange_imports(path.read_text()))
    assert not list(hidden_definitions(path.read_text()))


@pytest.mark.parametrize(
    "line",
    ["import helpers.oracles as o", "from . import x", "from helpers.oracles import *"],
)
def test_an_import_that_provenance_cannot_follow_is_seen(line):
    assert list(strange_imports(line))


def test_a_definition_that_provenance_cannot_see_is_seen():
    assert list(hidden_definitions("try:\n    x = 1\nexcept OSError:\n    x = 2"))


PACKAGES = sorted(HELPERS.glob("*/__init__.py"))


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_hands_nothing_on(path):
    """A function is imported from the room in which it lives."""
    allowed = {"dials"} if path.parent.name == "experiments" else set()
    assert set(imported(path.read_text())) <= allowed


# Thin


def length(function):
    """In lines, without the docstring."""
    first = function.body[ast.get_docstring(function) is not None :] or function.body
    return function.end_lineno - first[0].lineno + 1


def test_functions_are_short():
    functions = [
        node
        for path in HELPERS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    assert statistics.median(map(length, functions)) <= 6


# The door


def loaded_by(*rooms):
    code = f"import helpers, {', '.join(rooms)}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_the_door_is_cheap():
    """Counted in modules, which no busy machine can falsify."""
    assert {"torch", "numpy", "matplotlib"}.isdisjoint(loaded_by("helpers"))


def test_what_is_slow_to_import_is_imported_where_it_is_needed():
    loaded = loaded_by(*(f"helpers.{room}" for room in LIGHT))
    assert {"torch", "pandas", "scipy", "sklearn", "matplotlib"}.isdisjoint(loaded)
