"""A sparse signal: how many examples it needs, and how fast label noise finds it."""

from dataclasses import dataclass

import numpy as np

from helpers import dials
from helpers.dynamics import diagonal
from helpers.oracles import diagonal as theory
from helpers.problems.linear import HiddenSignal, sparse_signal


@dataclass(frozen=True)
class Threshold:
    """The fewest examples that leave no more than a tenth of the signal."""

    seeds: tuple[int, ...]
    method: str  # "gradient descent" or "label noise", from the same large start
    features: int
    relevant: int
    examples: int  # drawn; the first n of them are used
    missed: float = 0.1  # share of the signal
    log_beta: float = -400.0  # to which label noise has shrunk β

    def run(self) -> list[dict[str, int]]:
        return [{"seed": seed, "needed": self.needed(seed)} for seed in self.seeds]

    def needed(self, seed: int) -> int:
        drawn = sparse_signal([seed], self.examples, self.features, self.relevant)
        Z, signal = drawn.problem.X.numpy(), drawn.signal.numpy()
        if self.method == "label noise":
            return theory.recovery_threshold(Z, signal, self.log_beta, self.missed)[0]
        misses = theory.minimum_norm_misses(Z.astype("f4"), signal)[0]
        return np.sum(misses > self.missed) + 1


@dataclass(frozen=True)
class Clock:
    """log β of SGD with label noise at even times rate² · steps, on a few problems."""

    seeds: tuple[int, ...]
    rate: float
    until: float = 2.0
    looks: int = 20
    examples: int = 25
    features: int = 50
    relevant: int = 2
    noise: float = 1.0
    start: float = 0.5**0.5  # u = v: log β = 0

    def run(self) -> list[dict[str, float]]:
        task = self.drawn().problem
        times = np.linspace(0, self.until, self.looks + 1)[1:]

        def on(state: diagonal.State, more: int) -> diagonal.State:
            return diagonal.sgd(
                task, state, self.rate, more, noise=self.noise, seeds=self.seeds
            )

        begin = diagonal.start(task, self.start)
        stops = (times / self.rate**2).round()
        states = diagonal.path(on, begin, stops)
        return [
            {"seed": seed, "time": time, "log_beta": log_beta}
            for time, state in zip(times, states, strict=True)
            for seed, log_beta in zip(self.seeds, np.log(state.beta[:, 0]), strict=True)
        ]

    def drawn(self) -> HiddenSignal:
        return sparse_signal(self.seeds, self.examples, self.features, self.relevant)


def threshold(method: str, features: int, relevant: int, count: int) -> Threshold:
    """With more examples drawn than the theory of the method asks for."""
    if method == "label noise":
        most = 2.2 * theory.statistical_dimension(features, relevant) + 4
    else:
        most = 0.9 * features + 4 * features**0.5
    seeds = tuple(dials.seeds(count))
    return Threshold(seeds, method, features, relevant, int(min(features, most)))


def clocks() -> list[Clock]:
    """The same problems at smaller and smaller rates."""
    rates, seeds = dials.at_scale(
        quick=((4e-3, 2e-3, 1e-3), 4),
        laptop=((4e-3, 2e-3, 1e-3, 5e-4), 20),
        paper=((4e-3, 2e-3, 1e-3, 5e-4, 2.5e-4), 20),
    )
    return [Clock(tuple(dials.seeds(seeds)), rate) for rate in rates]


def thresholds() -> list[Threshold]:
    """Over five doublings of the features, and four sparsities."""
    doublings, sparsities, count = dials.at_scale(
        quick=(3, (2, 4), 4), laptop=(6, (2, 4, 8, 12), 20)
    )
    settings = [("gradient descent", 4), *(("label noise", k) for k in sparsities)]
    return [
        threshold(method, 50 * 2**doubling, relevant, count)
        for method, relevant in settings
        for doubling in range(doublings)
    ]


def far_thresholds() -> list[Threshold]:
    """Far out, and ten times as far."""
    far, plain, noisy, count = dials.at_scale(
        quick=(400, 4, [(400, 2), (400, 4), (800, 2)], 4),
        laptop=(10_000, 2, FAR, 20),
        paper=(10_000, 20, [*FAR, (100_000, 8)], 20),
    )
    return [
        threshold("gradient descent", far, 4, plain),
        *(threshold("label noise", *setting, count) for setting in noisy),
    ]


FAR = [(10_000, 2), (10_000, 4), (10_000, 8), (100_000, 2), (100_000, 4)]
SWEEPS = {
    "clocks": clocks,
    "thresholds": thresholds,
    "far thresholds": far_thresholds,
}
