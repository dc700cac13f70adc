"""Make the API page say what the code says, and no more."""

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sphinx.util.typing import stringify_annotation

# Types that would be spelt out over many lines, by the name they have in the code.
NAMES = {
    stringify_annotation(ArrayLike, "smart"): "ArrayLike",
    stringify_annotation(NDArray[np.float64], "smart"): "Array",
}


def shorten(app, what, name, obj, options, signature, result):
    def short(text):
        for spelt_out, given in NAMES.items():
            text = text.replace(spelt_out, given)
        return text

    return signature and short(signature), result and short(result)


ENTRY = re.compile(r"(\w[\w, ]*)( \([^)]*\))?(: .*)")  # of an argument or a field


def prose(app, what, name, obj, options, lines):
    """A docstring as written, for Sphinx: |x| is no substitution, `name: …` an item."""
    told = []
    for line in lines:
        if line.startswith("    ") and told and told[-1].strip():
            told[-1] += " " + line.strip()
        elif ENTRY.fullmatch(line) and len(line.split(":")[0]) < 40:
            told += ["", line]
        else:
            told.append(line)
    lines[:] = [x if "`" in x else x.replace("|", r"\|") for x in told]


def skip(app, what, name, obj, hidden, options):
    """Leave out what Python itself writes about the fields of a named tuple."""
    return hidden or str(getattr(obj, "__doc__", "")).startswith("Alias for field")


def setup(app):
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-process-docstring", prose)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
