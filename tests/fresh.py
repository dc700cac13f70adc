"""What the runs of `quick` scale gave, to which the tests hold those made anew.

    python tests/fresh.py [CHAPTER]

writes tests/fresh/<chapter>.json again, from four sets of seeds: when an experiment was
changed on purpose. On the processor that made the file a fresh run gives the same
numbers; on another, numbers among those of the other seeds.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from helpers import experiments, records, runner  # noqa: E402
from helpers.compare import inside_spread, largest_difference  # noqa: E402

SHIFTS = 4
DIGITS = 4
SAME = 1e-3  # relative


def expected(chapter: str) -> dict[str, list]:
    """By spec, whatever its seeds: the results of all seeds."""
    return json.loads(_path(chapter).read_text())


def differing(chapter: str, folder: Path) -> dict[str, float]:
    """The fresh records that are not what they should be, and by how much."""
    known, found = expected(chapter), {}
    for path in sorted(folder.glob("*-*.json")):
        record = records.load(path)
        results = known.get(_key(record), [])
        nearest = min(
            (largest_difference(one, record.result) for one in results),
            default=float("inf"),
        )
        if nearest > SAME and not inside_spread(record.result, results):
            found[path.stem] = nearest
    return found


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
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    os.environ["BOOK_SCALE"] = "quick"
    for chapter in sys.argv[1:] or experiments.recorded():
        write(chapter)
