"""make bench: every row measured beside what a reader would write without the book."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks import sweep, training
from helpers.dynamics import linear
from helpers.oracles.least_squares import gradient_descent_filter
from helpers.problems.linear import least_squares, smoothness

REPEATS = 5
RESULTS = Path(__file__).parent / "results/helpers.json"


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(peer: Callable[[], object], ours: Callable[[], object]) -> tuple[float, ...]:
    """The peer's processor time over ours: median, least and largest of the pairs."""
    pairs = [seconds(peer) / seconds(ours) for _ in range(REPEATS)]
    return float(np.median(pairs)), min(pairs), max(pairs)


def descent() -> tuple[str, Callable[[], object], Callable[[], object]]:
    """Twenty problems at once, against torch.optim on one after the other."""
    seeds, steps = range(20), 200
    problem = least_squares(seeds, 40, 200)
    rate = 1 / smoothness(problem)

    def peer():
        for X, y, step in zip(*problem, rate[:, 0].tolist(), strict=True):
            w = torch.zeros(200, dtype=torch.float64, requires_grad=True)
            optimiser = torch.optim.SGD([w], lr=step)
            for _ in range(steps):
                optimiser.zero_grad()
                ((X @ w - y).square().sum() / 2).backward()
                optimiser.step()

    def ours():
        zero = torch.zeros(20, 200, dtype=torch.float64)
        linear.after(linear.gradient_descent(problem, zero, rate), steps)

    return "gradient descent, 20 seeds: torch.optim loop", peer, ours


def early_stopping() -> tuple[str, Callable[[], object], Callable[[], object]]:
    """The thousandth iterate in closed form, against getting there."""
    problem = least_squares(range(20), 40, 200)
    rate = 1 / smoothness(problem)
    zero = torch.zeros(20, 200, dtype=torch.float64)

    def peer():
        linear.after(linear.gradient_descent(problem, zero, rate), 1000)

    def ours():
        gradient_descent_filter(*problem, rate, 1000)

    return "1000 steps in closed form: taking them", peer, ours


def main() -> None:
    torch.set_num_threads(1)
    print(f"one thread, processor time, median of {REPEATS} interleaved pairs")
    print(f"{'row: peer':48} {'peer / ours':>12} {'[least, largest]':>20}")
    found = []
    for row, peer, ours in [descent(), early_stopping(), *training.rows()]:
        middle, least, largest = ratio(peer, ours)
        print(f"{row:48} {middle:11.1f}× {f'[{least:.1f}, {largest:.1f}]':>20}")
        found.append({"row": row, "ratio": [middle, least, largest]})
    share = training.data_share()
    print(f"shuffling and augmenting: {share:.1%} of a step")
    RESULTS.write_text(
        json.dumps({"rows": found, "data share": share}, indent=1) + "\n"
    )
    sweep.main()


if __name__ == "__main__":
    main()
