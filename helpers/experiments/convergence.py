"""How wide a network must be to fit any labels, and to do so as fast as promised."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from helpers import dials
from helpers.dynamics import wide
from helpers.images.sources import load_split
from helpers.images.table import Images
from helpers.oracles import wide as theory
from helpers.problems.linear import LeastSquares
from helpers.problems.wide import hidden_weights, of_rows, on_sphere


@dataclass(frozen=True)
class Needed:
    """The least width from which descent fits the labels, and that which keeps a rate.

    Both within the time in which the theorem promises that share of the loss: to fit is
    to have every sign right; the rate is kept if at no time the loss exceeds
    (1 − ηλ/2)^steps, λ the least eigenvalue of the infinite network's kernel.
    """

    seeds: tuple[int, ...]
    data: str  # "sphere" or "digits", with their pixels pooled to 4×4
    examples: int
    softness: float = 0.0
    trained: str = "first"
    signs: bool = True  # of the weights that lead out; else all are 1
    features: int = 10  # on the sphere
    loss: float = 1e-6
    patience: float = 1.0  # times the time that is promised
    narrowest: float = 1 / 32  # widths over examples
    widest: float = 32.0
    rungs: int = 2  # widths to a doubling
    every: int = 10  # steps from look to look
    with_rate: bool = True  # else only what it takes to fit

    def sources(self) -> list[Images]:
        return [load_split("digits", "train")] if self.data == "digits" else []

    def problem(self) -> LeastSquares:
        if self.data == "sphere":
            return on_sphere(self.seeds, self.examples, self.features)
        (images,) = self.sources()
        rows = avg_pool2d(images.pixels.double(), 2).flatten(1)
        random = on_sphere(self.seeds, self.examples, 1).y  # labels, drawn likewise
        drawn = of_rows(self.seeds, rows, images.labels, self.examples)
        return drawn._replace(y=random)

    def run(self) -> list[dict[str, float | None]]:
        problem, widths, met = self.problem(), [], []
        for width in self.ladder():
            widths.append(width)
            met.append(torch.stack(self.trial(problem, width)))
            if met[-1].all():
                break
        met = torch.stack(met)
        found = {"fit": 0, "rate": 1} if self.with_rate else {"fit": 0}
        return [
            {"seed": seed}
            | {name: lasting(widths, met[:, k, at]) for name, k in found.items()}
            for at, seed in enumerate(self.seeds)
        ]

    def ladder(self) -> list[int]:
        """Ascending."""
        width, found = self.narrowest * self.examples, []
        while width <= self.widest * self.examples:
            found.append(max(1, round(width)))
            width *= 2 ** (1 / self.rungs)
        return sorted(set(found))

    def trial(self, problem: LeastSquares, width: int) -> tuple[Tensor, Tensor]:
        """Of each seed, whether it fits, and whether it keeps the rate."""
        X, y = problem
        kernel = theory.infinite_kernel(X, self.softness, self.trained)
        least, largest = map(torch.from_numpy, theory.ends(kernel))
        rate = 1 / largest
        time = torch.from_numpy(theory.steps_promised(rate, least, self.loss))
        fits = arrived = torch.zeros(len(rate), dtype=torch.bool)
        broken = ~fits if not self.with_rate else fits
        for step, residual in enumerate(self.residuals(problem, width, rate)):
            if step % self.every == 0:
                share = residual.square().sum(1) / y.square().sum(1)
                promised = share <= (1 - rate * least / 2) ** step
                late = step > self.patience * time
                fits = fits | (residual * y > -1).all(1) & ~late
                broken = broken | ~(arrived | promised)
                arrived = arrived | (share <= self.loss)
                if ((fits | late) & (arrived | broken)).all():
                    return fits, arrived & ~broken if self.with_rate else fits
        raise AssertionError  # a descent has no end

    def residuals(
        self, problem: LeastSquares, width: int, rate: Tensor
    ) -> Iterator[Tensor]:
        """On the way, step by step, over the size of the labels."""
        start = self.start(problem, width)
        for state in wide.descent(problem, start, self.kind(), rate):
            yield state.residual

    def start(self, problem: LeastSquares, width: int) -> wide.Weights:
        features = problem.X.shape[-1]
        return hidden_weights(self.seeds, width, features, signs=self.signs)

    def kind(self) -> wide.Kind:
        return wide.Kind(self.softness, self.trained)


@dataclass(frozen=True)
class Altered(Needed):
    """With the kernel of the start for good, or with larger labels."""

    frozen: bool = False
    times: float = 1.0  # as large

    def kind(self) -> wide.Kind:
        return replace(super().kind(), stretch=self.times)

    def residuals(
        self, problem: LeastSquares, width: int, rate: Tensor
    ) -> Iterator[Tensor]:
        if not self.frozen:
            yield from super().residuals(problem, width, rate)
            return
        kernel = wide.kernel_at(problem.X, self.start(problem, width), self.kind())
        pull, residual = rate[:, None, None] * kernel, -problem.y
        while True:
            yield residual
            residual = residual - (pull @ residual[..., None])[..., 0]


def lasting(widths: list[int], met: Tensor) -> int | None:
    """The least width from which on it is met; None if it is not at the widest."""
    missed = (~met).nonzero()
    first = int(missed.max()) + 1 if len(missed) else 0
    return widths[first] if first < len(widths) else None


SOFT = 0.25


class Journey(NamedTuple):
    """One descent for each seed, and what the kernel at its start foretells."""

    path: wide.Path
    kernel: Tensor  # at the start
    labels: Tensor
    kind: wide.Kind
    rate: Tensor

    @property
    def least(self) -> Tensor:
        return self.path.least[0]

    def late_slope(self, least: Tensor | None = None) -> np.ndarray:
        """Of log residual between 1e-5 and 1e-7, over rate × least eigenvalue."""
        early, late = self.first_below(1e-5), self.first_below(1e-7)
        fall = torch.log(self.at(self.path.residual, early))
        fall = fall - torch.log(self.at(self.path.residual, late))
        time = self.path.steps[late] - self.path.steps[early]
        foretold = self.rate * (self.least if least is None else least)
        return (fall / time / foretold).numpy()

    def least_ratio(self) -> np.ndarray:
        """Of gradient² to loss on the way, over twice the least eigenvalue."""
        residual = self.path.residual
        counts = residual > 1e-7 * residual[0]
        ratio = self.path.ratio.where(counts, torch.inf)
        return (ratio.amin(0) / self.least).numpy()

    def kernel_moved(self) -> np.ndarray:
        """As a share, when 1e-4 of the residual is left."""
        return self.at(self.path.change, self.first_below(1e-4)).numpy()

    def way(self) -> np.ndarray:
        """Distance gone over that of the nearest fit of the linearised network."""
        shortest = theory.shortest_way(self.kernel, self.labels) * self.kind.stretch
        return self.path.distance[-1].numpy() / shortest

    def detour(self) -> np.ndarray:
        return (self.path.length[-1] / self.path.distance[-1]).numpy()

    def detour_foretold(self) -> np.ndarray:
        """The same if the kernel stayed as it is."""
        values, factor, parts = self.modes()
        steps = np.arange(int(self.path.steps[-1]))[:, None, None]
        pulls = self.rate.numpy()[:, None] * np.sqrt(values) * parts
        length = np.linalg.norm(factor**steps * pulls, axis=-1).sum(0)
        gone = (1 - factor ** len(steps)) * parts / np.sqrt(values)
        return length / np.linalg.norm(gone, axis=-1)

    def frozen(self) -> np.ndarray:
        """The residual if the kernel stayed as it is: (times, seeds)."""
        _, factor, parts = self.modes()
        left = factor ** self.path.steps.numpy()[:, None, None] * parts
        return np.linalg.norm(left, axis=-1)

    def modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the kernel: eigenvalues, what a step leaves of each, and the labels."""
        values, vectors = np.linalg.eigh(self.kernel.numpy())
        parts = (vectors.swapaxes(1, 2) @ self.labels.numpy()[..., None])[..., 0]
        return values, 1 - self.rate.numpy()[:, None] * values, parts

    def first_below(self, share: float) -> Tensor:
        """The look at which so little of the residual is left, for each seed."""
        below = self.path.residual < share * self.path.residual[0]
        return below.int().argmax(0)

    def at(self, what: Tensor, look: Tensor) -> Tensor:
        return what.gather(0, look[None])[0]


def journey(
    problem: LeastSquares,
    seeds: Iterable[int],
    width: int,
    softness: float = SOFT,
    *,
    signs: bool = True,
    mean_field: bool = False,
    speed: float = 1.0,
    **how,
) -> Journey:
    """The first layer trained, at `speed` over the kernel's largest eigenvalue."""
    start = hidden_weights(seeds, width, problem.X.shape[-1], signs=signs)
    kind = wide.Kind(softness, "first", width**0.5 if mean_field else 1.0)
    kernel = wide.kernel_at(problem.X, start, kind)
    rate = speed / torch.linalg.eigvalsh(kernel)[:, -1]
    path = wide.measured(problem, start, kind, rate, **how)
    return Journey(path, kernel, problem.y, kind, rate)


def digits_by_parity(seeds: Iterable[int], examples: int) -> LeastSquares:
    """Images of 8×8, even ones to give 1, odd ones −1."""
    images = load_split("digits", "train")
    parity = 1 - 2 * (images.labels % 2)
    return of_rows(seeds, images.pixels.flatten(1), parity, examples)


NETWORKS = {
    "ReLU": {},
    "soft": {"softness": SOFT},
    "ReLU, one sign": {"signs": False},
    "soft, one sign": {"softness": SOFT, "signs": False},
    "ReLU, all layers": {"trained": "all"},
    "soft, all layers": {"softness": SOFT, "trained": "all"},
}
FIRST = ["ReLU", "soft"]


def _sweep(
    data: str,
    networks: list[str],
    sizes: tuple[int, ...],
    *,
    spec: type[Needed] = Needed,
    others: bool = False,
    **how,
) -> list[Needed]:
    """With the seeds of the page, or with others."""
    count = dials.at_scale(quick=3, laptop=10)
    seeds = dials.seeds(3 * count)
    seeds = tuple(seeds[count:] if others else seeds[:count])
    return [
        spec(seeds, data, examples, **NETWORKS[name] | how)
        for examples in dials.at_scale(quick=(10, 20), laptop=sizes)
        for name in networks
    ]


def sphere() -> list[Needed]:
    return _sweep("sphere", list(NETWORKS), (20, 40, 80))


def frozen() -> list[Needed]:
    """With the kernel of the start for good."""
    return _sweep("sphere", FIRST, (20, 40, 80), spec=Altered, frozen=True)


def others() -> list[Needed]:
    """With twenty other seeds; all layers also with labels that grow."""
    networks = [*FIRST, "soft, all layers"]
    how = {"others": True}
    specs = _sweep("sphere", networks, (20, 40, 80), **how)
    specs += _sweep("sphere", FIRST, (20, 40, 80), spec=Altered, frozen=True, **how)
    plain = _sweep("sphere", networks[-1:], (20, 40, 80), spec=Altered, **how)
    fewest = plain[0].examples
    return specs + [replace(s, times=(s.examples / fewest) ** 0.5) for s in plain]


def digits() -> list[Needed]:
    names = ["ReLU", "ReLU, one sign", "soft", "soft, one sign"]
    return _sweep("digits", names, (20, 40, 80), with_rate=False)


def patient() -> list[Needed]:
    """With ten times as long."""
    how = {"patience": 10.0, "with_rate": False}
    return _sweep("sphere", ["ReLU", "soft"], (20, 40), **how)


SWEEPS = {
    "sphere": sphere,
    "frozen": frozen,
    "others": others,
    "digits": digits,
    "patient": patient,
}
