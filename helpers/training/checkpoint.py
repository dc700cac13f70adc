"""A long run, written down between two epochs, so that it can be taken up again."""

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from helpers import dials

SECONDS_APART = 30.0


class Checkpoint:
    """One file under data/checkpoints/, gone when its run has ended."""

    def __init__(self, name: str):
        self.path = dials.read().data / "checkpoints" / f"{name}.pt"
        self.written = time.monotonic()

    def load(self) -> Any | None:
        """What was written last, if it can be gone on from."""
        return read(self.path)

    def due(self) -> bool:
        return time.monotonic() - self.written >= SECONDS_APART

    def save(self, state: Any) -> None:
        write(self.path, state)
        self.written = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def read(path: Path) -> Any | None:
    """Nothing if the file is absent, cut short, or older than BOOK_RECORDS allows."""
    wanted = dials.read()
    try:
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if wanted.records == "fresh" and made < wanted.fresh_since:
            return None
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever is wrong with it, it is made anew
        return None


def write(path: Path, state: Any) -> None:
    """Atomically: the file is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(state, file)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
