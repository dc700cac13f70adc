"""Small random faults in helpers: how many of them does a check notice?

    python tests/mutants.py --count 60 [--seed N] [--deep] [--least 0.8]

A mutant changes one operator, comparison, number or truth value. The unit tests of its
room are run on a copy, first those that import it; what they miss is put to the quick
run of its chapter, or with `--deep` of every chapter. The survivors are listed: each is
a hole, or a change without a meaning.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300  # seconds; a check that never ends has noticed
OPERATORS = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.Pow: "*",
    ast.MatMult: "*",
}
COMPARISONS = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
}
# Looks and words; and what needs a GPU.
LEFT_OUT = ("figures.py", "__main__.py", "interactive/", "fonts/")
ON_A_GPU = ("cuda", "gpu", "GPU")


class Mutant(NamedTuple):
    file: str
    line: int
    start: int  # in the file's bytes
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old!r} → {self.new!r}"


def mutants() -> list[Mutant]:
    """Every change that there is, in a fixed order."""
    found = []
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        file = str(path.relative_to(ROOT))
        if not any(part in file for part in LEFT_OUT) and tests_of(file):
            found += _mutants_of(file, path.read_bytes())
    return found


def tests_of(file: str) -> list[str]:
    """The unit tests of its room; those that import it first, as they notice most."""
    room, *rest = Path(file).with_suffix("").parts[1:]
    names = [f"tests/{room}", f"tests/test_{room}.py"]
    names += [f"tests/test_{part}.py" for part in rest]
    there = [ROOT / name for name in names if (ROOT / name).exists()]
    each = [one for name in there for one in sorted(name.rglob("test_*.py")) or [name]]
    word = re.compile(rf"import\b.*\b{Path(file).stem}\b|\.{Path(file).stem} import")
    each.sort(key=lambda test: not word.search(test.read_text()))
    return [str(test.relative_to(ROOT)) for test in each]


def notices(mutant: Mutant, deep: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder))
        path = copy / mutant.file
        text = path.read_bytes()
        path.write_bytes(
            text[: mutant.start] + mutant.new.encode() + text[mutant.end :]
        )
        checks = [tests_of(mutant.file)]
        chapter = [Path(mutant.file).stem] if "experiments/" in mutant.file else []
        if deep or chapter:
            wanted = " and ".join(["quick_scale", *chapter])
            checks.append(["tests/test_book.py", "-k", wanted])
        return any(_fails(copy, check) for check in checks)


def _fails(folder: Path, check: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    here = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            [*command, *check],
            cwd=folder,
            env=os.environ | here,
            capture_output=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def _copy(folder: Path) -> Path:
    for part in ("helpers", "tests", "book"):
        shutil.copytree(ROOT / part, folder / part)
    for file in ("pyproject.toml", "_toc.yml", "README.md"):
        shutil.copy(ROOT / file, folder)
    return folder


def _mutants_of(file: str, source: bytes) -> Iterator[Mutant]:
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:k])) for k in range(len(lines) + 1)]

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    for node in ast.walk(ast.parse(source)):
        for line, first, last, new in _changes(node, source, place):
            if not any(word in lines[line - 1].decode() for word in ON_A_GPU):
                old = source[first:last].decode()
                yield Mutant(file, line, first, last, old, new)


def _changes(node, source, place):
    """Line, first and last byte, and what stands there instead."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        first = place(node.left.end_lineno, node.left.end_col_offset)
        last = place(node.right.lineno, node.right.col_offset)
        yield from _between(node.left.end_lineno, source, first, last, node.op)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        right = node.comparators[0]
        first = place(node.left.end_lineno, node.left.end_col_offset)
        last = place(right.lineno, right.col_offset)
        yield from _between(node.left.end_lineno, source, first, last, node.ops[0])
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        ends = (
            place(node.lineno, node.col_offset),
            place(node.end_lineno, node.end_col_offset),
        )
        changed = not node.value if isinstance(node.value, bool) else node.value + 1
        yield node.lineno, *ends, repr(changed)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        first = place(node.lineno, node.col_offset)
        yield (
            node.lineno,
            first,
            place(node.operand.lineno, node.operand.col_offset),
            "",
        )


def _between(line, source, first, last, operator):
    """The operator between two operands, without brackets and white space."""
    signs = OPERATORS | COMPARISONS
    text = source[first:last].decode()
    old = {
        ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
        ast.MatMult: "@", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
        ast.Eq: "==", ast.NotEq: "!=",
    }[type(operator)]  # fmt: skip
    if text.count(old) == 1:
        at = first + len(text[: text.index(old)].encode())
        yield line, at, at + len(old), signs[type(operator)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", default=_head(), help="by default, of this commit")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--least", type=float, default=0.0, help="share to be noticed")
    choice = parser.parse_args()
    drawn = random.Random(choice.seed).sample(mutants(), choice.count)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        noticed = list(pool.map(lambda one: notices(one, choice.deep), drawn))
    for mutant, seen in zip(drawn, noticed, strict=True):
        print("noticed " if seen else "SURVIVES", mutant, flush=True)
    share = sum(noticed) / len(noticed)
    print(f"{sum(noticed)} of {len(noticed)} mutants are noticed (seed {choice.seed})")
    return 0 if share >= choice.least else 1


def _head() -> str:
    run = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip() or "0"


if __name__ == "__main__":
    sys.exit(main())
