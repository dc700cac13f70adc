"""A tiny sweep that the tests of records run, kill and resume."""

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Square:
    number: int
    seed: int = 0


def square(spec):
    time.sleep(float(os.environ.get("SWEEP_SECONDS", 0)))
    return {"square": spec.number**2, "third": spec.number / 3}


def fail_at_three(spec):
    if spec.number == 3:
        raise ArithmeticError("three")
    return square(spec)
