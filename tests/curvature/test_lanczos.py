import math

import pytest
import torch

from helpers.curvature.lanczos import (
    deflated_moments,
    krylov,
    power_iteration,
    top_eigenvalues,
)
from helpers.curvature.products import gauss_newton, hessian


class Counted:
    """A dense symmetric matrix with a given spectrum, that counts its products."""

    def __init__(self, spectrum, seed=0, dtype=torch.float64):
        torch.manual_seed(seed)
        values = torch.as_tensor(spectrum, dtype=dtype)
        basis, _ = torch.linalg.qr(torch.randn(len(values), len(values), dtype=dtype))
        self.dense = basis * values @ basis.T
        self.shape, self.dtype = self.dense.shape, dtype
        self.device, self.count = self.dense.device, 0

    def __matmul__(self, vector):
        self.count += 1
        return self.dense @ vector


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


POWER_LAW = [1 / i for i in range(1, 301)]
INDEFINITE = [*torch.linspace(-3, 1, 100).tolist(), 2.0, 2.5, 4.0]
CLUSTER = [1.0, 0.99, 0.98, 0.5, *[0.1] * 50]


@pytest.mark.parametrize("spectrum", [POWER_LAW, INDEFINITE, CLUSTER])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-8])
def test_the_certificate_holds(spectrum, k, tol):
    exact = torch.tensor(spectrum, dtype=torch.float64)
    for seed in range(10):
        matrix = Counted(spectrum, seed)
        found = top_eigenvalues(matrix, k, tol=tol, generator=seeded(seed))
        assert found.certified
        assert found.products == matrix.count
        assert (found.residuals <= tol * found.values).all()
        nearest = (exact[:, None] - found.values).abs().min(0)[0]
        assert (nearest <= found.residuals + 1e-12).all()
        assert (found.values <= exact.sort(descending=True)[0][:k] + 1e-12).all()
        image = matrix.dense @ found.vectors
        residuals = (image - found.vectors * found.values).norm(dim=0)
        assert torch.allclose(residuals, found.residuals, atol=1e-10)
        gram = found.vectors.T @ found.vectors
        assert torch.allclose(gram, torch.eye(k, dtype=gram.dtype), atol=1e-10)


def test_separated_values_are_far_better_than_certified():
    found = top_eigenvalues(Counted(POWER_LAW), 5, generator=seeded(0))
    exact = torch.tensor(POWER_LAW[:5], dtype=torch.float64)
    assert ((exact - found.values) <= 1e-2 * found.residuals + 1e-14).all()
    assert (found.residuals > 1e-6).any()


def test_control_the_sharper_bound_fails_on_a_cluster():
    """residual^2 / gap is what one would like to certify; it is wrong here."""
    wrong = 0
    for seed in range(10):
        found = top_eigenvalues(Counted(CLUSTER), 2, tol=1e-2, generator=seeded(seed))
        gap = found.values[0] - found.values[1]
        wrong += (1 - found.values[0] > found.residuals[0] ** 2 / gap).item()
    assert wrong > 0


def test_a_tighter_tolerance_costs_products_and_buys_accuracy():
    counts, errors = [], []
    for tol in (1e-1, 1e-4, 1e-9):
        found = top_eigenvalues(Counted(POWER_LAW), tol=tol, generator=seeded(0))
        counts.append(found.products)
        errors.append(abs(found.values[0].item() - 1))
    assert counts == sorted(set(counts))
    assert errors == sorted(errors, reverse=True)


def test_lanczos_beats_power_iteration():
    spectrum = [1.0, 0.97, *torch.linspace(0, 0.9, 200).tolist()]
    matrix = Counted(spectrum)
    vector = torch.randn(len(spectrum), dtype=torch.float64, generator=seeded(1))
    steps = 0
    while abs((vector @ (matrix.dense @ vector)) / (vector @ vector) - 1) > 1e-3:
        vector = matrix.dense @ vector
        steps += 1
    found = top_eigenvalues(matrix, generator=seeded(1))
    assert found.products < steps / 2


@pytest.mark.parametrize("spectrum", [POWER_LAW, [1.0, -3.0, 0.5]])
def test_power_iteration_goes_on_until_it_stands_still(spectrum):
    """The gaps are wide; of the negative eigenvalue it finds the sign as well."""
    for seed in range(5):
        found = power_iteration(Counted(spectrum), tol=1e-9, generator=seeded(seed))
        assert found == pytest.approx(max(spectrum, key=abs), rel=1e-8)


def test_power_iteration_stops_where_convergence_is_slow():
    """Each change is below the tolerance, and the error is five times as large."""
    matrix = Counted([1.0, 0.97, *torch.linspace(0, 0.9, 200).tolist()])
    found = power_iteration(matrix, tol=1e-3, generator=seeded(1))
    assert 1 - found > 5e-3
    assert found == pytest.approx(quotient(matrix, matrix.count), rel=1e-9)
    last = [quotient(matrix, matrix.count - back) for back in (2, 1, 0)]
    assert last[1] / last[0] - 1 > 1e-3 >= 1 - last[1] / last[2]


def quotient(matrix, products: int):
    """Power iteration's estimate after so many products, from the same start."""
    vector = torch.randn(len(matrix.dense), dtype=torch.float64, generator=seeded(1))
    for _ in range(products - 1):
        vector = matrix.dense @ vector
    value = (vector @ matrix.dense @ vector) / (vector @ vector)
    return value.item()


def test_power_iteration_has_an_end():
    matrix = Counted([1.0, 0.999, 0.5])
    power_iteration(matrix, tol=0.0, max_products=7, generator=seeded(0))
    assert matrix.count == 7
    assert power_iteration(Counted([0.0] * 4), generator=seeded(0)) == 0


def test_it_says_so_when_it_did_not_certify():
    with pytest.warns(RuntimeWarning, match="5 products did not certify"):
        found = top_eigenvalues(
            Counted(POWER_LAW), 3, max_products=5, generator=seeded(0)
        )
    assert not found.certified
    assert (found.residuals > 1e-3 * found.values).any()


def test_a_repeated_eigenvalue_counts_once():
    """Until rounding errors bring in its second direction, here after 40 products."""
    matrix = Counted([2.0, 2.0, *torch.linspace(0, 1, 200).tolist()])
    *_, state = krylov(matrix, torch.ones(202, dtype=torch.float64), 15)
    values = torch.linalg.eigvalsh(state.tridiagonal)
    assert values[-1] == pytest.approx(2, rel=1e-9)
    assert values[-2] < 1.01


def test_an_exhausted_space_is_left_for_the_rest():
    """One direction of a repeated eigenvalue spans its Krylov space."""
    found = top_eigenvalues(Counted([2.0] * 4), 3, tol=1e-9, generator=seeded(0))
    assert torch.allclose(found.values, torch.full((3,), 2.0).double())


def test_zero_and_low_rank_matrices():
    found = top_eigenvalues(Counted([0.0] * 5), 2, generator=seeded(0))
    assert found.certified
    assert found.values.abs().max() == 0
    found = top_eigenvalues(Counted([3.0, *[0.0] * 9]), 1, generator=seeded(0))
    assert abs(found.values[0] - 3) < 1e-12
    assert found.products <= 3


@pytest.mark.parametrize("build", [hessian, gauss_newton])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_network_eigenvalues(build, dtype, problem, networks):
    case = problem(networks["cnn"], dtype=dtype)
    dense = case.hessian() if build is hessian else case.gauss_newton()
    expected = torch.linalg.eigvalsh(dense).flip(0)[:3].double()
    tol = 1e-5 if dtype == torch.float32 else 1e-10
    found = top_eigenvalues(build(*case), 3, tol=tol, generator=seeded(0))
    assert ((found.values - expected).abs() <= tol * expected).all()


def test_a_curvlinops_operator_serves_as_well(problem):
    curvlinops = pytest.importorskip("curvlinops")
    case = problem(classes=1)
    operator = curvlinops.GGNLinearOperator(
        case.model,
        torch.nn.MSELoss(),
        list(case.model.parameters()),
        [(case.inputs, case.targets)],
    )
    found = top_eigenvalues(operator, tol=1e-9, generator=seeded(0))
    expected = 2 * torch.linalg.eigvalsh(case.gauss_newton())[-1]
    assert torch.allclose(found.values[0], expected, rtol=1e-9)


@pytest.mark.parametrize("bad", [0, 4])
def test_an_impossible_k_is_refused(bad):
    with pytest.raises(ValueError, match="ask for 1 to 3"):
        top_eigenvalues(Counted([1.0, 2.0, 3.0]), bad)


def test_deflated_moments_are_unbiased_and_know_their_error():
    matrix = Counted(INDEFINITE)
    trace, square = sum(INDEFINITE), sum(value**2 for value in INDEFINITE)
    runs = [
        deflated_moments(matrix, steps=5, probes=10, generator=seeded(seed))
        for seed in range(300)
    ]
    for samples, truth, control in [
        (torch.tensor([run.trace for run in runs]), trace, 0.95 * trace),
        (torch.tensor([run.frobenius**2 for run in runs]), square, 0.95 * square),
    ]:
        interval = 4 * samples.std() / math.sqrt(len(samples))
        assert abs(samples.mean() - truth) < interval < abs(samples.mean() - control)
    for value, error in [("trace", "trace_error"), ("frobenius", "frobenius_error")]:
        spread = torch.tensor([getattr(run, value) for run in runs]).std()
        claimed = torch.tensor([getattr(run, error) for run in runs])
        assert 0.8 < claimed.square().mean().sqrt() / spread < 1.2
    assert {run.products for run in runs} == {15}


def test_every_part_of_the_deflated_norm_counts():
    """In five dimensions the Krylov space, its edge beta and the rest are all large."""
    spectrum = [3.0, 1.0, 0.0, -1.0, -2.0]
    square = sum(value**2 for value in spectrum)
    runs = [
        deflated_moments(Counted(spectrum), steps=2, probes=4, generator=seeded(seed))
        for seed in range(300)
    ]
    samples = torch.tensor([run.frobenius**2 for run in runs], dtype=torch.float64)
    interval = 4 * samples.std() / math.sqrt(len(samples))
    assert abs(samples.mean() - square) < interval < abs(samples.mean() - 0.9 * square)


def test_deflation_beats_plain_probes_on_a_power_law():
    matrix = Counted(POWER_LAW)

    def spread(steps, probes):
        runs = [
            deflated_moments(matrix, steps=steps, probes=probes, generator=seeded(s))
            for s in range(40)
        ]
        return torch.tensor([run.frobenius for run in runs]).std()

    assert spread(15, 15) < spread(1, 29) / 3


def test_a_standard_error_needs_two_probes():
    with pytest.raises(ValueError, match="two probes"):
        deflated_moments(Counted(POWER_LAW), probes=1)
