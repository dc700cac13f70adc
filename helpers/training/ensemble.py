"""Several networks of one architecture that take their steps together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


def ensemble(networks: Sequence[nn.Module], device: torch.device) -> "Ensemble":
    """As one stack of matrices where all layers are linear; else side by side."""
    kind = BatchedMLP if stackable(networks) and len(networks) > 1 else Ensemble
    return kind([network.to(device) for network in networks])


def stackable(networks: Sequence[nn.Module]) -> bool:
    return all(isinstance(layer, _SIMPLE) for layer in networks[0].children())


class Ensemble(nn.Module):
    """Side by side: on a GPU each in a stream of its own, so that they overlap."""

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(networks).to(memory_format=torch.channels_last)
        on_gpu = next(self.members.parameters()).is_cuda
        several = on_gpu and len(networks) > 1
        self.streams = [torch.cuda.Stream() for _ in networks] if several else []

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        pairs = zip(self.members, inputs, strict=True)
        if not self.streams:
            return torch.stack([network(batch) for network, batch in pairs])
        here, outputs = torch.cuda.current_stream(), []
        for (network, batch), stream in zip(pairs, self.streams, strict=True):
            stream.wait_stream(here)
            with torch.cuda.stream(stream):
                outputs.append(network(batch))
        for stream in self.streams:
            here.wait_stream(stream)
        return torch.stack(outputs)

    def networks(self) -> list[nn.Module]:
        """The members, with today's weights."""
        return list(self.members)

    def state(self, member: int) -> State:
        state = self.members[member].state_dict()
        return {name: value.clone() for name, value in state.items()}

    def load(self, states: Sequence[State]) -> None:
        for network, state in zip(self.members, states, strict=True):
            network.load_state_dict(state)


class BatchedMLP(Ensemble):
    """Members whose layers are linear: one batched matrix product a layer for all."""

    def __init__(self, networks: Sequence[nn.Module]):
        nn.Module.__init__(self)
        self.pattern = list(networks)  # a list, so that their weights are not trained
        self.layers = list(networks[0].children())
        self.stacked = nn.ParameterDict(
            {
                name.replace(".", "_"): torch.stack(
                    [net.state_dict()[name] for net in networks]
                )
                for name, _ in networks[0].named_parameters()
            }
        )

    def forward(self, inputs: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            if isinstance(layer, nn.Linear):
                weight = self.stacked[f"{number}_weight"].transpose(1, 2)
                bias = self.stacked[f"{number}_bias"].unsqueeze(1)
                inputs = torch.baddbmm(bias, inputs, weight)
            elif isinstance(layer, nn.ReLU):
                inputs = inputs.relu()
            else:  # to rows of features, or from one output to a value
                inputs = inputs.flatten(layer.start_dim + 1)
        return inputs

    def networks(self) -> list[nn.Module]:
        for member, network in enumerate(self.pattern):
            network.load_state_dict(self.state(member))
        return self.pattern

    def state(self, member: int) -> State:
        names = self.pattern[0].state_dict()
        return {
            name: self.stacked[name.replace(".", "_")][member].detach().clone()
            for name in names
        }

    @torch.no_grad()
    def load(self, states: Sequence[State]) -> None:
        for member, state in enumerate(states):
            for name, value in state.items():
                self.stacked[name.replace(".", "_")][member].copy_(value)


_SIMPLE = nn.Linear | nn.ReLU | nn.Flatten
