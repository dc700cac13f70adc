"""The loop against a plain one, networks together against each alone."""

import copy
import math

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.dials import BookError, TimeIsUp
from helpers.training import gradients
from helpers.training.epochs import Examples, epoch
from helpers.training.loop import Run, accuracy, estimate, outputs, train
from helpers.training.recipe import Recipe


def blobs(seed, size=60, classes=3, width=6):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % classes
    centres = 2 * torch.randn(classes, width, generator=draw)
    noise = torch.randn(size, width, generator=draw)
    return Examples(centres[labels] + noise, labels)


def pictures(seed, size=40):
    draw = torch.Generator().manual_seed(seed)
    return Examples(torch.randn(size, 1, 8, 8, generator=draw), torch.arange(size) % 2)


def mlp(seed, **how):
    return networks.build("mlp", inputs=(6,), outputs=3, width=8, seed=seed, **how)


def cnn(seed, norm="batch"):
    how = {"inputs": (1, 8, 8), "outputs": 2, "width": 4, "norm": norm}
    return networks.build("resnet8", seed=seed, **how)


def weights(network):
    return torch.cat([w.detach().flatten() for w in network.parameters()])


def plain_loop(network, examples, recipe, seed, optimiser, loss):
    """What one would write without the book, on the same batches."""
    network.train()
    for number in range(recipe.epochs):
        shown = epoch(examples, recipe, seed, number)
        batches = zip(*(part.split(recipe.batch) for part in shown), strict=True)
        for inputs, targets in batches:
            optimiser.zero_grad()
            loss(network(inputs), targets).backward()
            optimiser.step()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_sgd_is_torchs(make, momentum):
    examples = blobs(0) if make is mlp else pictures(0)
    recipe = Recipe(
        0.05, 4, 20, momentum=momentum, weight_decay=1e-2, stop_accuracy=None
    )
    ours, theirs = make(1), make(1)
    train([ours], [examples], recipe, [5])
    options = {"lr": 0.05, "momentum": momentum, "weight_decay": 1e-2}
    peer = torch.optim.SGD(theirs.parameters(), **options)
    plain_loop(theirs, examples, recipe, 5, peer, nn.CrossEntropyLoss())
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("outputs_", [1, 3])
def test_the_square_loss_is_half_the_sum_over_outputs(outputs_):
    examples = blobs(0)
    shape = (60,) if outputs_ == 1 else (60, 3)
    aims = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    examples = examples._replace(targets=aims)
    recipe = Recipe(0.02, 3, 20, loss="square", stop_accuracy=None)
    how = {"inputs": (6,), "outputs": outputs_, "width": 8, "seed": 1}
    ours, theirs = networks.build("mlp", **how), networks.build("mlp", **how)
    end = train([ours], [examples], recipe, [5])[0]
    peer = torch.optim.SGD(theirs.parameters(), lr=0.02)

    def loss(found, wanted):
        return (found - wanted).square().sum() / len(wanted) / 2

    plain_loop(theirs, examples, recipe, 5, peer, loss)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert end.loss == pytest.approx(loss(theirs(examples.inputs), aims).item())


@pytest.mark.parametrize("make", [mlp, cnn])
def test_together_is_as_alone(make):
    sets = [(blobs if make is mlp else pictures)(k) for k in range(3)]
    recipe = Recipe(
        0.05, 3, 10, momentum=0.5, warmup=4, drops=(0.5,), stop_accuracy=None
    )
    members = [make(k) for k in range(3)]
    ends = train(members, sets, recipe, range(3))
    for k in range(3):
        alone = make(k)
        end = train([alone], [sets[k]], recipe, [k])[0]
        near = {"rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(weights(members[k]), weights(alone), **near)
        assert ends[k].loss == pytest.approx(end.loss, rel=1e-4)
        assert ends[k].accuracy == end.accuracy


def test_a_network_keeps_the_weights_of_the_moment_it_fits():
    recipe = Recipe(0.05, 200, 10)
    quick, slow = mlp(0), mlp(1)
    hard = blobs(1)._replace(targets=torch.arange(60).roll(7) * 5 % 3)
    ends = train([quick, slow], [blobs(0), hard], recipe, [0, 1])
    assert ends[0].fits
    assert ends[0].steps < ends[1].steps
    alone = mlp(0)
    train([alone], [blobs(0)], recipe, [0])
    torch.testing.assert_close(weights(quick), weights(alone), rtol=1e-4, atol=1e-6)
    guesses = outputs(quick, blobs(0).inputs).argmax(1)
    assert (guesses == blobs(0).targets).all()


def test_divergence_is_reported_and_harms_no_other():
    recipe = Recipe(0.05, 40, 10, loss="square", stop_accuracy=None)
    how = {"inputs": (6,), "outputs": 1, "width": 8, "seed": 0}
    fine = blobs(0)._replace(targets=torch.ones(60))
    wild = Examples(1e4 * fine.inputs, fine.targets)
    pair = [networks.build("mlp", **how) for _ in range(2)]
    ends = train(pair, [wild, fine], recipe, [0, 0])
    assert ends[0].diverged
    assert not ends[0].fits
    assert not ends[1].diverged
    assert math.isfinite(ends[1].loss)


def test_training_begins_in_training_mode_and_ends_in_evaluation():
    network = cnn(0).eval()
    recipe = Recipe(0.05, 1, 10, stop_accuracy=None)
    train([network], [pictures(0)], recipe, [0])
    counts = [b for name, b in network.named_buffers() if "num_batches" in name]
    assert all(count == 4 for count in counts)
    assert not network.training


def test_probes_see_the_steps_they_asked_for():
    network = mlp(0)
    start = weights(network)
    recipe = Recipe(0.05, 3, 20, stop_accuracy=None)
    probes = {"moved": lambda net: (weights(net) - start).norm().item()}
    end = train([network], [blobs(0)], recipe, [0], probes=probes, probe_at=[0, 1, 7])
    assert [seen["step"] for seen in end[0].history] == [0, 1, 7]
    assert end[0].history[0]["moved"] == 0
    assert end[0].history[1]["moved"] < end[0].history[2]["moved"]


def test_a_probe_sees_evaluation_and_the_next_step_is_training():
    network, recipe = cnn(0), Recipe(0.05, 1, 10, stop_accuracy=None)
    probes = {"training": lambda net: [part.training for part in net.modules()]}
    how = {"probes": probes, "probe_at": [0, 2]}
    end = train([network], [pictures(0)], recipe, [0], **how)[0]
    assert len(end.history) == 2
    assert not any(any(seen["training"]) for seen in end.history)
    counts = [b for name, b in network.named_buffers() if "num_batches" in name]
    assert all(count == end.steps for count in counts)


def test_outputs_do_not_depend_on_the_company():
    network, inputs = cnn(0).train(), pictures(0).inputs
    alone = torch.cat([outputs(network.train(), one[None]) for one in inputs])
    torch.testing.assert_close(outputs(network.train(), inputs), alone)
    assert not any(b.any() for n, b in network.named_buffers() if "num_batches" in n)


NAMED = torch.tensor([[0.8, 0.9], [0.9, 0.8], [-3.0, -2.0], [7.0, 3.0]])
ONE_HOT = torch.tensor([[0.0, 1], [0, 1], [0, 1], [1, 0]])
SIGNS = torch.tensor([-1.0, -1, -1, 1])


@pytest.mark.parametrize(
    ("outputs_of", "targets"),
    [
        (torch.eye(2), torch.tensor([1, 1, 1, 0])),
        (torch.eye(2), ONE_HOT),
        (torch.tensor([[1.0, -1]]), SIGNS),
    ],
    ids=["classes", "rows with a one", "signs"],
)
def test_accuracy_is_the_share_of_targets_named(outputs_of, targets):
    """The second of the four is taken for the other class."""
    linear = nn.Linear(2, len(outputs_of), bias=False)
    linear.weight.data = outputs_of
    network = nn.Sequential(linear, nn.Flatten(0)) if targets is SIGNS else linear
    assert accuracy(network, Examples(NAMED, targets)) == 0.75
    assert accuracy(network, Examples(NAMED[1:3], targets[1:3])) == 0.5


def test_accuracy_is_that_of_evaluation():
    network, some = cnn(0).train(), pictures(0)
    right = outputs(network.eval(), some.inputs).argmax(1) == some.targets
    assert accuracy(network.train(), some) == pytest.approx(right.float().mean().item())


def test_after_step_may_change_the_weights():
    network = mlp(0)

    def forget(ensemble):
        for w in ensemble.parameters():
            w.zero_()

    recipe = Recipe(0.05, 1, 20, stop_accuracy=None)
    train([network], [blobs(0)], recipe, [0], after_step=forget)
    assert weights(network).abs().max() == 0


@pytest.mark.parametrize("make", [mlp, cnn])
def test_a_killed_run_goes_on_as_if_nothing_had_been(make, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setattr("helpers.training.checkpoint.SECONDS_APART", 0.0)
    examples = blobs(0) if make is mlp else pictures(0)
    recipe = Recipe(0.05, 8, 10, momentum=0.9, stop_accuracy=None)
    whole = [make(0), make(1)]
    train(whole, [examples] * 2, recipe, [0, 1])

    class Killed(BaseException):
        pass

    def kill(network):
        raise Killed

    torn = [make(0), make(1)]
    how = {"probes": {"kill": kill}, "probe_at": [5 * len(examples.targets) // 10]}
    with pytest.raises(Killed):
        train(torn, [examples] * 2, recipe, [0, 1], checkpoint="trial", **how)
    assert len(list((tmp_path / "checkpoints").glob("trial*.pt"))) == 1
    mended = [make(0), make(1)]
    train(mended, [examples] * 2, recipe, [0, 1], checkpoint="trial")
    for one, other in zip(whole, mended, strict=True):
        torch.testing.assert_close(weights(one), weights(other))
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_run_whose_time_is_up_goes_on_at_the_next_call(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    recipe = Recipe(0.05, 3, 10, momentum=0.9, stop_accuracy=None)
    whole, late = mlp(0), mlp(0)
    train([whole], [blobs(0)], recipe, [0])
    monkeypatch.setenv("BOOK_DEADLINE", "0")
    for _ in range(2):  # an epoch each
        with pytest.raises(TimeIsUp):
            train([mlp(0)], [blobs(0)], recipe, [0], checkpoint="trial")
    end = train([late], [blobs(0)], recipe, [0], checkpoint="trial")
    torch.testing.assert_close(weights(late), weights(whole))
    assert end[0].epochs == 3


def test_what_a_gradient_draws_hangs_on_the_seed_alone():
    """Whatever was drawn before; and what is drawn after does not notice."""

    def after(seed, before):
        torch.manual_seed(before)
        net, own = networks.build("mlp", inputs=(6,), outputs=1), blobs(0, classes=2)
        own = Examples(own.inputs, own.targets * 2.0 - 1)
        recipe = Recipe(0.01, 3, 10, loss="square", stop_accuracy=None)
        kicked = gradients.turned_noise(1.0)
        train([net], [own], recipe, [seed], gradient=kicked)
        return weights(net), torch.rand(1)

    (one, next_one), (two, next_two) = after(5, before=1), after(5, before=2)
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert next_one != next_two
    assert not torch.equal(one, after(6, before=1)[0])


def test_bf16_reaches_the_same_loss():
    recipe = Recipe(0.05, 5, 10, stop_accuracy=None)
    coarse = Recipe(0.05, 5, 10, stop_accuracy=None, precision="bf16")
    ends = [train([cnn(0)], [pictures(0)], how, [0])[0] for how in (recipe, coarse)]
    assert ends[1].loss == pytest.approx(ends[0].loss, rel=0.2)
    assert ends[1].loss != ends[0].loss


def test_an_estimate_changes_nothing():
    network = mlp(0)
    before = copy.deepcopy(network.state_dict())
    assert estimate([network], [blobs(0)], Recipe(0.05, 10, 10)) > 0
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_resumed_run_goes_on_with_the_rate_that_a_graph_reads():
    recipe = Recipe(0.05, 4, 10, momentum=0.5, drops=(0.25,), stop_accuracy=None)
    first, second = (Run([mlp(0)], [blobs(0)], recipe, [0]) for _ in range(2))
    first.epoch()
    second.resume(first.state())
    assert second.step.optimiser.param_groups[0]["lr"] is second.step.rate


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_resumes_where_the_rate_has_dropped():
    recipe = Recipe(0.05, 4, 10, momentum=0.5, drops=(0.5,), stop_accuracy=None)
    whole, part, rest = (
        Run([cnn(0)], [pictures(0)], recipe, [0], "cuda") for _ in range(3)
    )
    for _ in range(4):
        whole.epoch()
    part.epoch()
    rest.resume(part.state())
    while not rest.finished():
        rest.epoch()
    near = {"rtol": 1e-3, "atol": 1e-5}
    torch.testing.assert_close(rest.ensemble.state(0), whole.ensemble.state(0), **near)


def test_a_batch_beyond_the_data_is_one_line():
    with pytest.raises(BookError, match="a batch of 61 is more than the 60 examples"):
        train([mlp(0)], [blobs(0)], Recipe(0.1, 1, 61), [0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("make", [mlp, cnn])
def test_a_gpu_takes_the_same_steps(make):
    sets = [(blobs if make is mlp else pictures)(k) for k in range(3)]
    recipe = Recipe(
        0.05, 3, 10, momentum=0.5, warmup=4, weight_decay=1e-3, stop_accuracy=None
    )
    here, there = [make(k) for k in range(3)], [make(k) for k in range(3)]
    train(here, sets, recipe, range(3), device="cpu")
    train(there, sets, recipe, range(3), device="cuda")
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-2, atol=1e-4)
