"""The house style and the few recurring marks: arrays in, axes out.

One language on every page: theory is a thin dark line, measurements are marks with
their interval, the control is grey, the criterion is drawn, and each family of methods
keeps one colour and one mark throughout the book.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers import figure_data
from helpers.dials import BookError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = {
    "gd": "#0B62A8",
    "sgd": "#D1590A",
    "noise": "#0A8F6A",
    "adaptive": "#A4508B",
    "regularised": "#B8860B",
    "control": "#8C8C8C",
    "theory": "#222222",
    "accent": "#0B62A8",
}
INK = PALETTE | {  # words are thinner than marks, and want to be darker
    "sgd": "#B34A05",
    "noise": "#077556",
    "regularised": "#8A6400",
    "control": "#6B6B6B",
}
MARKS = {
    "gd": "o",
    "sgd": "s",
    "noise": "^",
    "adaptive": "D",
    "regularised": "v",
    "control": "X",
}
_HERE = Path(__file__).parent
_BOLD = {  # the second family has the Greek that the first lacks
    "fontfamily": ["Source Sans 3 SemiBold", "DejaVu Sans"],
    "fontweight": 600,
}
_BARS = {
    "err_style": "bars",
    "err_kws": {"elinewidth": 1.1, "capsize": 2},
    "legend": False,
}
_NOT_TOLD = "Date", "Creator", "Format", "Type"
WIDE, TALL = 5.6, 2.8  # inches: the measure of the page


def use_house_style() -> None:
    """Call once, at the top of a chapter."""
    import matplotlib as mpl
    from matplotlib import font_manager

    # The family that lends its Greek has no semi-bold, and would say so at each label.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    for path in sorted((_HERE / "fonts").glob("*.ttf")):
        font_manager.fontManager.addfont(path)
    mpl.rcParams.update(_STYLE)
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=[PALETTE[k] for k in MARKS])
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # a plain script: nobody looks
        return
    if get_ipython() is not None:
        mpl.use("agg")  # a cell shows the figure that it ends with, and no other
        set_matplotlib_formats("svg", metadata=dict.fromkeys(_NOT_TOLD))
        figure_data.store_with_figures(PALETTE)


def theory(ax: "Axes", x, y, label: str = "", **style: Any) -> None:
    """What was predicted: a thin dark line."""
    ax.plot(x, y, **{"color": PALETTE["theory"], "lw": 1.1, "label": label} | style)


def measured(ax: "Axes", x, samples, kind: str, aside: float = 0, **style: Any) -> None:
    """What was measured: the mean over the first axis, and its 95 % interval.

    Marks that would cover others are drawn so many points `aside` of where they are.
    """
    _over_seeds(ax, x, samples, "mean", interval95, kind, aside, style)


def every_seed(
    ax: "Axes", x, samples, kind: str, aside: float = 0, **style: Any
) -> None:
    """The median with the whole range of the seeds, for quantities on a log axis."""
    _over_seeds(ax, x, samples, "median", ("pi", 100), kind, aside, style)


def by_family(family, **style: Any) -> dict[str, Any]:
    """What makes seaborn's lineplot draw as `every_seed` does, from a row a seed.

    `family` names each row's; `style` may ask for another interval, or other marks.
    """
    look = {"hue": family, "style": family, "palette": PALETTE, "markers": MARKS}
    line = {"linestyle": "none", "dashes": False, "ms": 4.5, "mew": 1, "mec": None}
    spread = {"estimator": "median", "errorbar": ("pi", 100)}
    return look | line | spread | _BARS | style


def _over_seeds(ax, x, samples, centre, interval, kind, aside, style) -> None:
    import seaborn
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D
    from matplotlib.transforms import offset_copy

    if centre == "mean" and ax.get_yscale() != "linear":
        raise BookError(
            "on a scale that is not linear the mean is another: set it after"
        )
    samples = np.atleast_2d(np.asarray(samples, float))
    places = np.broadcast_to(np.atleast_1d(x), samples.shape)
    mark = {"color": PALETTE[kind], "marker": MARKS[kind], "linestyle": "none"}
    mark |= {"markersize": 4.5, "markeredgecolor": PALETTE[kind]}
    already = {*ax.lines, *ax.collections}
    seaborn.lineplot(
        x=places.ravel(),
        y=samples.ravel(),
        ax=ax,
        estimator=centre,
        errorbar=interval,
        **_BARS | mark | normalize_kwargs(style, Line2D),
    )
    if aside:  # only now, since the limits of the axis come from where things are
        moved = offset_copy(ax.transData, ax.figure, x=aside, units="points")
        for drawn in {*ax.lines, *ax.collections} - already:
            drawn.set_transform(moved)


def criterion(ax: "Axes", y: float, text: str, *, at: float = 1.0) -> None:
    """The line that the claim is judged by."""
    ax.axhline(y, color=PALETTE["theory"], lw=0.8, ls=(0, (1, 2)), zorder=0)
    ax.annotate(
        text,
        (at, y),
        xycoords=("axes fraction", "data"),
        xytext=(-4 if at > 0.5 else 4, 3),
        textcoords="offset points",
        ha="right" if at > 0.5 else "left",
        fontsize=9,
        fontstyle="italic",
    )


def label(ax: "Axes", x: float, y: float, text: str, kind: str, **style: Any) -> None:
    """A label beside the line it belongs to, in its colour."""
    ax.annotate(text, (x, y), **_BOLD | {"color": INK[kind]} | style)


def half_interval(samples: np.ndarray) -> np.ndarray:
    """Half the 95 % t-interval of the mean over the first axis."""
    from scipy.stats import t

    count = len(samples)
    if count == 1:
        return np.zeros(samples.shape[1:])
    return t.ppf(0.975, count - 1) * samples.std(0, ddof=1) / count**0.5


def interval95(values) -> tuple[float, float]:
    """The ends of the 95 % t-interval of the mean: what seaborn's errorbar= takes."""
    values = np.asarray(values)
    middle, reach = values.mean(), half_interval(values)
    return middle - reach, middle + reach


def interactive(drawing: str, **data: Any):
    """A figure that answers to the reader without a kernel: SVG and a short script.

    helpers/interactive/<drawing>.html is the page's fragment; `data` reaches its script
    as the constant DATA.
    """
    path = _HERE / "interactive" / f"{drawing}.html"
    if not path.is_file():
        raise BookError(f"no interactive figure {drawing!r}: {path} is not there")
    told = json.dumps(data, default=_listed, separators=(",", ":"))
    fragment = path.read_text().replace("__DATA__", told)
    try:
        from IPython.display import HTML
    except ImportError:
        return fragment
    return HTML(fragment)


def _listed(value: Any) -> Sequence[Any]:
    return np.asarray(value).round(6).tolist()


_STYLE = {
    "font.family": ["Source Sans 3", "DejaVu Sans"],
    "font.size": 10,
    "mathtext.fontset": "stixsans",
    "figure.figsize": (WIDE, TALL),
    "figure.constrained_layout.use": True,
    "figure.max_open_warning": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALETTE["theory"],
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelcolor": PALETTE["theory"],
    "xtick.color": PALETTE["theory"],
    "ytick.color": PALETTE["theory"],
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "text.color": PALETTE["theory"],
    "legend.frameon": False,
    "svg.hashsalt": "implicit-bias",
    "svg.fonttype": "path",
    "savefig.facecolor": "none",
}
