"""Where a number came from: code, versions, device, data."""

import ast
import functools
import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers import dials

PACKAGES = ("torch", "numpy", "scipy")
# They carry a result from place to place and cannot change it. (What images are read
# is in the fingerprint of the data, not in that of the code.)
PLUMBING = {
    *("helpers.dials", "helpers.records", "helpers.provenance"),
    *("helpers.images.sources", "helpers.images.folders", "helpers.images.mnist"),
    "helpers.training.checkpoint",
}
# A module that was renamed goes on in the digests under its first name: its code is the
# same, and so are its records.
FIRST_NAMES = {"helpers.experiments.flatness": "helpers.experiments.label_noise"}
Place = tuple[str, str]  # a module, and a name that it defines
_modules_of_specs: set[str] = set()


def capture(spec: Any) -> dict[str, Any]:
    """What is known where and when the spec has run."""
    return here() | {
        "code": code_of(type(spec)),
        "data": [
            {"name": images.source, "fingerprint": images.fingerprint}
            for images in getattr(spec, "sources", tuple)()
        ],
    }


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
    kernels = torch.backends.cpu.get_cpu_capability()
    count = torch.get_num_threads()
    threads = "1 thread" if count == 1 else f"{count} threads"
    return f"CPU ({platform.machine()}, {kernels}, {threads})"


def needs_a_gpu(device_then: str) -> bool:
    """Whether something was made on one, and there is none here."""
    return "CPU" not in device_then and "CPU" in device()


@functools.cache
def code_of(kind: type) -> str:
    """A digest of every definition in helpers that the class leads to.

    Comments, docstrings and white space do not count, nor does what is not reached.
    """
    _modules_of_specs.add(kind.__module__)
    parts = hashlib.sha256()
    found = reached(kind.__module__, kind.__name__).items()
    named = [((FIRST_NAMES.get(m, m), name), text) for (m, name), text in found]
    for place, text in sorted(named):
        parts.update(f"{place} {text}\n".encode())
    return parts.hexdigest()[:16]


def reached(module: str, name: str) -> dict[Place, str]:
    """The text of each definition that this one uses, directly or not."""
    found: dict[Place, str] = {}
    waiting = [(module, name)]
    while waiting:
        place = waiting.pop()
        source = _Source.of(place[0])
        if place in found or source is None:
            continue
        if place[1] in source.definitions:
            node = source.definitions[place[1]]
            found[place] = _shape(node)
            waiting += source.used_by(node)
        elif place[1] in source.imports:
            waiting += source.imported(place[1])
    return found


class _Source:
    """One module of the package, read as text."""

    def __init__(self, module: str, text: str):
        self.module = module
        tree = ast.parse(text)
        self.definitions = dict(_definitions(tree))
        self.imports: dict[str, Place] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = node.module, alias.name

    @staticmethod
    @functools.cache
    def of(module: str) -> "_Source | None":
        """Read once; nothing for what is not ours."""
        path = _path(module)
        return path and _Source(module, path.read_text())

    def used_by(self, node: ast.stmt) -> Iterator[Place]:
        """What its names stand for; of a module, only what is taken from it."""
        attributes = {}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
                attributes[id(inner.value)] = inner.attr
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Name):
                continue
            if inner.id in self.definitions:
                yield self.module, inner.id
            elif inner.id in self.imports:
                yield from self.imported(inner.id, attributes.get(id(inner)))

    def imported(self, name: str, attribute: str | None = None) -> Iterator[Place]:
        module, taken = self.imports[name]
        whole = _Source.of(f"{module}.{taken}")
        if whole is None:
            yield module, taken
        elif attribute:
            yield whole.module, attribute
        else:  # handed on as it is: anything in it may be used
            yield from ((whole.module, each) for each in whole.definitions)


def _path(module: str) -> Path | None:
    """Its file in helpers; or, for the module of a spec written elsewhere, its own."""
    if module in PLUMBING:
        return None
    if module.split(".")[0] != "helpers":
        file = getattr(sys.modules.get(module), "__file__", None)
        return Path(file) if file and module in _modules_of_specs else None
    stem = dials.ROOT.joinpath(*module.split("."))
    places = stem.with_suffix(".py"), stem / "__init__.py"
    return next((path for path in places if path.is_file()), None)


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for inner in ast.walk(target):
                    if isinstance(inner, ast.Name):
                        yield inner.id, node


def _shape(node: Any) -> str:
    """What Python sees of it: no comment, no docstring, no lay-out.

    (`ast.dump` says the same, but not in the same words in every Python.)
    """
    if isinstance(node, list):
        return f"[{' '.join(map(_shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {k: value for k, value in ast.iter_fields(node) if value not in (None, [])}
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    inside = " ".join(f"{name}={_shape(value)}" for name, value in fields.items())
    return f"{type(node).__name__}({inside})"


@functools.cache
def _fixed() -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    return _commit() | {"versions": {"python": platform.python_version()} | versions}


def _commit() -> dict[str, Any]:
    """Of the tree that ran, and whether that tree was the commit's."""

    def git(*words: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(dials.ROOT), *words], capture_output=True, text=True
        )
        return run.stdout.strip() if run.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--", "helpers", "book")
    except OSError:  # no git on this machine
        return {"commit": "unknown", "clean": False}
    return {"commit": commit or "unknown", "clean": bool(commit) and not changed}
