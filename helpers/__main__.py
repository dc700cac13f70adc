"""The book from a terminal: python -m helpers {record,verify,recheck,scorecard,audit}.

Exit codes: 0 as it should be, 1 a record or a verdict does not hold, 2 bad input,
3 time is up: the same command goes on.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

from helpers import dials, ledger
from helpers.dials import BookError

MISMATCH, BAD_INPUT, TIME_IS_UP = 1, 2, 3


def main(words: Sequence[str] | None = None) -> int:
    choice = _parser().parse_args(words)
    try:
        if getattr(choice, "scale", None):
            os.environ["BOOK_SCALE"] = choice.scale
        dials.read()  # a bad value is told before anything is done
        return choice.act(choice)
    except dials.TimeIsUp as late:
        print(late)
        return TIME_IS_UP
    except BookError as wrong:
        print(wrong, file=sys.stderr)
        return BAD_INPUT


def _record(choice: argparse.Namespace) -> int:
    from helpers import experiments, runner

    if choice.minutes is not None:
        os.environ["BOOK_DEADLINE"] = str(time.time() + 60 * choice.minutes)
    if choice.jobs > 1:
        experiments.sweeps(choice.chapter)  # an unknown one is told once
        sweep = ["--sweep", choice.sweep] if choice.sweep else []
        return runner.record_together(["record", choice.chapter, *sweep], choice.jobs)
    runner.record(choice.chapter, choice.sweep)
    print(f"{choice.chapter}: every record of scale {dials.read().scale} is there")
    return 0


def _verify(choice: argparse.Namespace) -> int:
    from helpers import experiments, runner

    agree = True
    for chapter in [choice.chapter] if choice.chapter else experiments.recorded():
        print(f"{chapter}:")
        reruns = []
        for run in runner.verify(chapter, choice.sample, of_each=choice.accept):
            print(" ", run.told(choice.tolerance), flush=True)
            reruns.append(run)
        agree &= all(run.agrees(choice.tolerance) for run in reruns)
        if choice.accept:
            runner.accept(chapter, reruns, choice.tolerance)
    return 0 if agree else MISMATCH


def _recheck(choice: argparse.Namespace) -> int:
    from helpers import runner

    row = ledger.find(choice.claim)
    sample = None if choice.all else choice.sample
    again, reruns = runner.recheck(row, sample)
    for run in reruns:
        print(run.told(choice.tolerance))
    print(_told(row, again))
    same = all(run.agrees(choice.tolerance) for run in reruns)
    return 0 if same and again["verdict"] == row["verdict"] else MISMATCH


def _scorecard(choice: argparse.Namespace) -> int:
    rows = ledger.scorecard()
    print(json.dumps(rows, indent=1) if choice.json else choice.shape(rows))
    return 0


def _audit(choice: argparse.Namespace) -> int:
    from helpers import audit

    print(audit.report())
    return 0


def _told(row: ledger.Row, again: ledger.Row) -> str:
    stored, now = (f"{one['verdict']}: {ledger.measured(one)}" for one in (row, again))
    control = again["control"]
    parts = {
        row["id"]: row["statement"],
        "measures": row["quantity"],
        "source": row["source"],
        "criterion": f"{ledger.criterion(row)}, over {row['over']}",
        "control": f"{control['label']}: {control['interval']}",
        "stored": f"{stored} ({row['scale']})",
        "now": now,
    }
    return "\n".join(f"{name:10} {text}" for name, text in parts.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    record = commands.add_parser("record", help="make what is missing of a chapter")
    record.add_argument("chapter")
    record.add_argument("--sweep", help="only that of its sweeps")
    record.add_argument("--scale", help=", ".join(dials.SCALES))
    record.add_argument(
        "--minutes", type=_over_zero(float), help="launch no run after; exit code 3"
    )
    record.add_argument(
        "--jobs", type=_over_zero(int), default=1, help="processes that share it"
    )
    record.set_defaults(act=_record)

    verify = commands.add_parser("verify", help="run some records again and compare")
    verify.add_argument("chapter", nargs="?")
    verify.add_argument("--scale", help=", ".join(dials.SCALES))
    verify.add_argument("--sample", type=_over_zero(int), default=3, help="a chapter")
    verify.add_argument("--tolerance", type=float, default=1e-3, help="relative")
    verify.add_argument(
        "--accept", action="store_true", help="note what agrees: no more warnings"
    )
    verify.set_defaults(act=_verify)

    recheck = commands.add_parser("recheck", help="compute one claim again")
    recheck.add_argument("claim", help="its id, as in LS-3")
    recheck.add_argument("--sample", type=_over_zero(int), default=1, help="runs")
    recheck.add_argument("--all", action="store_true", help="every run, however long")
    recheck.add_argument("--tolerance", type=float, default=1e-3, help="relative")
    recheck.set_defaults(act=_recheck)

    scorecard = commands.add_parser("scorecard", help="every claim of the book")
    shape = scorecard.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="as data")
    shape.add_argument(
        "--markdown", dest="shape", action="store_const", const=ledger.as_markdown
    )
    shape.add_argument("--csv", dest="shape", action="store_const", const=ledger.as_csv)
    scorecard.set_defaults(act=_scorecard, shape=ledger.as_text)

    audit = commands.add_parser("audit", help="was each criterion set first?")
    audit.set_defaults(act=_audit)
    return parser


def _over_zero(kind: type) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
