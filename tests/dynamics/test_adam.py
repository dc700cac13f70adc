"""Adam with gradients of any size, against torch where these can be written down."""

import numpy as np
import pytest
import torch

from helpers.dynamics import adam
from helpers.oracles import separable

Z = np.array([[[1.0, 0.2], [0.3, 2.0], [2.0, 1.0]], [[0.5, 1.5], [1.5, 0.5], [1, 1]]])


@pytest.mark.parametrize("epsilon", [0, 1e-3])
def test_it_goes_where_torch_goes(epsilon):
    found = adam.far(Z, [0, 1, 300], 0.02, epsilon=epsilon, betas=(0.8, 0.95))
    for problem, examples in enumerate(torch.tensor(Z)):
        w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        torch_adam = torch.optim.Adam([w], lr=0.02, eps=epsilon, betas=(0.8, 0.95))
        for _ in range(300):
            torch_adam.zero_grad()
            torch.nn.functional.softplus(-examples @ w).sum().backward()
            torch_adam.step()
        assert found.w[2, problem] == pytest.approx(w.detach().numpy(), rel=1e-9)
    assert (found.w[0] == 0).all()


def test_the_denominators_are_those_of_the_step_after():
    (scale,) = adam.far(Z, [0], 0.02).scale
    first = np.abs(Z.sum(1))
    assert scale == pytest.approx(first / first.sum(-1, keepdims=True))


def test_it_goes_on_where_numbers_end():
    way = adam.far(Z, [10**5, 2 * 10**5], 0.05, betas=(0.9, 0.99))
    loss = separable.log_loss(Z, way.w)
    assert np.isfinite(loss).all()
    assert (loss < -450).all()  # e^-450 squared is no number of this kind
    assert (loss[1] < loss[0]).all()
