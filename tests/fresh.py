"""What the runs of `quick` scale gave, to which the tests hold those made anew.

    python tests/fresh.py [CHAPTER]

writes tests/fresh/<chapter>.json again, from four sets of seeds: when an experiment was
changed on purpose. On the processor that made the file a fresh run gives the same
numbers. On another, training can be chaotic: there its numbers must be among those of
the other seeds, but for a few, and still a fifth of a chapter's runs must be the same.
(With other instructions at least half of them are; at a rate that is a tenth too large,
no network is.)
"""

import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import experiments, records, runner  # noqa: E402
from helpers.compare import largest_difference, share_outside  # noqa: E402

SHIFTS = 4
DIGITS = 4
SAME = 1e-3  # relative
ZERO = 1e-12  # what is smaller is rounding
FEW = 0.1  # of a record's numbers
SOME = 0.2  # of a chapter's records


def expected(chapter: str) -> dict[str, list]:
    """By spec, whatever its seeds: the results of all seeds."""
    return json.loads(_path(chapter).read_text())


def differing(chapter: str, folder: Path) -> dict[str, float]:
    """The share of numbers that are not what they should be, where it is not small.

    By record; a spec that should have been run, and was not, is wrong altogether.
    """
    known = expected(chapter)
    fresh = {path.stem: records.load(path) for path in folder.glob("*-*.json")}
    found = dict.fromkeys(known.keys() - {_key(record) for record in fresh.values()}, 1)
    same = 0
    for name, record in fresh.items():
        result, others = _short(record.result), known.get(_key(record), [])
        if any(largest_difference(one, result) <= SAME for one in others):
            same += 1
        else:
            found[name] = share_outside(result, others)
    if same < int(SOME * len(fresh)):
        found["the chapter"] = 1 - same / len(fresh)
    return {name: share for name, share in found.items() if share > FEW}


def write(chapter: str) -> None:
    results: dict[str, list] = {}
    for shift in range(SHIFTS):
        with (
            tempfile.TemporaryDirectory() as folder,
            runner.environment(BOOK_RECORDS_FOLDER=folder, BOOK_SEED=str(shift)),
        ):
            runner.record(chapter, None)
            for path in sorted((Path(folder) / chapter).glob("*-*.json")):
                record = records.load(path)
                results.setdefault(_key(record), []).append(_short(record.result))
    _path(chapter).parent.mkdir(exist_ok=True)
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(results.items())]
    _path(chapter).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _path(chapter: str) -> Path:
    return ROOT / "tests" / "fresh" / f"{chapter}.json"


def _key(record: records.Record) -> str:
    name = record.spec["name"]
    return f"{name}-{records.digest(runner.seedless(record.spec))[:16]}"


def _short(value):
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if abs(value) > ZERO else 0.0


if __name__ == "__main__":
    os.environ["BOOK_SCALE"] = "quick"
    for chapter in sys.argv[1:] or experiments.recorded():
        write(chapter)
