"""A claim seed by seed: its values, those of the control, and the criterion."""

import math
from html import escape

from helpers import ledger

LEFT, RIGHT, ASKED, VALUES, CONTROL, AXIS = 70, 480, 15, 34, 58, 78
SIGN = {"at_least": "≥", "at_most": "≤"}
FAR = 30  # times: positive numbers further apart stand on a logarithmic axis


def drawing(row):
    """An SVG, or nothing where nothing was measured."""
    named = names(row)
    measured = [x for x, _ in named]
    control = finite(row["control"]["values"])
    asked = row["criterion"]
    if not measured:
        return ""
    place, low, high = scale([*measured, *control, *asked.values()])
    marks = [dot(place(x), told) for x, told in named]
    marks += [cross(place(x)) for x in control]
    marks += [
        line(place(x), f"{SIGN[name]} {ledger.digits(x)}") for name, x in asked.items()
    ]
    ends = f"<text x='{LEFT}' y='{AXIS + 15}'>{ledger.digits(low)}</text>"
    ends += (
        f"<text class='end' x='{RIGHT}' y='{AXIS + 15}'>{ledger.digits(high)}</text>"
    )
    return (
        f"<svg class='strip' viewBox='0 0 500 100' role='img'><title>"
        f"{escape(said(row, measured, control))}</title>"
        f"<text x='0' y='{VALUES + 4}'>value</text>"
        f"<text x='0' y='{CONTROL + 4}'>control</text>"
        f"<path class='axis' d='M{LEFT} {AXIS}H{RIGHT}'/>"
        f"{''.join(marks)}{ends}</svg>"
    )


def said(row, measured, control):
    """The same in words."""
    values, others = (", ".join(map(ledger.digits, x)) for x in (measured, control))
    return (
        f"{row['id']}: {row['quantity']}. Measured {values}; control {others}; "
        f"criterion {ledger.criterion(row)}."
    )


def finite(values):
    return [x for x in values or () if x is not None and math.isfinite(x)]


def scale(numbers):
    """From a number to its place, and the numbers at both ends."""
    low, high = min(numbers), max(numbers)
    by_factor = low > 0 and high > FAR * low
    form = math.log if by_factor else float
    first, length = form(low), form(high) - form(low) or 1.0

    def place(x):
        return LEFT + (RIGHT - LEFT) * (form(x) - first) / length

    return place, low, high


def names(row):
    """Each value, and the words for it: whose it is, and what it is."""
    if not row["units"]:
        return [(x, ledger.digits(x)) for x in finite([row["value"]])]
    pairs = zip(row["units"], row["values"], strict=True)
    return [
        (x, f"{row['unit']} {unit}: {ledger.digits(x)}")
        for unit, x in pairs
        if finite([x])
    ]


def dot(x, told):
    return f"<circle cx='{x:.1f}' cy='{VALUES}' r='4'><title>{told}</title></circle>"


def cross(x):
    return f"<path class='cross' d='M{x - 3.5:.1f} {CONTROL - 3.5}l7 7m0-7l-7 7'/>"


def line(x, told):
    """The criterion, its number above it, on the side where there is room."""
    side = " class='end'" if x > (LEFT + RIGHT) / 2 else ""
    near = x + (4 if not side else -4)
    return (
        f"<path class='asked' d='M{x:.1f} 2V{AXIS}'/>"
        f"<text{side} x='{near:.1f}' y='{ASKED}'>{told}</text>"
    )
