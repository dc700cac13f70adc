"""Where a number came from: code, versions, device."""

import functools
import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from helpers import dials

PACKAGES = ("torch", "numpy", "scipy")


def here() -> dict[str, Any]:
    return _fixed() | {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": dials.read().scale,
        "device": device(),
    }


def device() -> str:
    """The accelerator if there is one, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


@functools.cache
def _fixed() -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "commit": _commit(),
        "code": code_fingerprint(),
        "versions": {"python": platform.python_version()} | versions,
    }


def code_fingerprint() -> str:
    """Of every line of the package, where no commit can tell."""
    digest = hashlib.sha256()
    folder = dials.ROOT / "helpers"
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _commit() -> str:
    def git(*words: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(dials.ROOT), *words], capture_output=True, text=True
        )
        return run.stdout.strip() if run.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--", "helpers", "book")
    except OSError:  # no git on this machine
        return "unknown"
    return (commit or "unknown") + ("+changes" if commit and changed else "")
