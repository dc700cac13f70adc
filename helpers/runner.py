"""The book without Jupyter: record a chapter's sweeps, and check what is stored."""

import math
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from helpers import dials, ledger, records
from helpers.dials import BookError
from helpers.experiments import sweeps

WORKER = "BOOK_WORKER"  # set for the processes of `record --jobs`


class Rerun(NamedTuple):
    """A record and what today's code gives for its spec."""

    spec: Any
    result: Any
    made: dict[str, Any]
    difference: float  # the largest relative one; infinite where shapes differ

    @property
    def name(self) -> str:
        return records.name_of(self.spec)


def record(chapter: str, sweep: str | None) -> None:
    """Make what is missing of one sweep, or of all."""
    if os.environ.get(WORKER):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    for make in _chosen(chapter, [sweep] if sweep else []):
        records.remember_all(make())


def record_together(words: Sequence[str], jobs: int) -> int:
    """The same command in several processes; each takes up what no other has."""
    command = [sys.executable, "-m", "helpers", *words]
    as_worker = {"env": os.environ | {WORKER: "1"}, "stdin": subprocess.PIPE}
    running = [subprocess.Popen(command, **as_worker) for _ in range(jobs)]
    return max(process.wait() for process in running)


def verify(chapter: str, sample: int) -> Iterator[Rerun]:
    """Run some of the records there are again, with today's code; nothing is kept."""
    store = records.RecordStore(chapter)
    specs = {spec for make in _chosen(chapter, []) for spec in make()}
    kept = sorted(filter(store.holds, specs), key=records.name_of)
    if not kept:
        raise BookError(
            f"{chapter} has no record at scale {dials.read().scale}: make them with "
            f"`python -m helpers record {chapter} --scale {dials.read().scale}`"
        )
    yield from map(rerun, random.sample(kept, min(sample, len(kept))))


def rerun(spec: Any) -> Rerun:
    """Its starts are trained anew as well: see BOOK_RECORDS=fresh."""
    kept = records.load(records.RecordStore.of(spec).path(spec))
    with _environment(BOOK_RECORDS="fresh"):
        result, made = records.timed(spec)
    difference = largest_difference(kept.result, records.plain(result))
    return Rerun(spec, result, made, difference)


def recheck(row: ledger.Row, sample: int | None) -> tuple[ledger.Row, list[Rerun]]:
    """The claim computed again: live as a whole, recorded from fresh runs of a sample.

    The fresh records take the places of the stored ones in a folder of their own, and
    the chapter is executed on that folder. Without a `sample` every record is run.
    """
    chapter, behind = row["chapter"], row["sweeps"]
    reruns = []
    with tempfile.TemporaryDirectory() as folder, _environment(BOOK_SCALE=row["scale"]):
        if behind:
            specs = [spec for make in _chosen(chapter, behind) for spec in make()]
            chosen = random.sample(specs, min(sample or len(specs), len(specs)))
            reruns = [rerun(spec) for spec in chosen]
            _mirror(chapter, Path(folder), reruns)
        chosen = {"BOOK_RECORDS_FOLDER": folder} if behind else {}
        with _environment(BOOK_RECORDS="only", **chosen):
            again = executed(chapter)
    return next(new for new in again if new["id"] == row["id"]), reruns


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


def execute(notebook: Any, folder: Path) -> None:
    """All cells of a notebook, in place, as from that folder."""
    try:
        from nbclient import NotebookClient
    except ImportError:
        raise BookError(
            "executing a chapter needs nbclient: pip install nbclient ipykernel"
        ) from None
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=3600, resources=where).execute()


def executed(chapter: str) -> list[ledger.Row]:
    """The claims of a chapter that is executed now, and not stored."""
    import nbformat

    path = ledger.notebook(chapter)
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    return ledger.claims_in(notebook)


def _mirror(chapter: str, folder: Path, reruns: list[Rerun]) -> None:
    """The chapter's records there, those that were run again in their new form."""
    stored = records.RecordStore(chapter)
    with _environment(BOOK_RECORDS_FOLDER=str(folder)):
        fresh = records.RecordStore(chapter)
    fresh.folder.mkdir()
    for path in stored.paths():
        (fresh.folder / path.name).write_bytes(path.read_bytes())
    for run in reruns:
        fresh.write(run.spec, run.result, run.made)


def _chosen(chapter: str, names: Sequence[str]) -> list[Any]:
    known = sweeps(chapter)
    for name in names:
        if name not in known:
            raise BookError(
                f"{chapter} has no sweep {name!r}: choose {', '.join(known)}"
            )
    return [known[name] for name in names or known]


class _environment:
    """Dials that hold until the block ends."""

    def __init__(self, **values: str):
        self.values = values

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_: Any) -> None:
        for name, value in self.before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _end_with_parent() -> None:
    """A worker whose parent was killed sees its own input close."""
    sys.stdin.read()
    os._exit(1)
