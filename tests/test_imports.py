"""Arrows one way: which room may import which, and how cheap the door is."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"
MAY_IMPORT = {
    "dials": set(),
    "provenance": {"dials"},
    "problems": {"dials"},
    "oracles": {"dials"},
    "dynamics": {"dials", "problems"},
    "locks": set(),
    "records": {"dials", "locks", "provenance"},
    "diagonal": {"dials"},
    "claims": {"dials"},
    "figures": {"dials"},
    "images": {"dials"},
    "networks": {"dials"},
    "training": {"dials", "images", "records"},
    "curvature": set(),
    "scripts": {"dials", "records", "claims"},
    "__main__": {"dials", "records", "claims", "scripts"},
    "__init__": set(),
}
WITHOUT_TORCH = {"dials", "provenance", "oracles", "records", "claims", "figures"}
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


def test_oracles_and_dynamics_never_meet():
    def reaches(room):
        return {room}.union(*(reaches(other) for other in MAY_IMPORT[room]))

    for algorithms in ("dynamics", "diagonal"):
        assert "oracles" not in reaches(algorithms)
        assert algorithms not in reaches("oracles")


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


@each_module
def test_thin(path):
    """A module past 300 lines, or a function past 40, is doing two jobs."""
    source = path.read_text()
    assert len(source.splitlines()) <= 300
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[ast.get_docstring(node) is not None :] or node.body
            assert node.end_lineno - first[0].lineno < 40, node.name


def loaded_by(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(run.stdout.split())


def test_the_door_is_cheap():
    """Counted in modules, which no busy machine can falsify."""
    assert {"torch", "numpy", "matplotlib"}.isdisjoint(loaded_by("import helpers"))
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import helpers"], check=True)
    print(f"import helpers, with the interpreter: {time.perf_counter() - start:.2f} s")


@pytest.mark.parametrize("room", sorted(WITHOUT_TORCH))
def test_torch_is_imported_where_it_is_needed(room):
    assert "torch" not in loaded_by(f"import helpers.{room}")
