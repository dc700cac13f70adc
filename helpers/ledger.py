"""Stored claims: tables for pages, the scorecard, claims.json. It never judges."""

import csv
import html
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import dials
from helpers.dials import BookError

MIME = "application/vnd.implicit-bias.claims+json"
VERDICTS = {
    "reproduced": "●",
    "undecided": "◐",
    "not reproduced": "○",
    "contradicts the source": "✕",
    "vacuous": "∅",
    "not run at this scale": "–",
}
SAID = {
    "source": "",
    "sharpened": "sharpened here",
    "book": "ours",
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Row = dict[str, Any]


def chapters() -> list[str]:
    """The notebooks of the table of contents, in its order, that hold claims."""
    names = re.findall(r"file:\s*(\S+)", (dials.ROOT / "_toc.yml").read_text())
    notebooks = [name for name in names if notebook(name).is_file()]
    return [name for name in notebooks if name != "scorecard"]


def notebook(chapter: str) -> Path:
    return dials.ROOT / "book" / f"{chapter}.ipynb"


def stored(path: Path) -> list[Row]:
    """The claims that a stored notebook shows its reader."""
    try:
        notebook = json.loads(path.read_text())
        executed = any(cell.get("outputs") for cell in notebook["cells"])
    except FileNotFoundError:
        raise BookError(f"no chapter {path.stem!r}: {path} is not there") from None
    except (ValueError, KeyError, TypeError):
        raise BookError(f"{path} is no notebook: restore it with git") from None
    if not executed:
        raise BookError(f"{path} was never executed: run `make reproduce`")
    return claims_in(notebook)


def bundles_in(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """What the ledgers of an executed notebook hold."""
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    return [out["data"][MIME] for out in outputs if MIME in out.get("data", ())]


def claims_in(notebook: dict[str, Any]) -> list[Row]:
    return [
        row | {"chapter": bundle["chapter"]}
        for bundle in bundles_in(notebook)
        for row in bundle["claims"]
    ]


def scorecard() -> list[Row]:
    """Every claim of the stored notebooks, in the order of the book."""
    return [row for chapter in chapters() for row in stored(notebook(chapter))]


def find(claim: str) -> Row:
    for row in scorecard():
        if row["id"] == claim:
            return row
    raise BookError(f"no claim {claim!r}: `python -m helpers scorecard` lists them")


def table(rows: list[Row], *, with_chapter: bool = False) -> str:
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


def as_text(rows: list[Row]) -> str:
    """For a terminal."""
    return "\n".join(
        f"{row['id']:8} {VERDICTS[row['verdict']]} {row['verdict']:22} {row['scale']:7}"
        f" {measured(row):32} {criterion(row):16} {row['statement']}"
        for row in rows
    )


def as_markdown(rows: list[Row]) -> str:
    """How many claims of each chapter got each verdict, for the README."""
    counts = Counter((row["chapter"], row["verdict"]) for row in rows)
    shown = [verdict for verdict in VERDICTS if verdict in {v for _, v in counts}]
    lines = ["| | " + " | ".join(f"{VERDICTS[v]} {v}" for v in shown) + " |"]
    lines += ["|---" * (len(shown) + 1) + "|"]
    for chapter in dict.fromkeys(row["chapter"] for row in rows):
        cells = (str(counts[chapter, verdict] or "") for verdict in shown)
        lines.append(f"| [{chapter}](book/{chapter}.ipynb) | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_csv(rows: list[Row]) -> str:
    """One line a claim, without what does not fit in a cell."""
    columns = ["id", "chapter", "statement", "quantity", "source", "said", "verdict"]
    columns += ["scale", "value", "low", "high", "at_least", "at_most", "over"]
    columns += ["control", "control_low", "control_high", "since", "seen", "changed"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        low, high = row["interval"] or ("", "")
        control = row["control"]["interval"] or ("", "")
        between = {"low": low, "high": high} | row["criterion"]
        between |= {"control_low": control[0], "control_high": control[1]}
        writer.writerow(row | between | {"control": row["control"]["label"]})
    return text.getvalue()


def measured(row: Row) -> str:
    if row["value"] is None:
        return "–"
    if row["over"] == "one run":
        return digits(row["value"])
    return f"{digits(row['value'])} [{ends(row['interval'])}]"


def criterion(row: Row) -> str:
    low, high = (row["criterion"].get(end) for end in ("at_least", "at_most"))
    if low is None:
        return f"≤ {digits(high)}"
    return f"≥ {digits(low)}" if high is None else f"in [{digits(low)}, {digits(high)}]"


def units(row: Row) -> str:
    """How many seeds, or what else it was judged over."""
    if not row["units"]:
        return ""
    over = "each" if row["over"] == "every seed" else row["over"]
    count = len(row["units"])
    return f"{count} {row['unit']}{'s' * (count > 1)}, {over}"


def ends(interval: list[float] | None, between: str = ", ") -> str:
    if interval is None:
        return "not a number"
    low, high = map(digits, interval)
    return low if low == high else f"{low}{between}{high}"


def digits(value: float) -> str:
    """Three digits at most, and powers of ten as they are printed in a book."""
    text = f"{float(value):.3g}".replace("-", "−", int(value < 0))
    if "e" not in text:
        return text
    mantissa, power = text.split("e")
    mantissa = "" if mantissa == "1" else f"{mantissa}·"
    return f"{mantissa}10{str(int(power)).translate(SUPERSCRIPTS)}"


def _row(row: Row, with_chapter: bool) -> str:
    control = ends(row["control"]["interval"], " to ")
    whose, over = SAID[row["said"]], units(row)
    cells = [
        f"{badge(row['verdict'])}<br><small>{row['scale']}</small>",
        f"<strong>{row['id']}</strong> {html.escape(row['statement'])}"
        f"<br><small>{html.escape(row['quantity'])}</small>"
        + (_note("changed", row["changed"]) if row["changed"] else ""),
        measured(row) + (f"<br><small>{over}</small>" if over else ""),
        criterion(row),
        f"{html.escape(row['control']['label'])}: {control}",
        html.escape(row["source"]) + (f"<br><small>{whose}</small>" if whose else ""),
    ]
    if with_chapter:
        cells.insert(1, f"<a href='{row['chapter']}.html'>{row['chapter']}</a>")
    filters = (
        f"data-verdict='{row['verdict']}' data-source='{html.escape(row['source'])}'"
    )
    return f"<tr {filters}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _note(title: str, text: str) -> str:
    inside = f"<summary>{title}</summary><small>{html.escape(text)}</small>"
    return f"<details>{inside}</details>"
