"""A spec holds all that determines its run; a sweep only says which there are."""

import ast
import copy
import dataclasses
import types

import pytest

from helpers import experiments, provenance, records
from helpers.dials import SCALES, BookError
from helpers.images import sources

CHAPTERS = experiments.recorded()
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    monkeypatch.setattr(sources, "SOURCES", {})


@pytest.fixture
def specs_of(monkeypatch):
    """The specs of all sweeps at some scales."""

    def build(sweeps, *scales):
        found = []
        for scale in scales:
            monkeypatch.setenv("BOOK_SCALE", scale)
            found += [spec for sweep in sweeps.values() for spec in sweep()]
        return found

    return build


def prints(specs):
    return {records.name_of(spec) for spec in specs}


def kinds(specs):
    """One spec of each class."""
    return {type(spec): spec for spec in specs}


# What there is


@each_chapter
@pytest.mark.parametrize("scale", SCALES)
def test_sweeps_are_built_without_data(chapter, scale, specs_of):
    specs = specs_of(experiments.sweeps(chapter), scale)
    assert specs
    for spec in specs:
        assert records.RecordStore.of(spec).chapter == chapter
        assert callable(spec.run)


@each_chapter
def test_two_specs_never_share_a_fingerprint(chapter, specs_of):
    specs = specs_of(experiments.sweeps(chapter), *SCALES)
    assert len(prints(specs)) == len(set(specs))


@each_chapter
def test_another_seed_makes_every_spec_another(chapter, specs_of, monkeypatch):
    here = prints(specs_of(experiments.sweeps(chapter), "quick"))
    monkeypatch.setenv("BOOK_SEED", "1")
    assert here.isdisjoint(prints(specs_of(experiments.sweeps(chapter), "quick")))


def test_a_chapter_without_experiments_is_one_line():
    with pytest.raises(BookError, match="'curvature' records nothing: choose"):
        experiments.sweeps("curvature")


# Every field is in the fingerprint


def another(value):
    """A value of the same type that is not this one."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case None:
            return 1
        case tuple():
            return (*value, another(value[0]) if value else 1)
    raise AssertionError(f"how does one change a {type(value).__name__}?")


def changed_in_one_field(spec):
    """The spec again and again, each time another in one field, nested ones too."""
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        parts = value if isinstance(value, tuple) and value else (value,)
        if not dataclasses.is_dataclass(parts[0]):
            yield field.name, with_field(spec, field.name, another(value))
            continue
        for inner, part in changed_in_one_field(parts[0]):
            new = (part, *parts[1:]) if isinstance(value, tuple) else part
            yield f"{field.name}.{inner}", with_field(spec, field.name, new)


def with_field(spec, name, value):
    """Past `__post_init__`, which need not know the value."""
    other = copy.copy(spec)
    object.__setattr__(other, name, value)
    return other


@each_chapter
def test_every_field_is_in_the_fingerprint(chapter, specs_of):
    for spec in kinds(specs_of(experiments.sweeps(chapter), *SCALES)).values():
        changed = list(changed_in_one_field(spec))
        assert len(prints(other for _, other in changed)) == len(changed)
        for name, other in changed:
            assert records.name_of(other) != records.name_of(spec), name


# Constants: in the spec if they stand in the chapter, else in the code


class Another(ast.NodeTransformer):
    """Every literal made another, but for the keys of a table."""

    def visit_Constant(self, node):
        kept = node.value is None or node.value is ...
        return node if kept else ast.Constant(another(node.value))

    def visit_Dict(self, node):
        node.values = [self.visit(value) for value in node.values]
        return node


def text_of(module):
    return provenance._path(module).read_text()


def with_another(module, name):
    """The module's source with every literal of that constant made another."""
    tree = ast.parse(text_of(module))
    node = dict(provenance._definitions(tree))[name]
    node.value = Another().visit(node.value)
    return ast.unparse(ast.fix_missing_locations(tree))


def constants(kind):
    """Those that a run of that kind reaches, and that hold a literal."""
    for module, name in provenance.reached(kind.__module__, kind.__name__):
        node = provenance._Source.of(module).definitions[name]
        if isinstance(node, ast.Assign | ast.AnnAssign):
            other = Another().visit(copy.deepcopy(node.value))
            if ast.dump(other) != ast.dump(node.value):
                yield module, name


def loaded(name, text):
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), vars(module))
    return module


def holds_code(value):
    """Functions and classes by name, as in a table of methods."""
    values = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | tuple) and all(map(callable, values))


@pytest.fixture
def hidden(specs_of):
    """The constants of a chapter that its runs read outside the spec."""

    def prints_with(name, text):
        specs = specs_of(loaded(name, text).SWEEPS, "quick", "laptop")
        return prints(specs)

    def is_seen(name, constant):
        before = prints_with(name, text_of(name))
        try:
            return prints_with(name, with_another(name, constant)) != before
        except Exception:  # a sweep that will not have it does use it
            return True

    def find(name):
        module = loaded(name, text_of(name))
        every = kinds(specs_of(module.SWEEPS, "quick", "laptop"))
        reached = {place for kind in every for place in constants(kind)}
        return {
            constant
            for where, constant in reached
            if where == name
            and not holds_code(getattr(module, constant))
            and not is_seen(name, constant)
        }

    return find


@each_chapter
def test_no_run_reads_a_constant_outside_its_spec(chapter, hidden):
    found = hidden(f"helpers.experiments.{chapter}")
    assert not found, f"run() reads {found} outside the spec"


PLANTED = """
from dataclasses import dataclass

STEPS = 10
RATE = 0.1
WIDTHS = {"narrow": 4}
METHODS = {"exact": min, "rough": max}

@dataclass(frozen=True)
class Spec:
    steps: int
    width: int = WIDTHS["narrow"]

    def run(self):
        return METHODS["exact"](STEPS, slow(self.width))

def slow(x):
    return RATE * x

def specs():
    return [Spec(STEPS)]

SWEEPS = {"specs": specs}
"""


def test_a_planted_constant_is_found(hidden, book, forget_code):
    (book / "helpers/experiments").mkdir(parents=True)
    (book / "helpers/experiments/planted.py").write_text(PLANTED)
    assert hidden("helpers.experiments.planted") == {"RATE"}


@pytest.fixture
def code_with(monkeypatch):
    """The digest of a kind when one module has another text."""
    read = provenance._Source.of

    def code(kind, module, text):
        changed = {module: provenance._Source(module, text)}
        with monkeypatch.context() as patch:
            patch.setattr(provenance._Source, "of", lambda m: changed.get(m) or read(m))
            return provenance.code_of.__wrapped__(kind)

    return code


def test_constants_of_other_rooms_are_in_the_code(specs_of, code_with):
    sweeps = {
        name: sweep
        for chapter in CHAPTERS
        for name, sweep in experiments.sweeps(chapter).items()
    }
    every = kinds(specs_of(sweeps, "quick"))
    reached = {place: kind for kind in every for place in constants(kind)}
    for (module, name), kind in reached.items():
        now = code_with(kind, module, with_another(module, name))
        assert now != provenance.code_of(kind), f"{name} of {module}"
