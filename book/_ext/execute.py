"""Execute chapters in place, on the stored records, and note what it took.

    python book/_ext/execute.py CHAPTER...

A chapter that fails is left as it was.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

import directives
from address import ROOT
from helpers import ledger, runner

FIGURE = ROOT / "book" / "headline.svg"
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}
KERNEL = {
    "name": "python3",
    "display_name": "Python 3",
    "language": "python",
}


def device():
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores"


def execute(path):
    """Run a notebook from top to bottom and store its outputs; seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    runner.execute(notebook, path.parent)
    seconds = round(time.perf_counter() - start, 1)

    notebook.metadata = {
        "kernelspec": KERNEL,
        "language_info": LANGUAGE,
        "book": {"seconds": seconds, "device": device()},
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            unbroken(output.get("data", {}))
    draft = path.with_suffix(".ipynb.part")
    nbformat.write(notebook, draft)
    os.replace(draft, path)
    return seconds


def unbroken(data):
    """A drawing in one line: a notebook indents each, a quarter of what it weighs."""
    if drawing := data.get("image/svg+xml"):
        lines = map(str.strip, drawing.splitlines())
        data["image/svg+xml"] = " ".join(lines)


def stamp_readme():
    """The README shows what the stored notebooks say."""
    path = ROOT / "README.md"
    begin, end = "<!-- scorecard -->\n", "<!-- end of scorecard -->"
    head, rest = path.read_text().split(begin)
    tail = rest.split(end)[1]
    table = ledger.as_markdown(ledger.scorecard())
    path.write_text(f"{head}{begin}{table}\n{end}{tail}")
    FIGURE.write_text(figure(), encoding="utf-8")


def figure():
    """The opening figure of the first chapter, which the README shows."""
    notebook = nbformat.read(ledger.notebook("min_norm"), as_version=4)
    drawing, _ = directives.headline(notebook)
    return drawing.replace("<svg ", '<svg style="background: #fff" ', 1)


def main(chapters):
    for chapter in chapters:
        path = Path(ROOT, "book", f"{chapter}.ipynb")
        if not path.is_file():
            sys.exit(f"no chapter {chapter!r}: {path.name} is not in book/")
        try:
            print(f"{chapter}: {execute(path):.1f} s")
        except CellExecutionError as problem:
            sys.exit(f"{chapter} was not executed, and is as it was\n{problem}")
    stamp_readme()


if __name__ == "__main__":
    main(sys.argv[1:])
