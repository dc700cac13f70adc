"""One bad minimum and what leads out of it, beside minima that were never bad."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from helpers import dials, networks, records
from helpers.experiments import flatness
from helpers.experiments.flatness import Arm, Start, fit
from helpers.images.pair import as_signs
from helpers.images.table import Images
from helpers.training.epochs import Examples


@dataclass(frozen=True, kw_only=True)
class Origin(Start):
    """Minima of networks whose images are not made rows."""

    called: str = "bad"

    @property
    def kind(self) -> str:
        return self.called

    def as_examples(self, images: Images) -> Examples:
        return Examples(*as_signs(images, self.dataset, self.side))


@dataclass(frozen=True, kw_only=True)
class Shrunk(Origin):
    """Bad minima made smaller, with random weights added, and trained once more."""

    kept: float
    added: float

    def find(self, nets: list[torch.nn.Module]) -> None:
        super().find(nets)
        features = self.train_set(self.seeds[0]).inputs.shape[1:]
        shape = {"inputs": tuple(features), "outputs": 1, "width": self.width}
        for net, seed in zip(nets, self.seeds, strict=True):
            fresh = networks.build(self.network, seed=seed + 1000, **shape)
            with torch.no_grad():
                for own, new in zip(net.parameters(), fresh.parameters(), strict=True):
                    own.mul_(self.kept).add_(new, alpha=self.added)
        true = [self.train_set(seed) for seed in self.seeds]
        name = records.name_of(self, with_code=True)
        fit(nets, true, self.settle, self.seeds, f"{name}-again")


@dataclass(frozen=True, kw_only=True)
class WayOut(Arm):
    """How networks of all seeds go on from their minima, side by side."""


def origins() -> tuple[Origin, Origin]:
    """Bad minima, and ordinary ones, of the same networks and images."""
    seeds = tuple(dials.seeds(dials.at_scale(quick=2, laptop=10)))
    bad, ordinary = (vars(start) | {"seeds": seeds} for start in flatness.starts())
    return Origin(**bad), Origin(**ordinary, called="ordinary")


def way_out(label: str, starts: tuple[Origin, ...], **how: Any) -> WayOut:
    """An arm of `flatness` with a longer rest; `how` may change its recipe, too."""
    names = {"momentum", "weight_decay", "augment"} & how.keys()
    changed = {name: how.pop(name) for name in names}
    arm = flatness.small_arm(label, starts, **how)
    recipe = replace(arm.recipe, **changed)
    rest = replace(arm.rest, rate=0.004, epochs=4 * arm.rest.epochs)
    return WayOut(**vars(arm) | {"recipe": recipe, "rest": rest})


def ways_out() -> list[WayOut]:
    """As many steps for all; then half as many with nothing but the loss.

    The large rate and momentum travel at one rate; the penalty is as strong as the
    noise.
    """
    both, root = origins(), 2**0.5
    slow = {"rate": 0.002, "momentum": 0.9}
    decay, penalty = 0.03, flatness.penalty_weight(root, rate=0.004, batch=4)
    return [
        way_out("the same rate", both),
        way_out("a large rate", both, rate=0.02),
        way_out("momentum", both, **slow),
        way_out("label noise", both, noise=root),
        way_out("trace descent", both, descends="penalty", strength=penalty),
        way_out("ℓ2", both, weight_decay=decay),
        way_out("augmentation", both, augment=True),
        way_out("all three", both, **slow, weight_decay=decay, augment=True),
    ]


def beginnings() -> list[WayOut]:
    """Where descent ends that did not begin at a bad minimum, or begins afresh."""
    bad, ordinary = origins()
    whole = replace(ordinary.settle, batch=ordinary.examples, rate=0.02)
    epochs = dials.at_scale(quick=400, laptop=40_000)
    descent = replace(whole, epochs=epochs, check_every=50)
    others = (
        Shrunk(**vars(bad) | {"called": "shrunk and disturbed"}, kept=0.1, added=0.4),
        Origin(**vars(ordinary) | {"called": "gradient descent", "settle": descent}),
    )
    return [way_out("the same rate", others)]


SWEEPS = {"ways out": ways_out, "beginnings": beginnings}
