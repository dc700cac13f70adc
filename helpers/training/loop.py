"""The one training loop: networks side by side, the data on their device."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers import dials
from helpers.training.checkpoint import Checkpoint
from helpers.training.ensemble import Ensemble, State, ensemble, stackable
from helpers.training.epochs import Examples, epoch, steps_an_epoch
from helpers.training.gradients import Gradient, loss_gradient
from helpers.training.recipe import Recipe, correct
from helpers.training.step import Step, autocast, best_device, stack_inputs

Probe = Callable[[nn.Module], Any]
AT_ONCE = 1000  # images in evaluation
BAR_AFTER = 15  # seconds without a progress bar


@dataclass
class Outcome:
    """How a network's training ended; it holds the weights of that moment."""

    fits: bool = False  # the recipe's criterion was met
    diverged: bool = False
    steps: int = 0
    epochs: int = 0
    accuracy: float = 0.0
    loss: float = float("nan")
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.fits or self.diverged


def train(
    networks: Sequence[nn.Module],
    examples: Sequence[Examples],
    recipe: Recipe,
    seeds: Iterable[int],
    *,
    probes: Mapping[str, Probe] | None = None,
    probe_at: Iterable[int] = (),
    after_step: Callable[[Ensemble], None] | None = None,
    gradient: Gradient = loss_gradient,
    device: torch.device | str | None = None,
    checkpoint: str | None = None,
) -> list[Outcome]:
    """Train each network on its examples, in place, until it fits.

    A network that fits keeps the weights of that moment, while the others go on; one
    that diverges is reported so. All come back to the CPU, in evaluation mode. `probes`
    are functions of a network, called at the steps of `probe_at`; `after_step` may
    change the weights after every step, and `gradient` says what a step descends (see
    `training.gradients`). A run whose `checkpoint` has a name goes on where it was, if
    it was killed or `record --minutes` was up. What nothing is gained for by training
    together goes one after the other: networks other than stacks of matrices, on a CPU.
    """
    seeds, device = list(seeds), torch.device(device or best_device())
    how = {"probes": probes, "probe_at": probe_at, "after_step": after_step}
    how["gradient"] = gradient
    if len(networks) > 1 and device.type == "cpu" and not stackable(networks):
        names = [checkpoint and f"{checkpoint}-{k}" for k in range(len(networks))]
        members = zip(networks, examples, seeds, names, strict=True)
        return [
            train([net], [own], recipe, [seed], **how, device=device, checkpoint=name)[
                0
            ]
            for net, own, seed, name in members
        ]
    run = Run(networks, examples, recipe, seeds, device, after_step, gradient)
    run.attach_probes(dict(probes or {}), set(probe_at))
    kept = Checkpoint(checkpoint) if checkpoint else None
    if kept:
        run.resume(kept.load())
    with _progress(recipe.epochs, run.epochs) as bar:
        while not run.finished():
            run.epoch()
            bar.update()
            past = dials.read().past_deadline() and not run.finished()
            if kept and (past or kept.due()):
                kept.save(run.state())
            if kept and past:
                raise dials.TimeIsUp
    if kept:
        kept.remove()
    return run.finish()


def estimate(
    networks: Sequence[nn.Module], examples: Sequence[Examples], recipe: Recipe
) -> float:
    """Seconds that the run takes at most, from one step of copies of the networks."""
    copies = [copy.deepcopy(network) for network in networks]
    few = [Examples(*(part[: recipe.batch] for part in one)) for one in examples]
    run = Run(copies, few, replace(recipe, stop_accuracy=None), [0] * len(copies))
    run.epoch()  # warms up
    start = time.perf_counter()
    run.epoch()
    seconds = time.perf_counter() - start
    return seconds * recipe.epochs * steps_an_epoch(examples[0], recipe)


class Run:
    """The state of a training run between two epochs."""

    def __init__(
        self,
        networks,
        examples,
        recipe,
        seeds,
        device=None,
        after_step=None,
        gradient=loss_gradient,
    ):
        self.device = torch.device(device or best_device())
        self.recipe, self.seeds = recipe, seeds
        self.ensemble = ensemble(networks, self.device).train()
        self.originals = list(networks)
        placed = {id(part): part.to(self.device) for part in examples}
        self.examples = [placed[id(part)] for part in examples]
        self.steps_an_epoch = steps_an_epoch(examples[0], recipe)
        self.step = Step(self.ensemble, recipe, after_step, gradient)
        self.outcomes = [Outcome() for _ in networks]
        self.kept: list[State | None] = [None for _ in networks]
        self.epochs = self.steps = 0
        self.probes, self.probe_at = {}, set()

    def attach_probes(self, probes: dict[str, Probe], steps: set[int]) -> None:
        self.probes, self.probe_at = probes, steps
        self._probe()

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on: its randomness needs only its number."""
        return {
            "epochs": self.epochs,
            "steps": self.steps,
            "weights": self.ensemble.state_dict(),
            "optimiser": self.step.optimiser.state_dict(),
            "kept": self.kept,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }

    def resume(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self.epochs, self.steps = state["epochs"], state["steps"]
        self.ensemble.load_state_dict(state["weights"])
        self.step.resume(state["optimiser"])
        self.kept = state["kept"]
        self.outcomes = [Outcome(**outcome) for outcome in state["outcomes"]]

    def finished(self) -> bool:
        done = self.epochs >= self.recipe.epochs
        return done or all(outcome.finished for outcome in self.outcomes)

    def epoch(self) -> None:
        shown = [
            epoch(part, self.recipe, seed, self.epochs)
            for part, seed in zip(self.examples, self.seeds, strict=True)
        ]
        inputs, targets = self.step.arranged(shown)
        batch = self.recipe.batch
        with self._seeded():
            for start in range(0, self.steps_an_epoch * batch, batch):
                rate = self.recipe.rate_at(self.steps, self.steps_an_epoch)
                self.step(inputs, targets, slice(start, start + batch), rate)
                self.steps += 1
                self._probe()
        self.epochs += 1
        last = self.epochs == self.recipe.epochs
        if last or self.epochs % self.recipe.check_every == 0:
            self._check()

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """What a gradient draws hangs on seeds and epoch, like all that is drawn."""
        on_gpu = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if on_gpu else []):
            mixed = np.random.SeedSequence((*self.seeds, self.epochs))
            torch.manual_seed(int(mixed.generate_state(1)[0]))
            yield

    def _check(self) -> None:
        """Look at the clean training set; keep the weights of those that fit."""
        accuracies, losses = measure(self.ensemble, self.examples, self.recipe)
        for member, outcome in enumerate(self.outcomes):
            if outcome.finished:
                continue
            accuracy, loss = accuracies[member], losses[member]
            outcome.accuracy, outcome.loss = accuracy, loss
            outcome.steps, outcome.epochs = self.steps, self.epochs
            outcome.diverged = not isfinite(loss)
            outcome.fits = isfinite(loss) and self.recipe.fits(accuracy, loss)
            if outcome.finished:
                self.kept[member] = self.ensemble.state(member)

    def _probe(self) -> None:
        if self.steps not in self.probe_at or not self.probes:
            return
        self.ensemble.eval()
        for outcome, network in zip(
            self.outcomes, self.ensemble.networks(), strict=True
        ):
            if not outcome.finished:
                seen = {name: probe(network) for name, probe in self.probes.items()}
                outcome.history.append({"step": self.steps} | seen)
        self.ensemble.train()

    def finish(self) -> list[Outcome]:
        for member, network in enumerate(self.originals):
            state = self.kept[member] or self.ensemble.state(member)
            network.load_state_dict(state)
            network.cpu().eval()
        return self.outcomes


@torch.no_grad()
def outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """What the network says in evaluation mode, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).cpu() for part in inputs.split(AT_ONCE)])


def accuracy(network: nn.Module, examples: Examples) -> float:
    """The share of examples whose target the network names, in evaluation mode."""
    found = outputs(network, examples.inputs)
    return correct(found[None], examples.targets[None]).float().mean().item()


@torch.no_grad()
def measure(
    networks: Ensemble, examples: Sequence[Examples], recipe: Recipe
) -> tuple[list[float], list[float]]:
    """The accuracy and the mean loss of each member on its examples."""
    networks.eval()
    size = len(examples[0].targets)
    hits, losses = torch.zeros(2, len(examples), device=examples[0].targets.device)
    for start in range(0, size, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        inputs = [one.inputs[part] for one in examples]
        targets = torch.stack([one.targets[part] for one in examples])
        with autocast(inputs[0].device, recipe):
            outputs = networks(stack_inputs(inputs, networks))
        hits += correct(outputs.float(), targets).sum(1)
        losses += recipe.losses(outputs, targets) * targets.shape[1]
    networks.train()
    return (hits / size).tolist(), (losses / size).tolist()


def _progress(epochs: int, done: int):
    """A bar with the time left, for runs that one waits for."""
    from tqdm import tqdm

    how = {"leave": False, "delay": BAR_AFTER, "mininterval": 1.0, "disable": None}
    return tqdm(total=epochs, initial=done, unit="epoch", **how)
