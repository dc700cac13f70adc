"""The house style: one colour and one mark a family, and intervals as claimed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from helpers import figures
from helpers.dials import BookError


def lightness(color):
    return np.dot(np.array(to_rgb(color)) ** 2.2, [0.2126, 0.7152, 0.0722])


def deuteranope(color):
    """As the commonest colour blindness sees it (Viénot, Brettel and Mollon 1999)."""
    linear = np.array(to_rgb(color)) ** 2.2
    seen = [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    return np.array(seen) @ linear


FAMILIES = sorted(figures.MARKS)


def test_families_differ_in_mark_and_in_colour():
    assert len(set(figures.MARKS.values())) == len(FAMILIES)
    assert set(FAMILIES) < set(figures.PALETTE)


@pytest.mark.parametrize("kind", FAMILIES)
def test_marks_stand_out_from_the_page(kind):
    contrast = 1.05 / (lightness(figures.PALETTE[kind]) + 0.05)
    assert contrast >= 3


@pytest.mark.parametrize("kind", FAMILIES)
def test_words_can_be_read(kind, ax):
    figures.label(ax, 0, 0, "here", kind)
    contrast = 1.05 / (lightness(ax.texts[0].get_color()) + 0.05)
    assert contrast >= 4.7  # the page is not quite white


def test_colours_differ_for_the_colour_blind():
    seen = [deuteranope(figures.PALETTE[kind]) for kind in FAMILIES]
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.04


def test_half_interval_is_students():
    from scipy import stats

    samples = np.random.default_rng(0).normal(size=(8, 3))
    low, _ = stats.t.interval(
        0.95, 7, loc=samples.mean(0), scale=stats.sem(samples, axis=0)
    )
    assert samples.mean(0) - figures.half_interval(samples) == pytest.approx(low)
    assert figures.half_interval(samples[:1]).tolist() == [0, 0, 0]
    ends = stats.t.interval(
        0.95, 7, loc=samples[:, 0].mean(), scale=stats.sem(samples[:, 0])
    )
    assert figures.interval95(samples[:, 0]) == pytest.approx(ends)


def test_measured_draws_the_mean_and_its_interval(ax):
    samples = np.array([[1.0, 2], [3, 2]])
    figures.measured(ax, [0, 1], samples, "gd")
    line = ax.lines[0]
    assert line.get_ydata().tolist() == [2, 2]
    assert line.get_color() == figures.PALETTE["gd"]
    bars = ax.collections[0].get_segments()
    assert bars[0][:, 1] == pytest.approx([2 - 12.7062, 2 + 12.7062], rel=1e-4)


def test_every_seed_draws_the_whole_range(ax):
    figures.every_seed(ax, [0], np.array([[1.0], [2], [5]]), "sgd")
    assert ax.lines[0].get_ydata().tolist() == [2]
    assert ax.collections[0].get_segments()[0][:, 1].tolist() == [1, 5]
    figures.every_seed(ax, [0], np.array([[1.0], [2]]), "sgd", color="k", label="two")
    assert ax.lines[-1].get_color() == "k"


def test_seaborn_draws_in_the_house_style(ax):
    import seaborn

    colours = [figures.PALETTE[kind].lower() for kind in figures.MARKS]
    assert seaborn.color_palette().as_hex() == colours
    frame = {"x": [0, 0, 0, 1, 1, 1], "y": [1.0, 2, 3, 4, 5, 6]}
    seaborn.pointplot(frame, x="x", y="y", errorbar=figures.interval95, ax=ax)
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert any(y == pytest.approx(figures.interval95([1.0, 2, 3])) for y in drawn)


def drawn(ax):
    """Each family's marks and bars, whatever the order in which they were drawn."""
    marked = [line for line in ax.lines if line.get_marker() in figures.MARKS.values()]
    bars = [bar.get_segments()[0].tolist() for bar in ax.collections]
    looks = [
        (m.get_marker(), to_rgb(m.get_color()), m.get_markersize(), m.get_linestyle())
        for m in marked
    ]
    return sorted(
        zip(looks, [m.get_xydata().tolist() for m in marked], bars, strict=True)
    )


def test_a_table_is_drawn_as_every_seed_is(ax):
    import seaborn

    frame = pd.DataFrame({"x": [1, 1, 1, 2, 2, 2], "y": [1.0, 2, 5, 4, 5, 7]})
    family = pd.Series(["control"] * 3 + ["sgd"] * 3)
    seaborn.lineplot(frame, x="x", y="y", **figures.by_family(family), ax=ax)
    _, by_hand = plt.subplots()
    figures.every_seed(by_hand, 1, frame.y[:3].to_frame(), "control")
    figures.every_seed(by_hand, 2, frame.y[3:].to_frame(), "sgd")
    assert drawn(ax) == drawn(by_hand)
    assert len(drawn(ax)) == 2


def test_the_vendored_font_is_used(ax):
    assert ax.set_title("a").get_fontname() == "Source Sans 3"


def test_data_reaches_the_script():
    fragment = figures.interactive("nearest_interpolator", example=np.array([1, 0.25]))
    text = getattr(fragment, "data", fragment)
    assert '{"example":[1.0,0.25]}' in text
    assert "__DATA__" not in text


def test_an_unknown_drawing_is_one_line():
    with pytest.raises(BookError, match="no interactive figure 'nothing'"):
        figures.interactive("nothing")
