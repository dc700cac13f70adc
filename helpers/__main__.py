"""The book from a terminal: python -m helpers {record,verify,scorecard}."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from helpers import dials

MISMATCH, BAD_INPUT, TIME_IS_UP = 1, 2, 3  # exit codes


def main(words: Sequence[str] | None = None) -> int:
    from helpers import records

    choice = _parser().parse_args(words)
    try:
        return choice.act(choice)
    except records.TimeIsUp as late:
        print(late)
        return TIME_IS_UP
    except dials.BookError as wrong:
        print(wrong, file=sys.stderr)
        return BAD_INPUT


def _record(choice: argparse.Namespace) -> int:
    from helpers import scripts

    _use(choice)
    if choice.jobs > 1:
        minutes = [] if choice.minutes is None else ["--minutes", str(choice.minutes)]
        return scripts.record_together(
            ["record", choice.chapter, *minutes], choice.jobs
        )
    scripts.record(choice.chapter, choice.minutes)
    print(f"{choice.chapter}: every record of scale {dials.read().scale} is there")
    return 0


def _verify(choice: argparse.Namespace) -> int:
    from helpers import claims, scripts

    _use(choice)
    os.environ["BOOK_RECORDS"] = "only"
    worst = 0.0
    for chapter in [choice.chapter] if choice.chapter else claims.chapters():
        checks = list(scripts.verify(chapter, choice.sample))
        print(f"{chapter}: {len(checks)} records run again")
        for check in checks:
            same = "same" if check.difference <= choice.tolerance else "DIFFERS"
            print(f"  {same} ({check.difference:.1e}) {check.path} [{check.made_on}]")
            worst = max(worst, check.difference)
    return 0 if worst <= choice.tolerance else MISMATCH


def _scorecard(choice: argparse.Namespace) -> int:
    from helpers import claims

    rows = claims.scorecard()
    if choice.json:
        print(json.dumps(rows, indent=1))
    else:
        print((claims.as_markdown if choice.markdown else claims.as_text)(rows))
    return 0


def _use(choice: argparse.Namespace) -> None:
    """The scale given here stands for the whole process; all dials are checked."""
    if choice.scale:
        os.environ["BOOK_SCALE"] = choice.scale
    dials.read()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    record = commands.add_parser("record", help="run a chapter's cells as a script")
    record.add_argument("chapter")
    record.add_argument("--scale", help=", ".join(dials.SCALES))
    record.add_argument(
        "--minutes", type=float, help="launch no more runs after this; exit code 3"
    )
    record.add_argument("--jobs", type=int, default=1, help="processes that share it")
    record.set_defaults(act=_record)

    verify = commands.add_parser("verify", help="run some records again and compare")
    verify.add_argument("chapter", nargs="?")
    verify.add_argument("--scale", help=", ".join(dials.SCALES))
    verify.add_argument("--sample", type=int, default=3, help="records a chapter")
    verify.add_argument("--tolerance", type=float, default=1e-3, help="relative")
    verify.set_defaults(act=_verify)

    scorecard = commands.add_parser("scorecard", help="every claim of the book")
    shape = scorecard.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true")
    shape.add_argument("--markdown", action="store_true", help="as the README has it")
    scorecard.set_defaults(act=_scorecard)
    return parser


if __name__ == "__main__":
    sys.exit(main())
