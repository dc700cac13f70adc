"""Every chapter at BOOK_SCALE=quick, in whatever environment runs this."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import ledger, runner


def main() -> None:
    for chapter in ledger.chapters():
        with (
            tempfile.TemporaryDirectory() as folder,
            runner.environment(BOOK_RECORDS_FOLDER=folder),
        ):
            rows = runner.executed(chapter)
        print(f"{chapter}: {len(rows)} claims judged", flush=True)


if __name__ == "__main__":
    main()
