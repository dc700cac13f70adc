"""The shortest function of a kernel: of pixels, of features that are made by hand."""

from dataclasses import dataclass

import numpy as np

from helpers import dials
from helpers.images.mnist import mnist
from helpers.images.orientations import orientations
from helpers.images.sources import load_split
from helpers.images.table import Images, subset
from helpers.oracles.least_squares import kernel_interpolator


@dataclass(frozen=True)
class Kernel:
    """The function of least norm that fits some images, and its error on new ones."""

    seed: int
    dataset: str
    examples: int
    features: str  # pixels or orientations
    sharpness: float  # of the kernel, over the typical squared distance

    def sources(self) -> list[Images]:
        read = mnist if self.dataset == "mnist" else self.embedded
        return [read(part) for part in ("train", "test")]

    def embedded(self, part: str) -> Images:
        return load_split(self.dataset, part)

    def run(self) -> dict[str, float]:
        images, new = self.sources()
        own = subset(images, self.examples, self.seed)
        wanted = np.eye(10)[own.labels]
        rows = self.features_of(own), wanted, self.features_of(new)
        found, norm = kernel_interpolator(*rows, self.sharpness)
        wrong = found.argmax(1) != new.labels.numpy()
        return {"norm": float(norm), "error": float(wrong.mean())}

    def features_of(self, images: Images) -> np.ndarray:
        if self.features == "orientations":
            return orientations(images.pixels).numpy()
        return images.pixels.flatten(1).double().numpy()


def kernels() -> list[Kernel]:
    """Each kind of feature at two widths of the kernel."""
    dataset, examples, seeds = dials.at_scale(
        quick=("digits", 200, 3), laptop=("mnist", 5000, 5), paper=("mnist", 20_000, 5)
    )
    return [
        Kernel(seed, dataset, examples, features, sharpness)
        for features in ("pixels", "orientations")
        for sharpness in (3.0, 1.0)
        for seed in dials.seeds(seeds)
    ]


SWEEPS = {"kernels": kernels}
