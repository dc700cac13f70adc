"""Who is at work on a file, among the processes of one machine."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: one process at a time, as the page on running says
    fcntl = None


@contextmanager
def claimed(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether `path` is ours until the block ends; a process that dies lets go."""
    if fcntl is None:
        yield True
        return
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"implicit-bias-{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
