"""Trained weights that several runs start from: trained once, kept beside the data."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from helpers import dials
from helpers.records import name_of
from helpers.training.checkpoint import read, write


def load_or_train(
    spec: Any, networks: Sequence[nn.Module], prepare: Callable[[], Any]
) -> None:
    """Give the networks the weights of that spec; `prepare` trains them if need be.

    The file is no record: it is not committed, and it is made anew whenever it is
    absent, unreadable, or older than BOOK_RECORDS=fresh allows. Its name says all that
    made the weights, the code included.
    """
    path = dials.read().data / "weights" / f"{name_of(spec, with_code=True)}.pt"
    states = read(path)
    if states is None or len(states) != len(networks):
        prepare()
        write(path, [network.state_dict() for network in networks])
        return
    for network, state in zip(networks, states, strict=True):
        network.load_state_dict(state)
