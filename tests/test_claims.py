"""Verdicts: what must pass passes, and everything else is called by its name."""

import ast
import json
import math
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from helpers import claims, experiments, ledger
from helpers.claims import Claim, Criterion
from helpers.dials import BookError

NAN, INF = float("nan"), float("inf")
TABLE = {
    "statement": "a test",
    "quantity": "a number",
    "source": "a source",
    "said": "book",
    "at_most": 1.0,
    "control": "elsewhere",
}


def asked(name="T-1", **keys):
    bounded = keys.keys() & {"at_least", "at_most"}
    table = {key: value for key, value in TABLE.items() if key != "at_most"}
    return Criterion(name, **table | ({} if bounded else {"at_most": 1.0}) | keys)


def toml(name="T-1", without=(), **keys):
    """A table of a file of claims; JSON's words for a value are TOML's."""
    table = {key: value for key, value in TABLE.items() if key not in without} | keys
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join([f"[{name}]", *lines, ""])


@pytest.fixture
def criteria(book):
    """Write the criteria of the chapter `trial`."""

    def write(*tables):
        (book / "book/claims/trial.toml").write_text("\n".join(tables))

    write(toml())
    return write


def seeded(*values, first=0):
    return claims.each(values, seed=range(first, first + len(values)))


def judged(value, control=None, tables=None):
    """The one claim of `trial`; its control is far away if none is given."""
    if control is None and value is not None:
        control = seeded(*(7.0 + k**2 for k in range(np.size(value))))
    return claims.judge("trial", {"T-1": (value, control)}, tables)[0]


# Verdicts


@pytest.mark.parametrize(
    ("value", "control", "criterion", "verdict"),
    [
        (0.5, 2.0, {"at_most": 1}, "reproduced"),
        (1.0, 2.0, {"at_most": 1}, "reproduced"),
        (1.1, 2.0, {"at_most": 1}, "not reproduced"),
        (3.0, 0.5, {"at_least": 1}, "reproduced"),
        (0.9, 1.5, {"at_least": 0.85, "at_most": 0.95}, "reproduced"),
        (0.8, 1.5, {"at_least": 0.85, "at_most": 0.95}, "not reproduced"),
        ([0.1, 0.9], 2.0, {"at_most": 1}, "reproduced"),
        ([0.1, 1.1], 2.0, {"at_most": 1}, "undecided"),
        ([0.8, 1.0], 2.0, {"at_least": 0.85, "at_most": 0.95}, "undecided"),
        ([1.2, 1.1], 2.0, {"at_most": 1}, "not reproduced"),
        (0.5, 0.5, {"at_most": 1}, "vacuous"),
        (0.5, [2.0, 0.9], {"at_most": 1}, "vacuous"),
        (2.0, 0.5, {"at_most": 1}, "vacuous"),
        (0.5, NAN, {"at_most": 1}, "vacuous"),
        (0.5, [2.0, NAN], {"at_most": 1}, "vacuous"),
        (NAN, 2.0, {"at_most": 1}, "undecided"),
        ([0.5, NAN], 2.0, {"at_most": 1}, "undecided"),
        (INF, 2.0, {"at_most": 1}, "not reproduced"),
        (2.0, 3.0, {"at_most": 1, "refuted_at": 1.5}, "contradicts the source"),
        (1.2, 3.0, {"at_most": 1, "refuted_at": 1.5}, "not reproduced"),
        ([1.2, 2], 3.0, {"at_most": 1, "refuted_at": 1.5}, "not reproduced"),
        (0.2, 0.1, {"at_least": 1, "refuted_at": 0.5}, "contradicts the source"),
        (None, None, {"at_most": 1}, "not run at this scale"),
    ],
)
def test_verdict(value, control, criterion, verdict):
    assert Claim(asked(**criterion), value, control, "quick").verdict == verdict


VALUES = np.array([0.8, 1.0, 0.9, 0.7, 1.1])
HALF = 2.776445 * VALUES.std(ddof=1) / 5**0.5  # Student's t at 97.5 %, 4 degrees


@pytest.mark.parametrize(
    ("at_most", "verdict"),
    [
        (0.9 + 1.01 * HALF, "reproduced"),
        (0.9 + 0.99 * HALF, "undecided"),
        (0.9 - 0.99 * HALF, "undecided"),
        (0.9 - 1.01 * HALF, "not reproduced"),
    ],
)
def test_a_mean_is_judged_by_its_whole_interval(at_most, verdict):
    mean = asked(over="mean", at_most=at_most)
    assert Claim(mean, VALUES, 9.0, "quick").verdict == verdict


def test_a_control_is_judged_by_its_whole_interval_as_well():
    mean = asked(over="mean", at_most=0.9 - 0.5 * HALF)
    assert Claim(mean, 0.1, VALUES, "quick").verdict == "vacuous"


def test_the_mean_of_ratios_is_taken_on_the_logarithm():
    low, high = asked(over="mean", log=True).interval([0.5, 1.0, 2.0])
    assert low * high == pytest.approx(1)
    assert math.log(high) == pytest.approx(4.302653 * math.log(2) / 3**0.5)


def test_an_interval_does_not_leave_the_range_of_its_quantity():
    values = [0.9, 0.99, 1.0]
    assert asked(over="mean").interval(values)[1] > 1
    assert asked(over="mean", within=(0, 1)).interval(values)[1] == 1


# The file


def test_criteria_are_read_in_the_order_of_the_page(criteria):
    criteria(toml("T-2", at_most=3, within=[0, 1]), toml("T-1", records=["arms"]))
    second, first = claims.load("trial").values()
    assert (second.id, second.at_most, second.within) == ("T-2", 3, (0, 1))
    assert (first.id, first.records, first.over) == ("T-1", ("arms",), "every seed")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (toml(without=["control"]), "T-1 in book/claims/: it has no control"),
        (toml(without=["quantity"]), "its quantity is not named"),
        (toml(without=["at_most"]), "neither at_least nor at_most"),
        (toml(without=["statement"]), "T-1 lacks statement"),
        (toml(said="hearsay"), "said is one of source, sharpened, book"),
        (toml(over="most seeds"), "over is one of every seed, mean, one run"),
        (toml(at_lest=1), "trial.toml: T-1 has the unknown key 'at_lest'"),
        (toml(at_most="1"), "at_most = '1' is no number"),
        (toml() + toml(), "cannot be read"),
        ("[T-1", "cannot be read"),
    ],
)
def test_a_faulty_criterion_is_one_line(criteria, table, message):
    criteria(table)
    with pytest.raises(BookError, match=re.escape(message)) as wrong:
        claims.load("trial")
    assert "\n" not in str(wrong.value)


def test_a_chapter_without_criteria_says_where_to_write_them(book):
    with pytest.raises(BookError, match=r"write .*book/claims/trial\.toml"):
        claims.load("trial")


def test_a_withdrawn_claim_is_kept_but_not_judged(criteria):
    gone = {"statement": "a test", "source": "a source", "said": "book"}
    withdrawn = toml("T-2", without=TABLE, **gone, withdrawn="no control in reach")
    criteria(toml(), withdrawn)
    assert list(claims.load("trial")) == ["T-1"]
    assert claims.load_all("trial")["T-2"].withdrawn == "no control in reach"
    assert judged(seeded(0.1, 0.2)).criterion.id == "T-1"


# What `judge` refuses


def test_a_missing_claim_and_an_unknown_one_are_named(criteria):
    criteria(toml("T-1"), toml("T-2"))
    with pytest.raises(BookError, match="T-2, T-3: in one of"):
        claims.judge("trial", {"T-1": (None, None), "T-3": (None, None)})


@pytest.mark.parametrize("bare", [[0.1, 0.2], np.array([0.1, 0.2]), 0.1])
def test_values_that_do_not_say_what_they_vary_with_are_refused(criteria, bare):
    with pytest.raises(BookError, match="T-1: say what its values vary with"):
        judged(bare, seeded(2.0, 3.0))
    with pytest.raises(BookError, match="T-1: say what its values vary with"):
        judged(seeded(0.1, 0.2), bare)


def test_one_run_is_one_number(criteria):
    criteria(toml(over="one run"))
    assert judged(0.1, 2.0).verdict == "reproduced"
    with pytest.raises(BookError, match="T-1 is judged over one run"):
        judged(seeded(0.1, 0.2), 2.0)


def test_a_value_needs_its_control(criteria):
    with pytest.raises(BookError, match="its control was not measured"):
        claims.judge("trial", {"T-1": (seeded(0.1, 0.2), None)})


def test_value_and_control_have_as_many_units_unless_it_is_said_why(criteria):
    with pytest.raises(BookError, match="3 values and 2 of the control"):
        judged(seeded(0.1, 0.2, 0.4), seeded(2.0, 3.0))
    criteria(toml(unpaired="the control takes hours a seed"))
    assert judged(seeded(0.1, 0.2, 0.4), seeded(2.0, 3.0)).verdict == "reproduced"


ARITHMETIC = {
    "equal": lambda x: x,
    "negative": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "scaled": lambda x: 30 * x,
    "affine": lambda x: 1 - 3 * x,
    "affine in the reciprocal": lambda x: 2 + 3 / x,
    "permuted": lambda x: x[::-1],
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_a_control_that_is_arithmetic_on_the_value_is_refused(criteria, name):
    value = np.array([0.1, 0.25, 0.7])
    control = ARITHMETIC[name](value)
    with pytest.raises(BookError, match="T-1: its control is arithmetic"):
        judged(seeded(*value), seeded(*control))


@pytest.mark.parametrize("control", [0.3, -0.3, 1 / 0.3])
def test_arithmetic_on_a_single_number_is_refused_as_well(criteria, control):
    criteria(toml(over="one run"))
    with pytest.raises(BookError, match="arithmetic"):
        judged(0.3, control)


@pytest.mark.parametrize(
    ("value", "control"),
    [
        ([0.1, 0.25, 0.7], [2.0, 2.0, 2.0]),  # the same at every seed
        ([0.1, 0.25, 0.7], [3.0, 2.0, 2.5]),
        ([0.1, 0.7], [2.0, 9.0]),  # any two points are on a line
        ([0.1, 0.7], [0.7, 0.1]),  # two shares of few images may be alike
        ([0.1, 0.25, 0.7], [2.0, 2.0 + 1e-8, 2.0]),  # all but the same
        ([0.1, 0.25, 0.7], [NAN, 2.0, 9.0]),
        ([0.5, 0.5, 0.5], [3.0, 2.0, 2.5]),
        ([0.1, 0.1, 0.7], [2.0, 2.0, 9.0]),  # ranks: two numbers, split alike
    ],
)
def test_a_control_that_was_measured_is_not_taken_for_arithmetic(
    criteria, value, control
):
    assert judged(seeded(*value), seeded(*control)).verdict in {"reproduced", "vacuous"}


# Claims that stand on records


def runs(seeds=(0, 1), scale="laptop"):
    """A table as `records.table` gives it."""
    names = [f"Run-{seed}" for seed in seeds]
    return pd.DataFrame({"seed": seeds, "record": names, "scale": scale})


@pytest.fixture
def recorded(criteria):
    criteria(toml(records=["arms"]))


def test_scale_and_names_are_those_of_the_records(recorded, monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "quick")
    claim = judged(seeded(0.1, 0.2), tables={"arms": runs()})
    assert claim.scale == "laptop"
    assert judged(None, tables={}).scale == "quick"


def test_a_table_that_was_not_handed_over_is_named(recorded):
    with pytest.raises(BookError, match="T-1: hand over the table of the sweep 'arms'"):
        judged(seeded(0.1, 0.2))


def test_seeds_that_no_record_has_are_refused(recorded):
    with pytest.raises(BookError, match="T-1: no record has the seed 2"):
        judged(seeded(0.1, 0.2, first=1), tables={"arms": runs()})


def test_what_varies_with_something_else_need_not_be_a_seed(recorded):
    value = claims.each([0.1, 0.2], angle=[10, 20])
    assert judged(value, tables={"arms": runs()}).verdict == "reproduced"


def test_records_of_several_scales_are_refused(recorded):
    mixed = pd.concat([runs([0], "quick"), runs([1], "laptop")])
    with pytest.raises(BookError, match="T-1: its records are of several scales"):
        judged(seeded(0.1, 0.2), tables={"arms": mixed})


# What is shown and stored


def test_the_checked_text_holds_no_measured_digit(criteria):
    def text(*values):
        value, control = seeded(*values), seeded(5.0, 7.0)
        return str(claims.judge("trial", {"T-1": (value, control)}))

    assert text(0.123, 0.234) == text(0.345, 0.456) != text(1.23, 2.34)


def test_a_ledger_is_a_table_for_readers_and_data_for_machines(criteria):
    shown = claims.judge(
        "trial", {"T-1": (seeded(0.1, 0.2), seeded(5.0, 7.0))}
    )._repr_mimebundle_()
    assert "T-1" in shown["text/html"]
    assert shown["text/plain"].startswith("T-1 | reproduced | laptop")
    assert shown[ledger.MIME].keys() == {"chapter", "records_root", "sweeps", "claims"}
    assert shown[ledger.MIME]["chapter"] == "trial"


def test_a_claim_as_data_holds_what_was_asked_and_what_came_out(criteria):
    claim = judged(seeded(0.5, 0.7), seeded(5.0, 7.0))
    assert claim.as_data() == {
        "id": "T-1",
        "statement": "a test",
        "quantity": "a number",
        "source": "a source",
        "said": "book",
        "verdict": "reproduced",
        "scale": "laptop",
        "value": 0.6,
        "interval": [0.5, 0.7],
        "values": [0.5, 0.7],
        "over": "every seed",
        "unit": "seed",
        "units": [0, 1],
        "criterion": {"at_most": 1.0},
        "control": {
            "label": "elsewhere",
            "interval": [5.0, 7.0],
            "values": [5.0, 7.0],
        },
        "sweeps": [],
        "quick": False,
        "since": "",
        "seen": "",
        "changed": "",
    }


@pytest.mark.parametrize(
    "value", [seeded(0.5, 0.7), seeded(0.5, NAN), seeded(0.5, INF), None]
)
@pytest.mark.parametrize("over", ["every seed", "mean"])
def test_data_survives_json(criteria, value, over):
    criteria(toml(over=over, log=True))
    with np.errstate(invalid="ignore"):
        data = judged(value).as_data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert ledger.measured(data)
    assert ledger.table([data | {"chapter": "trial"}])


# The book


CHAPTERS = ledger.chapters()
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def code(chapter):
    """The code of a notebook, without Jupyter's own commands."""
    cells = json.loads(ledger.notebook(chapter).read_text())["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    lines = "\n".join(sources).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


def is_number(node):
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def pairs(tree):
    """Value and control by claim, where both stand in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for name, pair in zip(node.keys, node.values, strict=True):
                if isinstance(name, ast.Constant) and isinstance(pair, ast.Tuple):
                    yield name.value, pair.elts


def literal_controls(text):
    """The claims whose control is a number, or a name that stands for one."""
    tree = ast.parse(text)
    numbers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_number(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        name
        for name, elements in pairs(tree)
        for each in elements[1:]
        if is_number(each) or (isinstance(each, ast.Name) and each.id in numbers)
    ]


def judged_in(text):
    """The chapters whose claims the code judges."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if ast.unparse(call.func) == "claims.judge"
    ]


def test_a_literal_control_is_found():
    text = """
chance = 0.1
measured = run()
more = {"T-5": (value, chance)}
claims.judge("trial", more | {
    "T-1": (value, -1.0),
    "T-2": (value, chance),
    "T-3": (value, measured),
    "T-4": (value, None),
})
"""
    assert sorted(literal_controls(text)) == ["T-1", "T-2", "T-5"]
    assert judged_in(text) == ["trial"]


@each_chapter
def test_a_notebook_brings_numbers_and_no_criterion(chapter):
    text = code(chapter)
    for word in ("at_least=", "at_most=", "Claim("):
        assert word not in text
    assert judged_in(text) == [chapter]
    assert not claims.load(chapter).keys() & set(literal_controls(text))


@each_chapter
def test_the_criteria_of_a_chapter_can_be_read_and_name_its_sweeps(chapter):
    criteria = claims.load_all(chapter).values()
    named = {sweep for each in criteria for sweep in each.records}
    assert named <= experiments.sweeps(chapter).keys() if named else True


def test_ids_are_unique_in_the_book():
    folder = ledger.notebook("any").parent / "claims"
    names = [path.stem for path in folder.glob("*.toml")]
    ids = sorted(name for chapter in names for name in claims.load_all(chapter))
    assert not [name for name, following in pairwise(ids) if name == following]
