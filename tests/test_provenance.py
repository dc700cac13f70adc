"""A record knows the code that made it: all that its run reaches, and nothing else."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import dials, provenance
from helpers.experiments import max_margin, sparse_recovery

TRIAL = '''
"""A chapter."""

from dataclasses import dataclass

from helpers import maths
from helpers.tools import Base, f, shown
from helpers.room import inner

RATE = 0.1

@dataclass(frozen=True)
class Spec(Base):
    """What is run."""

    seed: int

    def run(self):
        from helpers.late import last

        """Not a docstring."""
        total = 0
        for k in range(3):
            total += f(k)  # one by one
            total += RATE
        return maths.twice(total) + inner(last(total))

def draw(spec):
    return shown(spec)
'''
MATHS = """
def twice(x):
    return _by(x, 2)

def _by(x, factor):
    return factor * x

def thrice(x):
    return 3 * x
"""
TOOLS = """
LIMIT = {"low": 1, "high": 9}

class Base:
    def start(self):
        return 0

def f(x, most=LIMIT["high"]):
    return min(x, most)

def shown(x):
    return str(x)
"""
LATE = """
from helpers import maths

def last(x):
    return [rule(x) for rule in rules(maths)]

def rules(module):
    return vars(module).values()
"""
FILES = {
    "experiments/trial.py": TRIAL,
    "maths.py": MATHS,
    "tools.py": TOOLS,
    "late.py": LATE,
    "room/__init__.py": "from helpers.room.chest import inner\n",
    "room/chest.py": "def inner(x):\n    return x\n",
}


@pytest.fixture
def code(tmp_path, monkeypatch, forget_code):
    """The digest for the class `Spec`, of the files above after an edit."""
    monkeypatch.setattr(dials, "ROOT", tmp_path)
    Spec = type("Spec", (), {"__module__": "helpers.experiments.trial"})

    def after(name=None, old="", new=""):
        for path, text in FILES.items():
            place = tmp_path / "helpers" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if path == name:
                assert text.count(old) == 1
                text = text.replace(old, new)
            place.write_text(text)
        forget_code()
        return provenance.code_of(Spec)

    return after


def test_a_module_that_was_renamed_keeps_its_digests(code, monkeypatch):
    before = code()
    trial = dials.ROOT / "helpers/experiments/trial.py"
    trial.rename(trial.with_name("again.py"))
    Spec = type("Spec", (), {"__module__": "helpers.experiments.again"})
    assert provenance.code_of(Spec) != before
    provenance.code_of.cache_clear()
    first = {"helpers.experiments.again": "helpers.experiments.trial"}
    monkeypatch.setattr(provenance, "FIRST_NAMES", first)
    assert provenance.code_of(Spec) == before


SAYS_THE_SAME = {
    "a comment": ("# one by one", "# each in its turn"),
    "a new comment": ("total = 0", "total = 0  # at first"),
    "a docstring": ("What is run.", "What runs."),
    "the module's docstring": ("A chapter.", "The chapter."),
    "blank lines": ("    seed: int\n", "\n\n    seed: int\n\n"),
    "spaces": ("maths.twice(total)", "maths.twice( total )"),
    "lines": ("maths.twice(total)", "maths.twice(\n            total,\n        )"),
    "what draws it": ("shown(spec)", "shown(spec) + '!'"),
    "the order of imports": ("import Base, f, shown", "import shown, f, Base"),
}


@pytest.mark.parametrize("edit", SAYS_THE_SAME)
def test_what_says_the_same_leaves_the_code_as_it_is(code, edit):
    assert code("experiments/trial.py", *SAYS_THE_SAME[edit]) == code()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tools.py", "return str(x)", "return repr(x)"),
        ("room/chest.py", "def inner", "def outer(x):\n    return 1\n\ndef inner"),
    ],
)
def test_what_is_not_reached_does_not_count(code, name, old, new):
    assert code(name, old, new) == code()


REACHED = {
    "the run itself": ("experiments/trial.py", "total = 0", "total = 1"),
    "text that is no docstring": ("experiments/trial.py", "Not a", "No"),
    "the depth of a line": (
        "experiments/trial.py",
        "            total += RATE",
        "        total += RATE",
    ),
    "a decorator": ("experiments/trial.py", "(frozen=True)", "(frozen=True, eq=False)"),
    "a field": ("experiments/trial.py", "seed: int", "seed: int = 0"),
    "a constant": ("experiments/trial.py", "RATE = 0.1", "RATE = 0.2"),
    "its base": ("tools.py", "return 0", "return 1"),
    "a function that is imported": ("tools.py", "min(x, most)", "max(x, most)"),
    "a constant behind that": ("tools.py", '"high": 9', '"high": 8'),
    "a function of a module": ("maths.py", "_by(x, 2)", "_by(x, 3)"),
    "a function behind that": ("maths.py", "factor * x", "factor + x"),
    "what is imported late": ("late.py", "rule(x)", "rule(-x)"),
    "a module that is handed on": ("maths.py", "3 * x", "4 * x"),
    "what a package hands on": ("room/chest.py", "return x", "return -x"),
}


@pytest.mark.parametrize("edit", REACHED)
def test_what_the_run_reaches_counts(code, edit):
    assert code(*REACHED[edit]) != code()


def called_by(run):
    """The places in helpers whose functions are called while it runs."""
    run()  # so that what it imports and compiles is not watched, which is slow
    codes = set()

    def look(frame, event, _):
        codes.add(frame.f_code)

    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(None)
    return set(filter(None, map(place_of, codes)))


def place_of(code):
    package = Path(dials.__file__).parent
    path = Path(code.co_filename)
    name = code.co_qualname.split(".")[0]
    if name.startswith("<") or not path.is_relative_to(package):
        return None
    inside = path.relative_to(package).with_suffix("").parts
    return ".".join(("helpers", *inside)).removesuffix(".__init__"), name


def short_network():
    long = max_margin.long_runs()[0]
    return replace(long, looks=2, recipe=replace(long.recipe, epochs=1))


@pytest.mark.parametrize("spec", [short_network, lambda: sparse_recovery.clocks()[0]])
def test_whatever_a_real_run_calls_is_in_its_code(tmp_path, monkeypatch, spec):
    monkeypatch.setenv("BOOK_SCALE", "quick")
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    run = spec().run
    called = called_by(run)
    kind = type(spec())
    known = provenance.reached(kind.__module__, kind.__name__)
    assert (kind.__module__, kind.__name__) in called
    assert {p for p in called if p[0] not in provenance.PLUMBING} <= known.keys()


def test_without_git_the_commit_is_unknown_and_not_clean(book):
    assert provenance._commit() == {"commit": "unknown", "clean": False}
