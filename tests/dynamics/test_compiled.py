import numpy as np

from helpers.dynamics import adam, logistic, steepest
from helpers.dynamics.compiled import compiled


def test_where_nothing_can_be_kept_it_runs_all_the_same():
    """A function without a file is to numba as one in a folder that is read-only."""
    scope = {}
    exec("def double(x):\n    return 2 * x", scope)
    assert compiled(scope["double"])(21) == 42


def test_every_way_to_call_them_leads_to_one_compilation():
    """Or two processes could save two of them under one name."""
    Z = np.random.default_rng(0).normal(size=(2, 5, 1, 2, 3))
    factors = np.ones((2, 2, 2)), np.ones((2, 3, 2))
    for steps, shape in (([3], Z), (np.arange(1, 3), Z[::-1]), ((1, 2), Z.tolist())):
        steepest.far(shape, steps, "l2", 1)
        steepest.factorised(shape, steps, 1, *factors)
        adam.far(np.asarray(shape)[:, :, 0, 0], steps, 1)
        logistic.far(np.asarray(shape)[:, :, 0, 0], steps, np.ones((2, 1)), 1)
    of_steepest = steepest._follow, steepest._follow_factors
    for kept in (*of_steepest, adam._follow, logistic._follow):
        assert len(kept.signatures) == 1
    assert len(steepest._pull.signatures) <= 1  # none, where the others were kept
