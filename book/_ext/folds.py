"""Code stands behind folds on the pages, except the cells that are the idea.

The notebooks stay as they are; only what Sphinx reads of them is rearranged. Cells in
a row that show nothing become one with the next, so that one fold holds them, and what
a cell shows comes before its code. What nbval alone reads is left out.
"""

import json
from html import escape

from myst_nb.sphinx_ import HideCodeCellNode, HideInputCells
from sphinx.transforms.post_transforms import SphinxPostTransform

OPEN = "idea"  # the tag of a cell whose code stands open
FOLDED = {"hide-input", "hide-cell"}
TITLES = "code_prompt_show", "code_prompt_hide"


def rearrange(app, docname, source):
    """The cells of a notebook as the page wants them."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook, cells = json.loads(source[0]), []
    for cell in map(folded, notebook["cells"]):
        if "".join(cell["source"]).startswith("# NBVAL_CHECK_OUTPUT"):
            continue
        if cells and is_silent(cells[-1]) and is_folded(cell):
            cell = together(cells.pop(), cell)
        cells.append(cell)
    source[0] = json.dumps(notebook | {"cells": cells})


def folded(cell):
    """The cell, its code behind a fold unless its tags say otherwise."""
    tags = cell["metadata"].get("tags", [])
    if cell["cell_type"] != "code" or {
        OPEN,
        "remove-input",
        "remove-cell",
    }.intersection(tags):
        return cell
    tags = [*(tag for tag in tags if tag != "hide-cell"), "hide-input"]
    return cell | {"metadata": cell["metadata"] | {"tags": tags}}


def is_folded(cell):
    return "hide-input" in cell["metadata"].get("tags", [])


def is_silent(cell):
    return is_folded(cell) and not cell["outputs"]


def together(first, second):
    """One cell of two: the code of both, what the second shows, and its title."""
    first_code = titled(first)
    second_code = titled(second) if "figure" not in of_page(second) else second
    lines = [*first_code["source"], "\n\n", *second_code["source"]]
    return second | {"source": "".join(lines)}


def titled(cell):
    """Its title, which the fold of several has no room for, as a comment."""
    title = of_page(cell).get(TITLES[0])
    text = "".join(cell["source"])
    if not title or text.startswith("# "):
        return cell
    return cell | {"source": f"# {title}\n{text}"}


def of_page(cell):
    return cell["metadata"].get("mystnb", {})


class CodeAfterOutput(SphinxPostTransform):
    """What a cell shows, and below it the fold with the code."""

    default_priority = HideInputCells.default_priority + 1
    formats = ("html",)

    def run(self, **_):
        for fold in list(self.document.findall(HideCodeCellNode)):
            cell = fold.parent
            if len(cell) == 2 and cell[0] is fold:
                cell.remove(fold)
                cell.append(fold)


def open_fold(writer, fold):
    """A fold is called by its title, by screen readers too."""
    title = escape(fold["prompt_show"])
    writer.body.append(
        f"<details class='code'><summary>{title}</summary>\n",
    )


def close_fold(writer, fold):
    writer.body.append("</details>\n")


def setup(app):
    app.connect("source-read", rearrange)
    app.add_post_transform(CodeAfterOutput)
    app.add_node(HideCodeCellNode, override=True, html=(open_fold, close_fold))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
