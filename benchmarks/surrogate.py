"""A matrix with the network's exact spectrum, in a random basis, at a fraction of cost.

What an iterative method needs of a matrix is its spectrum and the angles of its random
vectors to the eigenvectors: random signs, a cosine transform and the eigenvalues give
both.  Counts and errors over many seeds come from here; costs of a product come from
the network itself.
"""

import numpy as np
import torch
from scipy.fft import dct, idct
from torch import Tensor

SMALLEST = 8192  # so that no estimator runs out of dimensions before it is accurate


class Surrogate:
    """diag(eigenvalues, 0, ...) in the basis of a randomly signed cosine transform."""

    def __init__(self, eigenvalues: Tensor, seed: int):
        size = 2 ** int(np.ceil(np.log2(max(2 * len(eigenvalues), SMALLEST))))
        order = np.random.default_rng(seed)
        self.values = np.zeros(size, np.float32)
        self.values[order.permutation(size)[: len(eigenvalues)]] = eigenvalues
        self.signs = order.choice(np.array([-1, 1], np.float32), size)

    def __call__(self, vector: Tensor) -> Tensor:
        inner = dct(self.signs * vector.numpy(), norm="ortho")
        return torch.from_numpy(self.signs * idct(self.values * inner, norm="ortho"))

    @property
    def size(self) -> int:
        return len(self.values)
