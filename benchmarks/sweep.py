"""Many small runs of the diagonal network: cell-steps a second, side by side.

`python -m benchmarks.sweep`. One step of SGD with label noise, d = 100 features,
n = 40 examples, one example a step, double precision, one thread, processor time. The
loops run one cell, ours as many as are best; each of the repeats takes every method in
turn, so that whatever else the machine does falls on all of them.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from helpers.dynamics import diagonal
from helpers.problems.linear import LeastSquares, sparse_signal

OUT = Path(__file__).parent / "results/sweep.json"
EXAMPLES, FEATURES, RATE, SCALE = 40, 100, 1e-3, 0.3
AUTOGRAD = "autograd and torch.optim.SGD, a loop"
REPEATS = 5
Work = Callable[[], object]


def autograd_loop(steps: int) -> Work:
    """What a reader would write first, and how the authors' scripts are written."""
    X, y = (part[0] for part in problem(1))

    def work():
        u, v = (torch.full((FEATURES,), SCALE, dtype=X.dtype) for _ in range(2))
        optimiser = torch.optim.SGD([u.requires_grad_(), v.requires_grad_()], lr=RATE)
        for _ in range(steps):
            i = torch.randint(EXAMPLES, ()).item()
            label = y[i] + (2 * torch.randint(2, ()) - 1)
            optimiser.zero_grad()
            ((X[i] @ (u * u - v * v) - label) ** 2 / 2).backward()
            optimiser.step()

    return work


def torch_loop(steps: int) -> Work:
    X, y = (part[0] for part in problem(1))

    def work():
        u, v = (torch.full((FEATURES,), SCALE, dtype=X.dtype) for _ in range(2))
        for _ in range(steps):
            i = torch.randint(EXAMPLES, ()).item()
            r = X[i] @ (u * u - v * v) - y[i] + (2 * torch.randint(2, ()) - 1)
            pull = 2 * RATE * r * X[i]
            u, v = u - pull * u, v + pull * v

    return work


def numpy_loop(steps: int) -> Work:
    X, y = (part[0].numpy() for part in problem(1))

    def work():
        u, v = (np.full(FEATURES, SCALE) for _ in range(2))
        chosen = np.random.randint(EXAMPLES, size=steps)
        noise = np.random.choice([-1.0, 1.0], steps)
        for i, error in zip(chosen, noise, strict=True):
            r = X[i] @ (u * u - v * v) - y[i] + error
            pull = 2 * RATE * r * X[i]
            u, v = u - pull * u, v + pull * v

    return work


def torch_batch(cells: int, steps: int) -> Work:
    """The same loop for many cells at once, a tensor operation for all of them."""
    X, y = problem(cells)
    row = torch.arange(cells)

    def work():
        u, v = (torch.full((cells, FEATURES), SCALE, dtype=X.dtype) for _ in range(2))
        for _ in range(steps):
            i = torch.randint(EXAMPLES, (cells,))
            z, error = X[row, i], 2 * torch.randint(2, (cells,)) - 1
            r = (z * (u * u - v * v)).sum(-1) - y[row, i] + error
            pull = 2 * RATE * r[:, None] * z
            u, v = u - pull * u, v + pull * v

    return work


def ours(cells: int, steps: int) -> Work:
    task = problem(cells)
    state = diagonal.start(task, SCALE)

    def work():
        diagonal.sgd(task, state, RATE, steps, noise=1.0, seeds=range(cells))

    return work


def problem(cells: int) -> LeastSquares:
    return sparse_signal(range(cells), EXAMPLES, FEATURES, 4).problem


def methods() -> dict[str, tuple[int, Work]]:
    """Cell-steps of each, and the work."""
    return {
        AUTOGRAD: (1000, autograd_loop(1000)),
        "torch, gradient by hand, a loop": (5000, torch_loop(5000)),
        "torch, gradient by hand, 64 cells": (64 * 256, torch_batch(64, 256)),
        "torch, gradient by hand, 1024 cells": (1024 * 256, torch_batch(1024, 256)),
        "NumPy, gradient by hand, a loop": (20_000, numpy_loop(20_000)),
        "helpers, compiled, one cell": (10**6, ours(1, 10**6)),
        "helpers, compiled, 20 cells": (20 * 10**5, ours(20, 10**5)),
    }


def speed(cell_steps: int, work: Work) -> float:
    start = time.process_time()
    work()
    return cell_steps / (time.process_time() - start)


def measured() -> list[dict]:
    ready = methods()
    for _, work in ready.values():
        work()  # compiles, and fills the caches
    speeds = {name: [] for name in ready}
    for _ in range(REPEATS):
        for name, (cell_steps, work) in ready.items():
            speeds[name].append(speed(cell_steps, work))
    middle = {name: statistics.median(found) for name, found in speeds.items()}
    return [
        {
            "method": name,
            "cell_steps_per_s": middle[name],
            "range": [min(speeds[name]), max(speeds[name])],
            "ratio": middle[name] / middle[AUTOGRAD],
        }
        for name in ready
    ]


def table(rows: list[dict]) -> str:
    lines = [
        "| method | cell-steps/s | least to most | times the first |",
        "|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["range"]
        numbers = f"{row['cell_steps_per_s']:.2g} | {low:.2g} to {high:.2g}"
        lines.append(f"| {row['method']} | {numbers} | {row['ratio']:.3g} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    rows = measured()
    about = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }
    OUT.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
