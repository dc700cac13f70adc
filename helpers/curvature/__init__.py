"""Hessian, Gauss-Newton and noise geometry of a trained network.

Every function takes a module, its inputs and its targets, and reads the loss as a
mean over the n examples: L = (1/n) sum_i l(f(x_i), y_i).  With S_i a root of the
output curvature, d2l/df2 = S_i S_i^T, and W_i = S_i^T J_i, the Gauss-Newton matrix is
G = (1/n) sum_i W_i^T W_i: for the half square it is J^T J / n, and where every
example is fitted it is the Hessian.  The Gram matrix K = W W^T has the same non-zero
spectrum as n G, and is small.
"""

from helpers.curvature.gram import Gram, gram, trace
from helpers.curvature.lanczos import (
    Eigenvalues,
    Moments,
    deflated_moments,
    top_eigenvalues,
)
from helpers.curvature.losses import cross_entropy, half_square
from helpers.curvature.noise import (
    Alignment,
    BatchSharpness,
    alignment,
    batch_sharpness,
    stability_threshold,
)
from helpers.curvature.products import Product, gauss_newton, hessian
from helpers.curvature.sensitivity import (
    folded,
    input_sensitivity,
    margins,
    path_norm,
)
from helpers.curvature.sketch import Sketch, sketch, sketch_trace

__all__ = [
    "Alignment",
    "BatchSharpness",
    "Eigenvalues",
    "Gram",
    "Moments",
    "Product",
    "Sketch",
    "alignment",
    "batch_sharpness",
    "cross_entropy",
    "deflated_moments",
    "folded",
    "gauss_newton",
    "gram",
    "half_square",
    "hessian",
    "input_sensitivity",
    "margins",
    "path_norm",
    "sketch",
    "sketch_trace",
    "stability_threshold",
    "top_eigenvalues",
    "trace",
]
