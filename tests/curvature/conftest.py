"""Tiny networks, and dense references built with autograd alone."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn.functional import cross_entropy

from helpers.curvature.losses import half_square


class Shared(nn.Module):
    """One layer called twice, one bare parameter, and one weight under two names."""

    def __init__(self, classes: int):
        super().__init__()
        self.first, self.again = nn.Linear(5, 4), nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.again.weight
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 4))
        self.head = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.again(torch.tanh(self.again(self.first(x)))))
        return self.head(self.scale * self.tied(hidden))


class Tokens(nn.Module):
    """A linear layer at several positions, and layer norm."""

    def __init__(self, classes: int):
        super().__init__()
        self.embed, self.norm = nn.Linear(3, 4), nn.LayerNorm(4)
        self.head = nn.Linear(4, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(torch.tanh(self.embed(x))).mean(1))


def mlp(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4, bias=False), nn.Tanh(),
        nn.Linear(4, classes),
    )  # fmt: skip


def cnn(classes: int) -> nn.Module:
    """Stride, padding, dilation, a pool, and ReLU in place."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=(1, 0)), nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, (2, 1), dilation=(2, 1), bias=False), nn.MaxPool2d((1, 2)),
        nn.Tanh(), nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip


def group_norm(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.GroupNorm(2, 4),
        nn.ReLU(inplace=True), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(16, classes),
    )  # fmt: skip


def batch_norm(classes: int) -> nn.Module:
    """Batch-norm in eval mode, and convolutions that torch.func has to handle."""
    norm = nn.BatchNorm2d(4)
    nn.init.uniform_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), norm, nn.Tanh(),
        nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"), nn.Dropout(),
        nn.Flatten(), nn.Linear(32, classes),
    ).eval()  # fmt: skip


SHAPES = {
    mlp: (5,),
    Shared: (5,),
    Tokens: (3, 3),
    cnn: (2, 7, 6),
    group_norm: (2, 6, 6),
    batch_norm: (2, 6, 6),
}
LOSSES = {"square": half_square, "cross-entropy": cross_entropy}


class Problem(NamedTuple):
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: object

    @property
    def classes(self) -> int:
        return self.model(self.inputs[:1]).shape[1]

    def weights(self) -> dict[str, Tensor]:
        """Leaf copies, whose derivatives keep the order of model.parameters()."""
        named = self.model.named_parameters()
        return {name: p.detach().clone() for name, p in named if p.requires_grad}

    def jacobian(self) -> Tensor:
        """(n, C, p)."""
        rows = jacrev(lambda w: functional_call(self.model, w, (self.inputs,)))(
            self.weights()
        )
        return torch.cat([row.flatten(2) for row in rows.values()], 2)

    def output_hessian(self) -> Tensor:
        """(n, C, C), from the definition of the loss, one example at a time."""
        outputs = self.model(self.inputs).detach()
        each = [
            torch.autograd.functional.hessian(
                lambda f, y=y: self.loss(f[None], y[None]), f
            )
            for f, y in zip(outputs, self.targets, strict=True)
        ]
        return torch.stack(each)

    def gradients(self) -> Tensor:
        """(n, p)."""
        outputs = self.model(self.inputs).detach().requires_grad_()
        total = len(outputs) * self.loss(outputs, self.targets)
        (above,) = torch.autograd.grad(total, outputs)
        return torch.einsum("nc,ncp->np", above, self.jacobian())

    def gauss_newton(self) -> Tensor:
        jacobian = self.jacobian()
        weighted = self.output_hessian() @ jacobian
        return torch.einsum("ncp,ncq->pq", jacobian, weighted) / len(self.inputs)

    def hessian(self) -> Tensor:
        weights = self.weights()
        sizes = [w.numel() for w in weights.values()]

        def value(flat: Tensor) -> Tensor:
            pieces = zip(weights.items(), flat.split(sizes), strict=True)
            named = {name: piece.view_as(w) for (name, w), piece in pieces}
            outputs = functional_call(self.model, named, (self.inputs,))
            return self.loss(outputs, self.targets)

        flat = torch.cat([w.flatten() for w in weights.values()])
        return torch.autograd.functional.hessian(value, flat)

    def fitted(self) -> "Problem":
        """The same network with its own outputs as targets: loss zero."""
        return self._replace(targets=self.model(self.inputs).detach())


def make_problem(
    build=mlp, classes=3, loss="square", n=7, dtype=torch.float64, seed=0
) -> Problem:
    torch.manual_seed(seed)
    model = build(classes).to(dtype)
    inputs = torch.randn(n, *SHAPES[build], dtype=dtype)
    targets = torch.randn(n, classes, dtype=dtype)
    if loss == "cross-entropy":
        targets = targets.argmax(1)
    return Problem(model, inputs, targets, LOSSES[loss])


@pytest.fixture
def problem():
    """Factory of tiny problems: problem(build, classes, loss, n, dtype, seed)."""
    return make_problem


@pytest.fixture(
    params=[
        pytest.param((build, classes, loss), id=f"{build.__name__}-{classes}-{loss}")
        for build in SHAPES
        for classes, loss in [(1, "square"), (3, "square"), (3, "cross-entropy")]
    ]
)
def any_case(request):
    """Arguments of `problem` for every network with every loss."""
    return request.param


@pytest.fixture(
    params=[
        pytest.param((build, classes), id=f"{build.__name__}-{classes}")
        for build in SHAPES
        for classes in (1, 3)
    ]
)
def square_case(request):
    """Arguments of `problem` for every network with the half square."""
    return request.param


def relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture
def error():
    return relative


@pytest.fixture
def networks():
    """The constructors by name."""
    return {build.__name__: build for build in SHAPES}
