"""What a figure shows, as a table: for whoever wants to draw it otherwise.

A notebook stores it beside the drawing, as CSV; the page has a button for it.
"""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIME = "application/vnd.implicit-bias.figure+csv"
COLUMNS = ("panel", "color", "drawn", "x", "y", "low", "high", "x name", "y name")
MOST = 30  # points of a curve, evenly chosen


def store_with_figures(palette: dict[str, str]) -> None:
    """A notebook keeps the numbers of every figure that it shows."""
    from IPython import get_ipython
    from IPython.core.formatters import BaseFormatter
    from matplotlib.figure import Figure
    from traitlets import ObjectName, Unicode

    class Numbers(BaseFormatter):
        format_type = Unicode(MIME)
        print_method = ObjectName("_figure_csv_")  # else all others by their repr

    display = get_ipython().display_formatter
    display.formatters[MIME] = numbers = Numbers(parent=display)
    numbers.for_type(Figure, lambda figure: as_csv(figure, palette))


def as_csv(figure: "Figure", palette: dict[str, str]) -> str:
    """A row a mark or a point of a curve, with the ends of its interval."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    families = {shade.lower(): name for name, shade in reversed(palette.items())}
    for number, ax in enumerate(figure.axes, 1):
        panel = ax.get_title(loc="left") or ax.get_ylabel() or number
        for color, *row in drawn(ax):
            table.writerow([panel, families.get(color, color), *row])
    return text.getvalue()


def drawn(ax: "Axes") -> Iterator[list[Any]]:
    """Marks and curves in the panel's own units; what only decorates it has others."""
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_hex

    bars = [box for box in ax.containers if hasattr(box, "has_yerr") and box[0]]
    caps = {id(cap) for box in bars for cap in box[1]}
    ends = {place: pair for box in bars for place, pair in intervals(box)}
    curves = [line for line in ax.lines if is_seen(line) and id(line) not in caps]
    clouds = [marks for marks in ax.collections if isinstance(marks, PathCollection)]
    shown = [(c.get_transform(), c.get_xydata(), c.get_color(), how(c)) for c in curves]
    shown += [
        (marks.get_offset_transform(), marks.get_offsets().data, color, "marks")
        for marks in clouds
        for color in marks.get_facecolor()[:1]
    ]
    for placed_by, points, color, look in shown:
        if in_its_units(ax, placed_by):
            for x, y in thinned(points):
                numbers = map(digits, (x, y, *ends.get((x, y), ("", ""))))
                words = word(ax.xaxis, x), word(ax.yaxis, y)
                yield [to_hex(color), look, *numbers, *words]


def in_its_units(ax: "Axes", placed_by: Any) -> bool:
    """Also where marks are drawn a few points aside."""
    corners = ax.viewLim.get_points()
    moved = placed_by.transform(corners) - ax.transData.transform(corners)
    return np.allclose(moved[0], moved[1])


def how(line: Any) -> str:
    """Its stroke and its mark, which tell curves of one colour apart."""
    mark = "" if line.get_marker() == "None" else str(line.get_marker())
    hollow = "hollow " if mark and line.get_markerfacecolor() == "white" else ""
    stroke = "" if line.get_linestyle() == "None" else line.get_linestyle()
    return f"{stroke} {hollow}{mark}".strip()


def is_seen(line: Any) -> bool:
    """Error bars bring a line through their middles that draws nothing."""
    return (line.get_linestyle(), line.get_marker()) != ("None", "None")


def intervals(box: Any) -> Iterator[tuple[tuple[float, ...], tuple[float, float]]]:
    """Of error bars: where each mark stands, and between what (of y, if it can be)."""
    along = 1 if box.has_yerr else 0
    segments = box[2][-1].get_segments()
    for place, ends in zip(box[0].get_xydata(), segments, strict=True):
        if len(ends):  # none where nothing was measured
            yield tuple(place), (ends[0][along], ends[1][along])


def thinned(points: np.ndarray) -> np.ndarray:
    points = points[np.isfinite(points).all(1)]
    if len(points) <= MOST:
        return points
    return points[np.linspace(0, len(points) - 1, MOST).astype(int)]


def digits(value: Any) -> str:
    return value if value == "" else f"{value:.4g}"


def word(axis: Any, place: float) -> str:
    """What is written beside a mark, where places are words and not numbers."""
    for tick in axis.get_major_ticks():
        name = " ".join(tick.label1.get_text().split())
        if abs(tick.get_loc() - place) <= 0.5 and name and "mathdefault" not in name:
            return "" if number(name) else name
    return ""


def number(name: str) -> bool:
    return not any(map(str.isalpha, name))
