"""One optimisation step; on a GPU recorded once, then replayed."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from helpers.training.ensemble import BatchedMLP, Ensemble
from helpers.training.epochs import Examples
from helpers.training.gradients import Gradient, loss_gradient
from helpers.training.recipe import AUTOCAST, Recipe

Inputs = Tensor | list[Tensor]
WARM_UP = 3  # steps before a recording, as CUDA's libraries need them


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, recipe: Recipe) -> AbstractContextManager:
    """bf16 inside the network, where the recipe says so."""
    kind = AUTOCAST[recipe.precision]
    enabled = recipe.precision != "float32"
    return torch.autocast(device.type, kind, enabled, cache_enabled=False)


def stack_inputs(parts: Sequence[Tensor], networks: Ensemble) -> Inputs:
    """The inputs of all members, as their ensemble takes them."""
    return torch.stack(list(parts)) if isinstance(networks, BatchedMLP) else list(parts)


class Step:
    """Forward, backward and update of all members on a slice of the epoch."""

    def __init__(
        self,
        networks: Ensemble,
        recipe: Recipe,
        after_step: Callable[[Ensemble], None] | None = None,
        gradient: Gradient = loss_gradient,
    ):
        self.networks, self.recipe, self.after_step = networks, recipe, after_step
        self.gradient = gradient
        weights = list(networks.parameters())
        self.device = weights[0].device
        self.on_gpu = self.device.type == "cuda"
        self.rate = torch.tensor(recipe.rate, device=self.device)
        options = {"lr": self.rate if self.on_gpu else recipe.rate, "fused": True}
        options |= {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
        self.optimiser = torch.optim.SGD(weights, **options)
        self.graph = None

    def arranged(self, shown: Sequence[Examples]) -> tuple[Inputs, Tensor]:
        """An epoch of every member, ready to be sliced."""
        inputs = stack_inputs([part.inputs for part in shown], self.networks)
        return inputs, torch.stack([part.targets for part in shown])

    def __call__(
        self, inputs: Inputs, targets: Tensor, part: slice, rate: float
    ) -> None:
        batch, wanted = _slice(inputs, part), targets[:, part]
        if self.on_gpu:
            self._replay(batch, wanted, rate)
        else:
            self.optimiser.param_groups[0]["lr"] = rate
            self._advance(batch, wanted)

    def resume(self, memory: dict[str, Any]) -> None:
        """Loading puts a copy of the rate in the place of the one that is filled."""
        self.optimiser.load_state_dict(memory)
        self.optimiser.param_groups[0]["lr"] = self.rate

    def _replay(self, batch: Inputs, wanted: Tensor, rate: float) -> None:
        if self.graph is None:
            self._record(batch, wanted)
        self.rate.fill_(rate)
        self.targets.copy_(wanted)
        if isinstance(batch, Tensor):
            self.inputs.copy_(batch)
        else:
            torch._foreach_copy_(self.inputs, batch)
        self.graph.replay()

    def _advance(self, inputs: Inputs, targets: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(self.device, self.recipe):
            self.gradient(self.networks, inputs, targets, self.recipe)
        self.optimiser.step()
        if self.after_step:
            with torch.no_grad():
                self.after_step(self.networks)

    def _record(self, inputs: Inputs, targets: Tensor) -> None:
        """The step as a CUDA graph; what the warm-up changed is put back."""
        self.targets = targets.clone()
        self.inputs = (
            inputs.clone()
            if isinstance(inputs, Tensor)
            else [one.clone(memory_format=torch.preserve_format) for one in inputs]
        )
        before = {k: v.clone() for k, v in self.networks.state_dict().items()}
        memory = self._memory()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._advance(self.inputs, self.targets)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self._advance(self.inputs, self.targets)
        self.networks.load_state_dict(before)
        for place, value in self._memory(copied=False).items():
            value.copy_(memory[place]) if place in memory else value.zero_()

    def _memory(self, copied: bool = True) -> dict[tuple[int, str], Tensor]:
        """The optimiser's momenta and counts, by weight and name."""
        return {
            (number, name): value.clone() if copied else value
            for number, weights in enumerate(self.networks.parameters())
            for name, value in self.optimiser.state.get(weights, {}).items()
            if isinstance(value, Tensor)
        }


def _slice(inputs: Inputs, part: slice) -> Inputs:
    if isinstance(inputs, Tensor):
        return inputs[:, part]
    return [one[part] for one in inputs]
