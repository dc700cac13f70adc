"""A value against its criterion, with a control that must fail: the verdict."""

import html
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helpers import dials
from helpers.dials import BookError

MIME = "application/vnd.implicit-bias.claims+json"
VERDICTS = {
    "reproduced": "●",
    "partly": "◐",
    "not reproduced": "○",
    "contradicts the source": "✕",
    "vacuous": "∅",
    "not run at this scale": "–",
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Spread = Literal["every seed", "mean"]
Value = float | Sequence[float] | np.ndarray | None


@dataclass(frozen=True)
class Claim:
    """A sentence, the number that decides it, and a setting in which it must fail.

    `value` is one number, or one a seed; `over` says what the criterion is put to: the
    worst seed, or the far end of the 95 % interval of the mean. The control is judged
    by its *best* end. A claim that misses its criterion and reaches `refuted_at` as
    well contradicts its source. A value of None was not run at this scale.
    """

    id: str
    statement: str
    source: str
    value: Value
    control: tuple[str, Value]
    at_most: float = math.inf
    at_least: float = -math.inf
    over: Spread = "every seed"
    refuted_at: float | None = None
    seeds: Iterable[int] | None = None  # by default, as many as there are values

    def __post_init__(self):
        if math.isinf(self.at_most) and math.isinf(self.at_least):
            raise BookError(f"{self.id} has no criterion: give at_most or at_least")

    @property
    def interval(self) -> tuple[float, float]:
        return _interval(self.value, self.over)

    @property
    def criterion(self) -> str:
        if math.isinf(self.at_least):
            return f"≤ {_digits(self.at_most)}"
        if math.isinf(self.at_most):
            return f"≥ {_digits(self.at_least)}"
        return f"in [{_digits(self.at_least)}, {_digits(self.at_most)}]"

    @property
    def met(self) -> bool:
        """Over the whole interval."""
        low, high = self.interval
        return self.at_least <= low and high <= self.at_most

    @property
    def control_fails(self) -> bool:
        """Over its whole interval; a control that is not a number proves nothing."""
        low, high = _interval(self.control[1], self.over)
        return high < self.at_least or self.at_most < low

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not run at this scale"
        if not self.control_fails:
            return "vacuous"
        if self.met:
            return "reproduced"
        low, high = self.interval
        if low <= self.at_most and self.at_least <= high:
            return "partly"
        return "contradicts the source" if self._refuted() else "not reproduced"

    def _refuted(self) -> bool:
        if self.refuted_at is None:
            return False
        low, high = self.interval
        too_high = self.refuted_at > self.at_most
        return low >= self.refuted_at if too_high else high <= self.refuted_at

    def _seeds(self) -> Iterable[int]:
        if self.seeds is not None:
            return self.seeds
        return dials.seeds(np.size(self.value)) if np.size(self.value) > 1 else ()

    def as_data(self) -> dict[str, Any]:
        label, control = self.control
        return {
            "id": self.id,
            "source": self.source,
            "statement": self.statement,
            "verdict": self.verdict,
            "scale": dials.read().scale,
            "value": _centre(self.value, self.over),
            "interval": _rounded(self.interval),
            "over": self.over if np.size(self.value) > 1 else "one run",
            "criterion": self.criterion,
            "control": {
                "label": label,
                "interval": _rounded(_interval(control, self.over)),
            },
            "seeds": list(self._seeds()),
        }


class Ledger(list[Claim]):
    """Checked claims: a table for readers, data for the scorecard, text for nbval."""

    def __str__(self) -> str:
        """Stable text, without a measured digit: this is what nbval compares."""
        return "\n".join(
            f"{claim.id} | {claim.verdict} | {dials.read().scale} | "
            f"inside the criterion: {_yes(claim.met)} | "
            f"control outside: {_yes(claim.control_fails)}"
            for claim in self
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        rows = [claim.as_data() for claim in self]
        return {"text/html": table(rows), "text/plain": str(self), MIME: rows}


def check(*claims: Claim) -> Ledger:
    """The claims with their verdicts, to be shown and stored in the notebook."""
    names = [claim.id for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise BookError(f"two claims are called {name}: give each its own id")
    return Ledger(claims)


def table(rows: list[dict[str, Any]], *, with_chapter: bool = False) -> str:
    """An HTML table of stored claims."""
    heads = ["", "Claim", "Measured", "Criterion", "Control", "Source"]
    if with_chapter:
        heads.insert(1, "Chapter")
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    body = "\n".join(_row(row, with_chapter) for row in rows)
    return (
        "<div class='claims-frame'><table class='claims'>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def badge(verdict: str) -> str:
    kind = verdict.split(" the ")[0].split(" at ")[0].replace(" ", "-")
    return f"<span class='verdict verdict-{kind}'>{VERDICTS[verdict]} {verdict}</span>"


def chapters() -> list[str]:
    """The notebooks of the table of contents, in its order, that hold claims."""
    names = re.findall(r"file:\s*(\S+)", (dials.ROOT / "_toc.yml").read_text())
    notebooks = [name for name in names if notebook(name).is_file()]
    return [name for name in notebooks if name != "scorecard"]


def notebook(chapter: str) -> Path:
    return dials.ROOT / "book" / f"{chapter}.ipynb"


def stored(path: Path) -> list[dict[str, Any]]:
    """The claims that a stored notebook shows its reader."""
    try:
        cells = json.loads(path.read_text())["cells"]
    except FileNotFoundError:
        raise BookError(f"no chapter {path.stem!r}: {path} is not there") from None
    except (ValueError, KeyError, TypeError):
        raise BookError(f"{path} is no notebook: restore it with git") from None
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    if not outputs:
        raise BookError(f"{path} was never executed: run `make reproduce`")
    found = [
        output["data"][MIME] for output in outputs if MIME in output.get("data", ())
    ]
    return [row | {"chapter": path.stem} for rows in found for row in rows]


def scorecard() -> list[dict[str, Any]]:
    """Every claim of the stored notebooks, in the order of the book."""
    return [row for chapter in chapters() for row in stored(notebook(chapter))]


def as_text(rows: list[dict[str, Any]]) -> str:
    """For a terminal."""
    return "\n".join(
        f"{row['id']:8} {VERDICTS[row['verdict']]} {row['verdict']:22} {row['scale']:7}"
        f" {measured(row):32} {row['criterion']:16} {row['statement']}"
        for row in rows
    )


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """For the README."""
    lines = ["| claim | statement | verdict | scale |", "|---|---|---|---|"]
    for row in rows:
        sign = f"{VERDICTS[row['verdict']]} {row['verdict']}"
        lines.append(f"| {row['id']} | {row['statement']} | {sign} | {row['scale']} |")
    return "\n".join(lines)


def measured(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    if row["over"] == "one run":
        return _digits(row["value"])
    return f"{_digits(row['value'])} [{_range(row['interval'])}]"


def _row(row: dict[str, Any], with_chapter: bool) -> str:
    control = _range(row["control"]["interval"], " to ")
    over = "together" if row["over"] == "one run" else row["over"]
    seeds = f"<br><small>{len(row['seeds'])} seeds, {over}</small>"
    cells = [
        f"{badge(row['verdict'])}<br><small>{row['scale']}</small>",
        f"<strong>{row['id']}</strong> {html.escape(row['statement'])}",
        measured(row) + (seeds if row["seeds"] else ""),
        row["criterion"],
        f"{html.escape(row['control']['label'])}: {control}",
        html.escape(row["source"]),
    ]
    if with_chapter:
        cells.insert(1, f"<a href='{row['chapter']}.html'>{row['chapter']}</a>")
    filters = (
        f"data-verdict='{row['verdict']}' data-source='{html.escape(row['source'])}'"
    )
    return f"<tr {filters}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _interval(value: Value, over: Spread) -> tuple[float, float]:
    if value is None:
        return math.nan, math.nan
    values = np.asarray(value, dtype=float).ravel()
    if over == "every seed" or len(values) == 1:
        return float(values.min()), float(values.max())
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean() - half), float(values.mean() + half)


def _range(interval: list[float] | None, between: str = ", ") -> str:
    if interval is None:
        return "not a number"
    low, high = map(_digits, interval)
    return low if low == high else f"{low}{between}{high}"


def _digits(value: float) -> str:
    """Three digits at most, and powers of ten as they are printed in a book."""
    text = f"{float(value):.3g}"  # infinity was stored as text, as JSON has none
    if "e" not in text:
        return text
    digits, power = text.split("e")
    digits = "" if digits == "1" else f"{digits}·"
    return f"{digits}10{str(int(power)).translate(SUPERSCRIPTS)}"


def _centre(value: Value, over: Spread) -> float | None:
    if value is None:
        return None
    middle = np.mean if over == "mean" else np.median
    return float(f"{middle(np.asarray(value)):.4g}")


def _rounded(interval: tuple[float, float]) -> list[float] | None:
    """As JSON, which knows no NaN."""
    if any(math.isnan(end) for end in interval):
        return None
    return [float(f"{end:.4g}") for end in interval]


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
