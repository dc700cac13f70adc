import numpy as np
import torch

from helpers.problems import linear, matrices


def test_the_margin_over_a_rival_is_a_difference_of_logits():
    Z = matrices.class_clouds([3], 6, 3, 4, 2.0)[0]
    W = linear._normal(0, 3, 4)
    margins = (Z * W).sum((2, 3))
    # The example is what the row of its own class holds.
    for i, rivals in enumerate(([1, 2], [0, 2], [0, 1]) * 2):
        x = Z[i, 0, i % 3]
        logits = W @ x
        torch.testing.assert_close(margins[i], logits[i % 3] - logits[rivals])


def test_clouds_lie_around_their_centres():
    far = matrices.class_clouds([5], 400, 2, 3, 50.0)[0]
    own = torch.stack([far[i, 0, i % 2] for i in range(400)])
    for c in (0, 1):
        assert abs(own[c::2].mean(0).norm() - 50) < 0.5
        assert (own[c::2].std(0) - 1).abs().max() < 0.2


def test_a_matrix_of_rank_one_separates():
    Z = matrices.rank_one_teacher([0, 1], 9, 3, 4)
    assert Z.shape == (2, 9, 1, 3, 4)
    draw = linear._normal(1, 9 * 12 + 7)
    teacher = torch.outer(draw[-7:-4], draw[-4:])
    assert ((Z[1, :, 0] * teacher).sum((1, 2)) > 0).all()
    np.testing.assert_allclose(Z[1].abs().ravel(), draw[:-7].abs())


def test_a_seed_fixes_its_problem():
    for make in (
        lambda seeds: matrices.class_clouds(seeds, 6, 3, 4, 2.0),
        lambda seeds: matrices.rank_one_teacher(seeds, 9, 3, 4),
        lambda seeds: matrices.factor_starts(seeds, 3, 4, 0.1)[1],
    ):
        assert torch.equal(make([7, 8])[1], make([8])[0])
        assert not torch.equal(make([7])[0], make([8])[0])


def test_starts_have_their_scale():
    U, V = matrices.factor_starts(range(50), 4, 6, 0.1)
    assert (U.shape, V.shape) == ((50, 4, 4), (50, 6, 4))
    assert abs(U.std() - 0.1) < 0.01
    assert abs(V.std() - 0.1) < 0.01


def test_labels_come_from_weights_on_the_simplex():
    problem = linear.hidden_mixture([2], 5, 8)
    draw = linear._normal(2, 6, 8)
    w = draw[0].softmax(0)
    torch.testing.assert_close(problem.y[0], draw[1:] @ w)
    torch.testing.assert_close(problem.X[0], draw[1:])
