"""The look of the pages: the style sheets in their order, and the figures' colours.

The colours are defined once, in `helpers.figures.PALETTE`; palette.css is written from
there at build time. In the dark a colour is the same hue, lighter.
"""

from html import escape
from pathlib import Path
from textwrap import shorten

from docutils import nodes

from helpers.figures import PALETTE

SHEETS = (
    "palette.css",
    "type.css",
    "layout.css",
    "parts.css",
    "icons.css",
    "print.css",
)
LONGEST = 200  # characters of a description
LIGHTER = "color-mix(in oklab, {} 58%, white)"


def stylesheet(palette):
    """CSS that defines one variable per colour, for light and for dark pages."""

    def block(selector, shade):
        rows = "".join(f"  --{k}: {shade(v)};\n" for k, v in palette.items())
        return f"{selector} {{\n{rows}}}\n"

    dark = block("html[data-theme='dark']", LIGHTER.format)
    return block(":root", str) + f"@media screen {{\n{dark}}}\n"


def write_palette(app, exception):
    if exception is None and app.builder.format == "html":
        sheet = Path(app.outdir, "_static", "palette.css")
        sheet.write_text(stylesheet(PALETTE), encoding="utf-8")


def add_folder(app, config):
    config.html_static_path.append("_style")


def no_empty_heads(app, doctree):
    """The corner of a pandas table heads nothing."""
    for table in list(doctree.findall(nodes.raw)):
        text = table.astext()
        if "<th></th>" in text:
            text = text.replace("<th></th>", "<td></td>")
            table.replace_self(nodes.raw("", text, format="html"))


def defer_scripts(app, pagename, templatename, context, doctree):
    """None holds up the page but the few bytes that the inline ones ask for."""
    if pagename != "search":  # its own words in the page call what they load
        context["script_files"] = [*map(deferred, context["script_files"])]


def describe(app, pagename, templatename, context, doctree):
    """The first paragraph up to its first formula, for whoever shows a link to it."""
    paragraphs = list(doctree.findall(is_prose)) if doctree else []
    if paragraphs:
        words = shorten(before_formulas(paragraphs[0]), LONGEST, placeholder=" …")
        tag = f'<meta name="description" content="{escape(words)}">'
        context["metatags"] = context.get("metatags", "") + tag


def is_prose(node):
    return isinstance(node, nodes.paragraph) and isinstance(node.parent, nodes.section)


def before_formulas(paragraph):
    """Its whole sentences that need no formula; all its words if there is none."""
    words = ""
    for part in paragraph.children:
        if isinstance(part, nodes.math):
            return words[: words.rfind(". ") + 1] or words
        words += part.astext()
    return words


def deferred(script):
    name = str(script.filename or "")
    if not name.endswith(".js") or "documentation_options" in name:
        return script
    how = script.attributes | {"defer": "defer"}
    return type(script)(script.filename, priority=script.priority, **how)


def leave_out(app, exception):
    """What the theme copies and no page asks for: a megabyte and a half of icons."""
    for unused in Path(app.outdir, "_static", "scripts").glob("fontawesome*"):
        unused.unlink()


def always_finish(app, env, added, changed, removed):
    """With no page to write, Sphinx would not copy a changed style sheet either."""
    return [app.config.root_doc]


def setup(app):
    for place, sheet in enumerate(SHEETS):
        app.add_css_file(sheet, priority=900 + place)
    app.add_js_file("page.js")
    app.connect("config-inited", add_folder)
    app.connect("env-get-outdated", always_finish)
    app.connect("doctree-read", no_empty_heads)
    app.connect("html-page-context", defer_scripts, priority=900)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_palette)
    app.connect("build-finished", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
