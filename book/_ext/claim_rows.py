"""Claims as the pages show them: an address each, and behind a fold all that is known.

A notebook stores its claims as data, beside a plain table for whoever opens it with
Jupyter. Here the plain table of a page gives way to one whose rows can be linked, that
`{claim}` refers to and the search finds.
"""

import functools
import subprocess
from html import escape

from docutils import nodes
from sphinx.domains.std import StandardDomain
from sphinx.roles import XRefRole

import errata
import strip
from address import repository, site
from helpers import audit, dials, ledger
from helpers.dials import BookError

HEADS = ("Verdict", "Claim", "Measured", "Criterion", "Control", "Source")
WHOSE = {
    "source": "the source says this",
    "sharpened": "sharpened here, from what the source says",
    "book": "this book's own",
}
SEEN = {
    "no": "before its value was known",
    "same commit": "in one commit with its first value",
    "yes": "after its value was known",
}
OVER = {
    "every seed": "the worst seed must meet it; the best of the control must not",
    "mean": "the far end of the mean's 95 % interval must meet it",
    "one run": "one run",
}


def table(rows, *, on_scorecard=False):
    """One body a claim, which carries its address; without folds on the scorecard."""
    heads = (("Chapter",) if on_scorecard else ()) + HEADS
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    bodies = "\n".join(body(row, on_scorecard) for row in rows)
    return (
        "<div class='claims-frame'><table class='claims'>"
        f"<thead><tr>{head}</tr></thead>\n{bodies}\n</table></div>"
    )


def body(row, on_scorecard):
    page = f"{row['chapter']}.html" if on_scorecard else ""
    cells = dict(zip(HEADS, main_cells(row, page), strict=True))
    if on_scorecard:
        cells = {"Chapter": f"<a href='{page}'>{row['chapter']}</a>"} | cells
    inside = "".join(
        f"<td data-label='{head}'><div>{cell}</div></td>"
        for head, cell in cells.items()
    )
    known = {"verdict": row["verdict"], "source": row["source"], "said": row["said"]}
    known |= {"chapter": row["chapter"]}
    data = "".join(f" data-{key}='{escape(text)}'" for key, text in known.items())
    name = "" if on_scorecard else f" id='{row['id']}'"
    more = "" if on_scorecard else f"<tr><td colspan='6'>{fold(row)}</td></tr>"
    return f"<tbody class='claim'{name}{data}><tr>{inside}</tr>{more}</tbody>"


def kind(verdict):
    """Its name as a class of the style sheet."""
    return verdict.split(" the ")[0].split(" at ")[0].replace(" ", "-")


def main_cells(row, page):
    control = row["control"]
    ends = ledger.ends(control["interval"], " to ")
    return (
        f"{ledger.badge(row['verdict'])}<small>{row['scale']}</small>",
        f"<a class='claim-id' href='{page}#{row['id']}'>{row['id']}</a> "
        f"{escape(row['statement'])}<small>{escape(row['quantity'])}</small>",
        f"{ledger.measured(row)}<small>{ledger.units(row)}</small>",
        ledger.criterion(row),
        f"{escape(control['label'])}: {ends}",
        f"{escape(row['source'])}<small>{ledger.SAID[row['said']]}</small>",
    )


def fold(row):
    """All that is known of a claim, and how to link, cite and check it."""
    told = {
        "Whose": WHOSE[row["said"]],
        "Judged": OVER[row["over"]],
        "Criterion set": criterion_set(row),
        "Changed": escape(row["changed"]),
        "Erratum": ", ".join(
            f"<a href='#e{number}'>E{number}</a>"
            for number in errata.about(row["chapter"], row["id"])
        ),
        "Behind it": behind(row),
        "Check it": copied(f"python -m helpers recheck {row['id']}"),
        "Link": f"<div class='highlight address'><pre>#{row['id']}</pre></div>",
        "Cite": copied(bibtex(row)),
    }
    parts = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in told.items() if v)
    return (
        f"<details><summary>{row['id']}: seed by seed, history, records, citing"
        f"</summary>{strip.drawing(row)}<dl>{parts}</dl></details>"
    )


def criterion_set(row):
    """When, by the history; without git, what the claim itself says."""
    if not (origin := origins().get(row["id"])):
        return SEEN.get(row["seen"], "")
    seen = row["seen"] or ("same commit" if origin.since == origin.value else "no")
    return escape(origin.why or f"in {origin.since}, {SEEN[seen]}")


@functools.cache
def origins():
    try:
        return {origin.id: origin for origin in audit.origins()}
    except BookError:
        return {}


def behind(row):
    if not row["sweeps"]:
        return "computed when the page is run"
    names = ", ".join(f"“{escape(name)}”" for name in row["sweeps"])
    return f"recorded runs of {names}, in <code>data/records/{row['chapter']}/</code>"


def copied(text):
    return f"<div class='highlight'><pre>{escape(text)}</pre></div>"


def bibtex(row):
    """Of the claim, as it stood when the page was built."""
    key = f"implicit_bias_{row['id'].replace('-', '_')}"
    lines = [
        f"@misc{{{key},",
        "  author = {{The contributors}},",
        f"  title  = {{Claim {row['id']}: {row['statement']}}},",
        f"  note   = {{Implicit Bias, Claim by Claim. Verdict: {row['verdict']}, "
        f"scale {row['scale']}{at_commit()}}},",
        "  year   = {2026},",
    ]
    if repository() and site(repository()):
        where = f"{site(repository())}{row['chapter']}.html#{row['id']}"
        lines.append(f"  url    = {{{where}}},")
    return "\n".join([*lines, "}"])


def commit():
    """The short name of what the pages are built from; nothing without git."""
    asked = ["git", "-C", str(dials.ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def at_commit():
    return f", commit {commit()}" if commit() else ""


def plain_tables(doctree):
    """The tables that a notebook stores for whoever opens it with Jupyter."""
    raw = list(doctree.findall(nodes.raw))
    return [node for node in raw if "<table class='claims'>" in node.astext()]


def replace_table(app, doctree):
    """On a chapter: rows with addresses, known to the role and the search."""
    chapter = app.env.docname
    if chapter not in ledger.chapters():
        return
    rows = ledger.stored(ledger.notebook(chapter))
    for plain in plain_tables(doctree):
        plain.replace_self(nodes.raw("", table(rows), format="html"))
    for row in rows:
        app.env.get_domain("std").note_object("claim", row["id"], row["id"])


def add_statements(app, doctree, docname):
    """What a link to a claim says when the reader rests on it."""
    known = {row["id"]: row for row in ledger.scorecard()}
    for link in doctree.findall(nodes.reference):
        inside = next(iter(link.findall(nodes.inline)), None)
        if inside is not None and "std-claim" in inside["classes"]:
            row = known[link.astext()]
            link["reftitle"] = f"{row['statement']} ({row['verdict']})"


def setup(app):
    app.add_object_type("claim", "claim", objname="claim")
    role = XRefRole(innernodeclass=nodes.inline, warn_dangling=True)
    app.add_role_to_domain("std", "claim", role, override=True)
    StandardDomain.dangling_warnings["claim"] = "no claim is called %(target)r"
    app.connect("doctree-read", replace_table)
    app.connect("doctree-resolved", add_statements)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
