"""On a GPU, the numbers of the CPU; skipped where there is none."""

import copy

import pytest
import torch

from helpers.curvature.gram import gram
from helpers.curvature.lanczos import top_eigenvalues
from helpers.curvature.noise import alignment
from helpers.curvature.products import gauss_newton, hessian
from helpers.curvature.sketch import sketch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def pair(any_case, problem):
    """One problem in double precision, here and on the GPU."""
    here = problem(*any_case)
    model = copy.deepcopy(here.model).cuda()
    return here, (model, here.inputs.cuda(), here.targets.cuda(), here.loss)


def test_the_gram_matrix_and_what_it_knows(pair):
    here, there = (gram(*problem) for problem in pair)
    near = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(there.kernel.cpu(), here.kernel, **near)
    torch.testing.assert_close(there.eigenvalues().cpu(), here.eigenvalues(), **near)
    assert there.trace == pytest.approx(here.trace, rel=1e-10)
    assert there.frobenius == pytest.approx(here.frobenius, rel=1e-10)
    mu = [alignment(one).mu for one in (here, there)]
    assert mu[1] == pytest.approx(mu[0], rel=1e-9)


def test_products(pair):
    for kind in hessian, gauss_newton:
        here, there = (kind(*problem) for problem in pair)
        vector = torch.randn(here.shape[0], dtype=torch.float64)
        near = {"rtol": 1e-9, "atol": 1e-11}
        found = (there @ vector.cuda()).cpu()
        torch.testing.assert_close(found, here @ vector, **near)
        tops = [top_eigenvalues(one, tol=1e-6) for one in (here, there)]
        values = [top.values[0].item() for top in tops]
        assert values[1] == pytest.approx(values[0], rel=1e-5)


def test_estimates_cover_the_exact_values(pair):
    exact = gram(*pair[0])
    draw = torch.Generator(device="cuda").manual_seed(0)
    draws = [sketch(*pair[1], generator=draw) for _ in range(200)]
    traces = torch.tensor([one.trace for one in draws])
    error = traces.std().item() / 200**0.5
    assert abs(traces.mean().item() - exact.trace) < 5 * error + 1e-9 * exact.trace
