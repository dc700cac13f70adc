"""What a figure shows, read back from it."""

import csv
import io

import numpy as np
import pytest

from helpers import figure_data, figures


def table(ax):
    text = figure_data.as_csv(ax.figure, figures.PALETTE)
    return list(csv.DictReader(io.StringIO(text)))


def test_marks_come_with_the_ends_of_their_interval(ax):
    samples = np.array([[1.0, 5.0], [3.0, 5.5]])
    figures.measured(ax, [10, 20], samples, "sgd")
    first, second = table(ax)
    low, high = figures.interval95(samples[:, 0])
    assert (first["color"], float(first["x"]), float(first["y"])) == ("sgd", 10, 2)
    assert float(first["low"]) == pytest.approx(low, rel=1e-3)
    assert float(first["high"]) == pytest.approx(high, rel=1e-3)
    assert float(second["y"]) == 5.25


def test_what_decorates_is_no_data(ax):
    ax.axhline(1)
    ax.fill_between([0, 1], 0, 1)
    figures.criterion(ax, 2, "here")
    assert table(ax) == []


def test_a_curve_is_thinned_and_keeps_its_ends(ax):
    x = np.linspace(0, 1, 999)
    figures.theory(ax, x, 2 * x)
    rows = table(ax)
    assert len(rows) == figure_data.MOST
    assert (float(rows[0]["y"]), float(rows[-1]["y"])) == (0, 2)
    assert {row["color"] for row in rows} == {"theory"}


def test_scattered_marks_and_places_with_names(ax):
    ax.scatter([0, 1], [3, 4], color=figures.PALETTE["noise"])
    ax.set_xticks([0, 1], ["one\ncopy", "two"])
    ax.set_ylabel("points lost")
    first, second = table(ax)
    assert first["x name"] == "one copy"
    assert second["x name"] == "two"
    assert first["color"] == "noise"
    assert first["panel"] == "points lost"


def test_bars_along_a_row_are_read_along_it(ax):
    ax.errorbar([5], [1], xerr=[2], fmt="o")
    (row,) = (row for row in table(ax) if row["low"])
    assert (float(row["low"]), float(row["high"])) == (3, 7)


def test_curves_of_one_colour_are_told_apart(ax):
    ax.plot([0, 1], [0, 1], "--", color="C0")
    ax.plot([0, 1], [1, 0], "o", color="C0", markerfacecolor="white")
    assert {row["drawn"] for row in table(ax)} == {"--", "hollow o"}


def test_marks_drawn_aside_are_read_where_they_are(ax):
    samples = np.array([[1.0, 5.0], [3.0, 5.5]])
    ax.set_xscale("log")
    figures.measured(ax, [10, 20], samples, "sgd", aside=4)
    rows = table(ax)
    assert [float(row["x"]) for row in rows] == [10, 20]
    assert all(row["low"] for row in rows)
    mark = ax.lines[0].get_transform().transform((10, 2))
    shift = mark - ax.transData.transform((10, 2))
    assert shift == pytest.approx([4 * ax.figure.dpi / 72, 0])
