"""A tiny chapter of experiments, which the tests run, kill and take up again."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Square:
    number: int
    seed: int = 0

    def run(self):
        note(self.number)
        time.sleep(float(os.environ.get("SWEEP_SECONDS", 0)))
        return {"square": self.number**2, "third": self.number / 3}


@dataclass(frozen=True)
class Walk:
    """A row a step, from a nested spec."""

    start: Square
    steps: int

    def run(self):
        return [{"seed": 7, "at": self.start.number + k} for k in range(self.steps)]


def note(number):
    """In a file that counts the runs, if a test asks for it."""
    if "SWEEP_TALLY" in os.environ:
        with Path(os.environ["SWEEP_TALLY"]).open("a") as tally:
            tally.write(f"{number}\n")


def on_another_machine():
    """Whose own dials say nothing; the device is not asked for, as torch is slow."""
    from helpers import provenance

    provenance.device = lambda: "a machine elsewhere"
    for name in [name for name in os.environ if name.startswith("BOOK_")]:
        del os.environ[name]


def squares():
    return [Square(number) for number in range(6)]


SWEEPS = {"squares": squares}
