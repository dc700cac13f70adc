"""The first code cell of every chapter, the same in all of them.

Beside the book it does nothing. Elsewhere, as on Colab, it fetches the book from its
address; while the book has none it says so in one line.
"""

FIRST_CELL = """\
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ADDRESS = None
home = Path(".." if Path("../helpers").is_dir() else "implicit-bias-book")
if not (find_spec("helpers") or home.exists()):
    if ADDRESS is None:
        sys.exit("no helpers/ here: run this inside a copy of the book")
    subprocess.check_call(["git", "clone", "--depth=1", ADDRESS, home])
sys.path.append(str(home.resolve()))
"""
