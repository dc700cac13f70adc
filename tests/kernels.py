"""Chapters in nbval: how their kernels are reached, and which chapter comes first.

Jupyter looks for free ports and lets go of them before the kernel takes them. Two
kernels that start at once can choose one port, and then one of them dies. Sockets in a
folder cannot be mistaken for one another.
"""

import json
import shutil
import tempfile
from functools import cache

import nbval.kernel
from jupyter_client.manager import KernelManager

FOLDER = tempfile.mkdtemp(prefix="kernels-")  # a short path: sockets ask for one


def pytest_configure():
    nbval.kernel.KernelManager = with_sockets


def with_sockets(**how):
    place = tempfile.mktemp(prefix="", dir=FOLDER)  # the sockets are place-1 to -5
    return KernelManager(transport="ipc", ip=place, **how)


def pytest_unconfigure():
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """What took longest when it was stored comes first, lest it be left for the end."""
    items.sort(key=lambda item: -seconds(item.path))


@cache
def seconds(path):
    return json.loads(path.read_text())["metadata"]["book"]["seconds"]
