"""What the chapters cost, from their stored executions and their records."""

from collections import defaultdict
from typing import NamedTuple

from helpers import records


class Sweep(NamedTuple):
    """The records of one chapter that were made at one scale on one device."""

    scale: str
    device: str
    runs: int
    seconds: float


def live(notebook):
    """Seconds and device of the stored execution."""
    run = notebook.metadata.get("book")
    if run is None:
        return "not executed yet"
    return f"{run['seconds']:.0f} s on {run['device']}"


def recorded(chapter):
    """Every sweep behind a chapter's figures, largest first."""
    spent = defaultdict(list)
    for path in records.RecordStore(chapter).paths():
        made = records.load(path).made
        spent[made["scale"], made["device"]].append(made["seconds"])
    sweeps = [Sweep(*key, len(times), sum(times)) for key, times in spent.items()]
    return sorted(sweeps, key=lambda sweep: -sweep.seconds)


def on_trust(chapter):
    """How many records an earlier code made that no run has been compared with yet."""
    store = records.RecordStore(chapter)
    notes = [note for note in store.accepted() if not note["runs"]]
    taken = {(note["kind"], note["made_by"]) for note in notes}
    kept = (records.load(path) for path in store.paths())
    return sum((one.spec["name"], one.made["code"]) in taken for one in kept)


def told(sweep):
    runs = "run" if sweep.runs == 1 else "runs"
    return f"{sweep.runs} recorded {runs}, {duration(sweep.seconds)} on {sweep.device}"


def duration(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
