"""The numbers of every named figure, as `_static/figures/<its name>.csv`."""

import json
from pathlib import Path

from helpers import ledger
from helpers.figure_data import MIME


def tables(chapter):
    """Those that the notebook keeps beside its figures, by the figure's name."""
    cells = json.loads(ledger.notebook(chapter).read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", ()):
            if name and MIME in output.get("data", {}):
                yield name, "".join(output["data"][MIME])


def publish(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "figures")
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in ledger.chapters():
        for name, table in tables(chapter):
            Path(folder, f"{name}.csv").write_text(table, encoding="utf-8")


def setup(app):
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
