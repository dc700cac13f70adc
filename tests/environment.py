"""Every chapter at BOOK_SCALE=quick, in whatever environment runs this.

Claims that are marked `quick` must have the verdict that is stored.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import claims, ledger, runner


def moved(chapter: str) -> dict[str, str]:
    """The claims that get another verdict here."""
    with (
        tempfile.TemporaryDirectory() as folder,
        runner.environment(BOOK_RECORDS_FOLDER=folder),
    ):
        rows = runner.executed(chapter)
    stored = {
        row["id"]: row["verdict"] for row in ledger.stored(ledger.notebook(chapter))
    }
    held = [row for row in rows if claims.load(chapter)[row["id"]].quick]
    found = {row["id"]: row["verdict"] for row in held}
    return {name: verdict for name, verdict in found.items() if verdict != stored[name]}


def main() -> int:
    failed = 0
    for chapter in ledger.chapters():
        changed = moved(chapter)
        print(f"{chapter}: {changed or 'every verdict stands'}", flush=True)
        failed |= bool(changed)
    return failed


if __name__ == "__main__":
    sys.exit(main())
