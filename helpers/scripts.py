"""A chapter without Jupyter: its code cells run as a script, its records re-run."""

import json
import math
import os
import random
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from helpers import claims, records
from helpers.dials import BookError


def run_cells(chapter: str) -> None:
    """Everything that the chapter's reader runs, in one module called __main__."""
    path = claims.notebook(chapter)
    if not path.is_file():
        known = ", ".join(claims.chapters())
        raise BookError(f"no chapter {chapter!r}: the book has {known}")
    os.environ.setdefault("MPLBACKEND", "Agg")
    module = types.ModuleType("__main__")
    kept, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        for number, source in enumerate(_sources(path.read_text()), 1):
            exec(compile(source, f"{path.name}, cell {number}", "exec"), vars(module))
    finally:
        sys.modules["__main__"] = kept


def record_together(words: Sequence[str], jobs: int) -> int:
    """The same command in several processes; each takes up what no other has."""
    command = [sys.executable, "-m", "helpers", *words]
    running = [subprocess.Popen(command) for _ in range(jobs)]
    return max(process.wait() for process in running)


def record(chapter: str, minutes: float | None) -> None:
    if minutes is not None:
        records.deadline = time.monotonic() + 60 * minutes
    try:
        run_cells(chapter)
    finally:
        records.deadline = None


class Recheck(NamedTuple):
    path: str
    difference: float  # the largest relative one; infinite where shapes differ
    made_on: str


def verify(chapter: str, sample: int) -> Iterator[Recheck]:
    """Re-run some records of a chapter with today's code; nothing is written."""
    records.seen = []
    try:
        run_cells(chapter)
        found = {shelf.path(spec): (run, spec) for run, spec, shelf in records.seen}
    finally:
        records.seen = None
    for path in sorted(random.sample(sorted(found), min(sample, len(found)))):
        kept = records.load(path)
        result, _ = records.timed(*found[path])
        difference = largest_difference(kept.result, records.plain(result))
        yield Recheck(path.name, difference, kept.made["device"])


def largest_difference(old: Any, new: Any) -> float:
    """Relative, over all numbers of two results of the same shape."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        return max((largest_difference(old[key], new[key]) for key in old), default=0)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return max((largest_difference(*pair) for pair in pairs), default=0)
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if not numbers or not (math.isfinite(old) and math.isfinite(new)):
        return 0.0 if repr(old) == repr(new) else math.inf
    return abs(old - new) / max(abs(old), abs(new), 1e-300)


def _sources(notebook: str) -> Iterator[str]:
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            source = "\n".join(
                line for line in lines if not line.startswith(("%", "!"))
            )
            yield source
