"""What determines a training run, apart from the network, the data and the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from helpers.dials import BookError


@dataclass(frozen=True)
class Recipe:
    rate: float
    epochs: int  # at most: a run ends when all its networks fit
    batch: int = 128
    momentum: float = 0.0
    weight_decay: float = 0.0  # of all weights, as the coefficient of ½‖θ‖²
    warmup: int = 0  # steps over which the rate rises to its value
    drops: tuple[float, ...] = ()  # shares of the epochs after which it falls tenfold
    loss: str = "cross-entropy"  # or square: ½(output − target)², summed over outputs
    augment: bool = False  # a shift by up to an eighth of the image, and a mirror
    label_noise: float = (
        0.0  # share of labels drawn anew; σ of what is added to targets
    )
    with_replacement: bool = False  # each batch drawn independently of the others
    stop_accuracy: float | None = 1.0  # on the clean training set, in evaluation mode
    stop_loss: float | None = None  # likewise
    check_every: int = 1  # epochs between two looks at the training set
    precision: str = "float32"  # or bf16, for all but weights and losses

    def __post_init__(self):
        wrong = [
            (not self.rate > 0, f"a rate of {self.rate} does not train: give one > 0"),
            (self.batch < 1, f"a batch of {self.batch} is empty: give 1 or more"),
            (self.label_noise < 0, "label noise cannot be negative: give 0 or more"),
            (self.loss not in LOSSES, _unknown(self.loss, LOSSES)),
            (self.precision not in PRECISIONS, _unknown(self.precision, PRECISIONS)),
        ]
        for is_wrong, message in wrong:
            if is_wrong:
                raise BookError(message)

    def rate_at(self, step: int, steps_an_epoch: int) -> float:
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        done = step / (steps_an_epoch * self.epochs)
        return self.rate * rise * 0.1 ** sum(done >= share for share in self.drops)

    def fits(self, accuracy: float, loss: float) -> bool:
        """Whether a network may stop; without a criterion none does before the end."""
        if self.stop_accuracy is None and self.stop_loss is None:
            return False
        enough = self.stop_accuracy is None or accuracy >= self.stop_accuracy
        return enough and (self.stop_loss is None or loss <= self.stop_loss)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of each member, from (members, batch[, outputs])."""
        if outputs.dtype != torch.float64:
            outputs = outputs.float()
        if self.loss == "square":
            half = (outputs - targets).square() / 2
            return half.flatten(1).sum(1) / half.shape[1]
        flat = outputs.flatten(0, 1), targets.flatten()
        each = cross_entropy(*flat, reduction="none")
        return each.view(targets.shape).mean(1)


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Which outputs name their target: a class, a row with a one, or a sign."""
    if not targets.is_floating_point():
        return outputs.argmax(-1) == targets
    if targets.shape[2:]:
        return outputs.argmax(-1) == targets.argmax(-1)
    return outputs * targets > 0


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f"{name!r} is unknown: choose {' or '.join(known)}"


LOSSES = ("cross-entropy", "square")
PRECISIONS = ("float32", "bf16")
AUTOCAST = {"float32": torch.float32, "bf16": torch.bfloat16}
