"""Trained weights that several runs start from: trained once, kept beside the data."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from helpers import dials, records
from helpers.training.checkpoint import write


def prepared(
    spec: Any, networks: Sequence[nn.Module], prepare: Callable[[], Any]
) -> None:
    """Give the networks the weights of that spec; `prepare` trains them if need be.

    The file is no record: it is not committed, and it is made anew whenever it is
    absent, unreadable, or older than BOOK_RECORDS=fresh allows.
    """
    folder = dials.read().data / "weights"
    path = folder / f"{type(spec).__name__}-{records.fingerprint(spec)}.pt"
    states = _load(path)
    if states is None or len(states) != len(networks):
        prepare()
        write(path, [network.state_dict() for network in networks])
        return
    for network, state in zip(networks, states, strict=True):
        network.load_state_dict(state)


def _load(path: Path) -> list[dict[str, torch.Tensor]] | None:
    wanted = dials.read()
    try:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if wanted.records == "fresh" and made < wanted.fresh_since:
            return None
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # absent, cut short, or not ours: trained anew
        return None
