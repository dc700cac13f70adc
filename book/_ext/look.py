"""The look of the pages: the style sheets in their order, and the figures' colours.

The colours are defined once, in `helpers.figures.PALETTE`; palette.css is written from
there at build time. In the dark a colour is the same hue, lighter.
"""

from pathlib import Path

from helpers.figures import PALETTE

SHEETS = (
    "palette.css",
    "type.css",
    "layout.css",
    "parts.css",
    "icons.css",
    "print.css",
)
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


def always_finish(app, env, added, changed, removed):
    """With no page to write, Sphinx would not copy a changed style sheet either."""
    return [app.config.root_doc]


def setup(app):
    for place, sheet in enumerate(SHEETS):
        app.add_css_file(sheet, priority=900 + place)
    app.add_js_file("page.js")
    app.connect("config-inited", add_folder)
    app.connect("env-get-outdated", always_finish)
    app.connect("build-finished", write_palette)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
