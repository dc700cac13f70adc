"""The geometry of SGD noise: alignment, exact stability threshold, batch sharpness."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.curvature.checks import check_problem
from helpers.curvature.gram import Gram
from helpers.curvature.lanczos import top_eigenvalues
from helpers.curvature.losses import Loss, half_square
from helpers.curvature.products import pull_back


class Alignment(NamedTuple):
    """mu = tr(Sigma G) / (2 L |G|_F^2), and C mu.

    Residuals without a preferred output give Sigma = (2 L / C) G, so that 1 is the
    isotropic baseline of C mu, not of mu.
    """

    mu: float
    scaled: float


def alignment(gram: Gram) -> Alignment:
    """The loss-scaled alignment of the noise of SGD with batch size 1.

    Sigma is the covariance of the per-example gradients g_i = W_i^T a_i.
    """
    n, classes = gram.residual.shape
    blocks = gram.kernel.view(n * classes, n, classes)
    along = torch.einsum("kic,ic->ki", blocks, gram.residual)  # column i is W g_i
    centred = along - along.mean(1, keepdim=True)
    noise_curvature = centred.square().sum(dtype=torch.float64).item() / n**2
    if gram.loss == 0:
        raise ValueError("the loss is exactly zero, so the noise has no direction")
    mu = noise_curvature / (2 * gram.loss * gram.frobenius**2)
    return Alignment(mu, classes * mu)


def chance_alignment(gram: Gram, seed: int, draws: int = 20) -> float:
    """The mean C mu of residuals that are drawn, and prefer no output."""
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        drawn = torch.randn(gram.residual.shape, generator=generator)
        loss = drawn.square().sum().item() / 2 / gram.examples
        other = gram._replace(residual=drawn.to(gram.residual), loss=loss)
        found.append(alignment(other).scaled)
    return sum(found) / draws


def stability_threshold(
    gram: Gram, batch: int, *, replacement: bool = False, tol: float = 1e-10
) -> float:
    """The largest learning rate at which linearised SGD is stable in mean square.

    It is 2 / lambda_max(C^+ D) with C = (H x I + I x H) / 2 and
    D = (1 - p) H x H + (p / n) sum_i H_i x H_i, where p is 1 / batch with replacement
    and (n - batch) / (batch (n - 1)) without.  In the eigenbasis of H on its range C is
    diagonal, and H_i = Phi_i^T Phi_i for the rows Phi_i that example i has there.
    """
    n, classes = gram.residual.shape
    if not 1 <= batch <= n:
        raise ValueError(f"batch = {batch}: use 1 to {n} examples")
    p = 1 / batch if replacement else (n - batch) / (batch * max(n - 1, 1))
    values, vectors = torch.linalg.eigh(gram.kernel.double() / n)
    rounding = len(values) * torch.finfo(gram.kernel.dtype).eps
    kept = values > rounding * values[-1]
    values, rows = values[kept], vectors[:, kept] * (n * values[kept]).sqrt()
    matrix = _SecondMoment(values, rows.view(n, classes, -1), p)
    start = torch.diag(values).flatten()
    top = top_eigenvalues(matrix, tol=tol, max_products=500, start=start)
    return 2 / top.values[0].item()


class _SecondMoment:
    """C^(-1/2) D C^(-1/2), acting on r x r matrices that are flattened."""

    def __init__(self, values: Tensor, rows: Tensor, p: float):
        self.values, self.rows, self.p = values, rows, p
        self.inverse_root = (2 / (values[:, None] + values)).sqrt()
        self.shape = (len(values) ** 2,) * 2
        self.dtype, self.device = values.dtype, values.device

    def __matmul__(self, vector: Tensor) -> Tensor:
        moment = self.inverse_root * vector.view_as(self.inverse_root)
        mean = self.values[:, None] * moment * self.values
        blocks = (self.rows @ moment) @ self.rows.mT  # Phi_i M Phi_i^T
        flat = (blocks.mT @ self.rows).flatten(0, 1)
        single = flat.T @ self.rows.flatten(0, 1) / len(self.rows)
        image = (1 - self.p) * mean + self.p * single
        return (self.inverse_root * image).flatten()


class BatchSharpness(NamedTuple):
    """E[g_B^T H_B g_B] / E|g_B|^2 over batches B, with its standard error."""

    value: float
    error: float


def batch_sharpness(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss = half_square,
    *,
    batch: int,
    batches: int = 64,
    generator: torch.Generator | None = None,
) -> BatchSharpness:
    """Curvature of the batch loss along its own gradient, over random batches.

    The ratio of means is what the expected decrease of the loss depends on; batches are
    drawn without replacement, and the whole set (batch = n) is taken once.
    """
    check_problem(model, inputs, targets, loss)
    if not 1 <= batch <= len(inputs):
        raise ValueError(f"batch = {batch}: use 1 to {len(inputs)} examples")
    device = generator.device if generator else inputs.device
    measured = []
    for _ in range(1 if batch == len(inputs) else batches):
        drawn = torch.randperm(len(inputs), device=device, generator=generator)
        drawn = drawn[:batch].to(inputs.device)
        measured.append(_curvature_along(model, inputs[drawn], targets[drawn], loss))
    curvature, square = torch.tensor(measured, dtype=torch.float64).T
    value = curvature.mean() / square.mean()
    if len(measured) == 1:
        return BatchSharpness(value.item(), 0.0 if batch == len(inputs) else math.nan)
    spread = (curvature - value * square).std() / square.mean()
    return BatchSharpness(value.item(), spread.item() / math.sqrt(len(measured)))


def _curvature_along(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss
) -> tuple[float, float]:
    """g^T H g and |g|^2 of one batch."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    with torch.enable_grad():
        gradients = torch.autograd.grad(
            loss(model(inputs), targets),
            parameters,
            create_graph=True,
            materialize_grads=True,
        )
    vectors = [gradient.detach() for gradient in gradients]
    images = pull_back(gradients, parameters, vectors)
    curvature = sum((v * image).sum() for v, image in zip(vectors, images, strict=True))
    return curvature.item(), sum(v.square().sum() for v in vectors).item()
