"""A sparse signal: how many examples it needs, and how fast label noise finds it."""

from bisect import bisect_left
from dataclasses import asdict, dataclass

import numpy as np
import torch

from helpers import dials
from helpers.dynamics import diagonal
from helpers.oracles import diagonal as theory
from helpers.problems.linear import HiddenSignal, LeastSquares, sparse_signal


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
class GaussianThreshold(Threshold):
    """The same with Gaussian features in place of signs, for label noise."""

    def needed(self, seed: int) -> int:
        shape = self.examples, self.features, self.relevant
        drawn = sparse_signal([seed], *shape, signs=False)
        Z, signal = drawn.problem.X.numpy(), drawn.signal.numpy()
        return theory.recovery_threshold(Z, signal, self.log_beta, self.missed)[0]


@dataclass(frozen=True)
class RealThreshold:
    """As `Threshold`, of SGD itself, and of the closed form after as long or half."""

    seeds: tuple[int, ...]
    features: int
    examples: int
    rate: float
    relevant: int = 4
    missed: float = 0.1
    until: float = (
        2.0  # rate² · steps with label noise, and a twentieth of them without
    )
    noise: float = 1.0
    start: float = 0.5**0.5  # u = v: log β = 0

    def run(self) -> list[dict[str, int]]:
        return [{"seed": seed} | self.needed(seed) for seed in self.seeds]

    def needed(self, seed: int) -> dict[str, int]:
        drawn = sparse_signal([seed], self.examples, self.features, self.relevant)
        Z, signal = drawn.problem.X.numpy(), drawn.signal.numpy()
        whole, half = (
            theory.recovery_threshold(Z, signal, -4 * time, self.missed)[0]
            for time in (self.until, self.until / 2)
        )

        def recovers(n: int) -> bool:
            end = self.settled(drawn.problem.only(torch.arange(n)[None]), seed)
            return theory.share_missed(end.w, signal)[0] <= self.missed

        found = bisect_left(range(1, self.examples + 1), True, key=recovers) + 1
        return {"needed": found, "computed": whole, "computed at half": half}

    def settled(self, task: LeastSquares, seed: int) -> diagonal.State:
        steps = round(self.until / self.rate**2)
        begin, how = diagonal.start(task, self.start), {"seeds": [seed]}
        noisy = diagonal.sgd(task, begin, self.rate, steps, noise=self.noise, **how)
        return diagonal.sgd(task, noisy, self.rate, steps // 20, **how)


@dataclass(frozen=True)
class Shape:
    """‖v⊙v − w*‖² on the way, on HaoChen et al.'s problem, with one of their noises."""

    seeds: tuple[int, ...]
    kind: str
    stops: tuple[int, ...]
    start: float = 1.0
    rate: float = 0.005
    label: float = 0.0
    batch: float = 0.0
    sphere: float = 0.0
    phase: int = 0  # after so many steps a tenth of the rate, if at all
    examples: int = 40
    features: int = 100
    relevant: int = 5

    def run(self) -> list[dict[str, float | bool]]:
        task, signal = self.drawn()
        begin = diagonal.start(task, self.start, positive=True)
        noise = {"label": self.label, "batch": self.batch, "sphere": self.sphere}
        how = {"phase": self.phase or np.inf, "seeds": self.seeds, "may_diverge": True}
        path = diagonal.descent_path(task, begin, self.rate, self.stops, **how, **noise)
        return [
            {"seed": seed, "steps": at.steps, "distance": gap, "diverged": lost >= 0}
            for at in path
            for seed, gap, lost in zip(
                self.seeds,
                np.nan_to_num(np.square(at.w - signal).sum(-1)),
                at.diverged_at,
                strict=True,
            )
        ]

    def drawn(self) -> tuple[LeastSquares, np.ndarray]:
        """With a signal of ones."""
        shape = self.examples, self.features, self.relevant
        drawn = sparse_signal(self.seeds, *shape, signs=False)
        ones = drawn.signal.abs()
        y = (drawn.problem.X @ ones[..., None])[..., 0]
        return drawn.problem._replace(y=y), ones.numpy()


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
    plain, noisy = dials.at_scale(
        quick=((400, 4, 4), [(400, 2, 4), (400, 4, 4), (800, 2, 4)]),
        laptop=((10_000, 4, 2), FAR),
        paper=((10_000, 4, 20), [*FAR, (100_000, 4, 20), (100_000, 8, 20)]),
    )
    signs = [threshold("label noise", *setting) for setting in noisy]
    normal = asdict(signs[0]) | {"method": "label noise, Gaussian features"}
    return [
        threshold("gradient descent", *plain),
        *signs,
        GaussianThreshold(**normal),
    ]


FAR = [  # features, of which relevant, and problems
    *((10_000, 2, 20), (10_000, 4, 20), (10_000, 8, 20)),
    (100_000, 2, 20),
]


def real_thresholds() -> list[RealThreshold]:
    """SGD itself, at the rate that the start allows, on two lots of problems."""
    settings = dials.at_scale(
        quick=[(50, 4e-3, 4)],
        laptop=[(200, 1e-3, 10)],
        paper=[(200, 1e-3, 20), (400, 5e-4, 20)],
    )
    return [
        RealThreshold(
            tuple(lot),
            features,
            int(2.2 * theory.statistical_dimension(features, 4) + 4),
            rate,
        )
        for features, rate, count in settings
        for lot in (dials.seeds(count), dials.seeds(2 * count)[count:])
    ]


def shapes() -> list[Shape]:
    """The source's four runs, other starts, and spherical noise of other sizes."""
    thousand, count = dials.at_scale(quick=(50, 2), laptop=(1000, 10), paper=(1000, 20))
    seeds = tuple(dials.seeds(count))
    marks = (0.1, 0.3, 1, 3, 10, 30, 75, 100, 150, 200, 300)
    stops = tuple(int(mark * thousand) for mark in marks)
    phases = tuple(part * thousand for part in (100, 200, 300))
    slow = tuple(part * 3 // 2 for part in phases)
    kinds = {
        "no noise": (stops, {}),
        "mini-batch": (stops, {"batch": 1.0}),
        "label": (stops, {"label": 1.0, "phase": phases[0]}),
        "spherical": ((*stops, 4 * stops[-1]), {"sphere": 0.02}),
        "label, α = 0.3": (phases, {"label": 1.0, "phase": phases[0], "start": 0.3}),
        "label, α = 3": (slow, {"label": 1.0, "phase": slow[0], "start": 3.0}),
        "no noise, α = 0.3": (phases[-1:], {"start": 0.3}),
        "no noise, α = 3": (phases[-1:], {"start": 3.0}),
    }
    kinds |= {
        f"spherical, σ = {size / 2}": (phases[-1:], {"sphere": size})
        for size in (0.06, 0.2, 0.4, 2.0)
    }
    return [Shape(seeds, kind, at, **noise) for kind, (at, noise) in kinds.items()]


SWEEPS = {
    "clocks": clocks,
    "thresholds": thresholds,
    "far thresholds": far_thresholds,
    "real thresholds": real_thresholds,
    "shapes": shapes,
}
