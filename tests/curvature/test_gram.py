import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import networks
from helpers.curvature import kernel
from helpers.curvature.gram import Gram, gram, trace
from helpers.curvature.layers import PatchLayer, find_layers
from helpers.curvature.losses import half_square

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_kernel_holds_the_gauss_newton_matrix(any_case, dtype, problem, error):
    case = problem(*any_case, dtype=dtype)
    found, dense = gram(*case), case.gauss_newton()
    tolerance = TOLERANCE[dtype]
    assert abs(found.trace / dense.trace() - 1) < tolerance
    assert abs(found.frobenius / dense.norm() - 1) < tolerance
    assert abs(trace(*case, chunk=2) / dense.trace() - 1) < tolerance
    spectrum = torch.linalg.eigvalsh(dense).flip(0)
    values = found.eigenvalues()
    shared = min(len(values), len(spectrum))
    assert error(values[:shared], spectrum[:shared]) < tolerance
    assert values[shared:].abs().sum() <= 10 * tolerance * values[0]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_square_loss_kernel_is_jacobian_gram(square_case, dtype, problem, error):
    case = problem(*square_case, dtype=dtype)
    rows = case.jacobian().flatten(0, 1)
    assert error(gram(*case).kernel, rows @ rows.T) < TOLERANCE[dtype]


@pytest.mark.parametrize("side", [8, 16])  # at 8 the last images are single pixels
def test_the_order_in_memory_does_not_matter(side):
    """Trained networks come with their channels last."""
    how = {"inputs": (1, side, side), "width": 4, "norm": "group"}
    model = networks.build("resnet18", **how).double().eval()
    inputs = torch.randn(3, 1, side, side, dtype=torch.float64)
    case = model, inputs, torch.zeros(3, 10, dtype=torch.float64)
    expected = trace(*case)
    model.to(memory_format=torch.channels_last)
    assert trace(*case) == pytest.approx(expected, rel=1e-10)


def test_residual_gives_the_gradients(any_case, problem, error):
    case = problem(*any_case)
    found, gradients = gram(*case), case.gradients()
    blocks = found.kernel.view(*found.residual.shape, *found.residual.shape)
    overlap = torch.einsum("ic,icjd,jd->ij", found.residual, blocks, found.residual)
    assert error(overlap, gradients @ gradients.T) < 1e-10
    assert found.loss == case.loss(case.model(case.inputs), case.targets).item()


def test_gram_is_the_hessian_at_interpolation_only(square_case, problem, error):
    away = problem(*square_case)
    fitted = away.fitted()
    for case, agrees in [(fitted, True), (away, False)]:
        hessian = case.hessian()
        deviation = abs(gram(*case).frobenius / hessian.norm().item() - 1)
        assert (deviation < 1e-10) == agrees
        assert (error(case.gauss_newton(), hessian) < 1e-10) == agrees


@pytest.mark.parametrize("name", ["cnn", "batch_norm", "Shared"])
@pytest.mark.parametrize("options", [{"memory": 1e-9}, {"memory": 2e-6}, {"chunk": 2}])
def test_splitting_changes_nothing(name, options, problem, networks, error):
    case = problem(networks[name])
    assert error(gram(*case, **options).kernel, gram(*case).kernel) < 1e-13


@pytest.mark.parametrize("name", ["mlp", "Tokens", "cnn", "group_norm"])
@pytest.mark.parametrize("ghost", [True, False])
def test_ghost_and_direct_forms_agree(
    name, ghost, problem, networks, error, monkeypatch
):
    case = problem(networks[name], n=37)
    rows = case.jacobian().flatten(0, 1)
    monkeypatch.setattr(kernel, "ghost_is_cheaper", lambda *_: ghost)
    assert error(gram(*case).kernel, rows @ rows.T) < 1e-12


def test_ghost_in_many_small_panels(problem, networks, error, monkeypatch):
    case = problem(networks["cnn"], n=37, loss="cross-entropy")
    expected = gram(*case).kernel
    monkeypatch.setattr(kernel, "ghost_is_cheaper", lambda *_: True)
    monkeypatch.setattr(kernel, "PANELS", 37)
    assert error(gram(*case).kernel, expected) < 1e-12


def test_plan_keeps_to_its_columns(problem, networks):
    case = problem(networks["batch_norm"])
    layers = find_layers(case.model, case.inputs[:1])
    widest = max(layer.width for layer in layers)
    groups = kernel.plan(layers, 7, 3, columns=2 * widest)
    assert len(groups) > 1
    seen = dict.fromkeys(layers, 0)
    for group in groups:
        columns = 0
        for layer, part in group:
            channels = layer.channels if part is None else part.stop - part.start
            seen[layer] += channels
            columns += 0 if part is None else channels * layer.width
        assert columns <= 2 * widest
    assert seen == {layer: layer.channels for layer in layers}


def test_linear_layers_are_always_ghosts():
    linear = PatchLayer(nn.Linear(3072, 64), positions=1)
    assert kernel.ghost_is_cheaper(linear, 1000, 1)
    assert kernel.ghost_is_cheaper(linear, 1000, 10)
    early = PatchLayer(nn.Conv2d(3, 32, 3), positions=1024)
    late = PatchLayer(nn.Conv2d(512, 512, 3), positions=4)
    assert not kernel.ghost_is_cheaper(early, 1000, 1)
    assert kernel.ghost_is_cheaper(late, 1000, 1)


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 8, 3, padding=1),
        nn.Tanh(), nn.Flatten(), nn.Linear(512, 2),
    )  # fmt: skip


def test_operation_count_is_the_formula():
    """Forward, deltas without weight gradients, rows, and 53 % of the square."""
    torch.manual_seed(0)
    n, seeds, places = 64, 2, 64
    model, inputs = conv_net(), torch.randn(64, 2, 8, 8)
    first, second, head = 4 * 2 * 9 * places, 8 * 4 * 9 * places, 512 * 2
    forward = n * (first + second + head)
    deltas = n * seeds * (second + head)
    rows = n * seeds * (first + second)
    square = 4 * 19 + 8 * 37  # parameters of the convolutions
    lower = (n * seeds) ** 2 * square * 17 / 32
    overlaps = (512 + seeds**2 * 2) * n**2 * 17 / 32
    with FlopCounterMode(display=False) as counter:
        gram(model, inputs, torch.randn(64, 2), dtype=torch.bfloat16)
    counted = counter.get_total_flops() / 2
    expected = forward + deltas + rows + lower + overlaps
    assert expected <= counted <= 1.1 * expected  # checks look at a few examples
    full = (n * seeds) ** 2 * square
    assert counted < forward + deltas + rows + full + overlaps  # the control


def test_bfloat16_rows_are_close_and_not_equal(error):
    torch.manual_seed(0)
    model, inputs, targets = conv_net(), torch.randn(64, 2, 8, 8), torch.randn(64, 2)
    exact = gram(model, inputs, targets)
    rounded = gram(model, inputs, targets, dtype=torch.bfloat16)
    assert 1e-6 < error(rounded.kernel, exact.kernel) < 1e-2
    assert abs(rounded.trace / exact.trace - 1) < 2e-3
    assert abs(rounded.frobenius / exact.frobenius - 1) < 2e-3


def test_norms_of_a_large_float32_kernel():
    size = 5000
    kernel = torch.full((size, size), 0.1)
    found = Gram(kernel, torch.zeros(size, 1), loss=1.0)
    assert found.frobenius == pytest.approx(0.1, rel=1e-6)
    assert found.trace == pytest.approx(0.1, rel=1e-6)
    at_once = torch.linalg.vector_norm(kernel).item() / size
    assert at_once != pytest.approx(0.1, rel=1e-5)


def test_frozen_parameters_do_not_count(problem, networks, error):
    case = problem(networks["cnn"])
    case.model[0].weight.requires_grad_(False)
    rows = case.jacobian().flatten(0, 1)
    assert error(gram(*case).kernel, rows @ rows.T) < 1e-12
    assert rows.shape[1] < sum(p.numel() for p in case.model.parameters())


class Bypass(nn.Module):
    """Uses a layer's weight once through the layer and once behind its back."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x):
        return self.head(torch.tanh(self.inner(x) @ self.inner.weight))


def test_a_weight_used_behind_its_layers_back_is_noticed():
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="outside its own layer"):
        gram(Bypass(), torch.randn(4, 3), torch.randn(4, 1))


class Standardised(nn.Conv2d):
    """A convolution whose forward does something else with its weight."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias)


@pytest.mark.filterwarnings("ignore:.*weight_norm:")
@pytest.mark.parametrize(
    "layer",
    [
        lambda: Standardised(2, 3, 3),
        lambda: nn.utils.weight_norm(nn.Conv2d(2, 3, 3)),
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 3)),
        lambda: nn.Conv2d(2, 3, 3, padding="same"),
        lambda: nn.ConvTranspose2d(2, 3, 3),
    ],
)
def test_layers_that_only_look_like_patch_layers(layer, problem, error):
    torch.manual_seed(0)
    model = nn.Sequential(layer(), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)).double()
    inputs = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    targets = torch.randn_like(model(inputs))
    case = problem()._replace(model=model, inputs=inputs, targets=targets)
    rows = case.jacobian().flatten(0, 1)
    assert error(gram(*case).kernel, rows @ rows.T) < 1e-12


def test_nothing_of_the_model_changes(problem, networks):
    case = problem(networks["batch_norm"])
    before = {k: v.clone() for k, v in case.model.state_dict().items()}
    gram(*case)
    assert all(p.grad is None for p in case.model.parameters())
    assert all(not m._forward_hooks for m in case.model.modules())
    after = case.model.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert not gram(*case).kernel.requires_grad
    assert half_square is case.loss
