"""Stamp the address where the book is published on every file that carries it.

    make publish-address URL=https://github.com/OWNER/NAME

Takes the https:// or file:// address of a git repository; `URL=none` takes it away
again. The site's buttons and base address follow from publish.toml when the book is
built (see address.py).
"""

import re
import sys
from urllib.parse import urlsplit

from address import ROOT

# file: (line as it stands, line without an address, line with one)
LINES = {
    "publish.toml": (
        r"^repository = .*$",
        'repository = ""',
        'repository = "{}"',
    ),
    "CITATION.cff": (
        r"^(# )?repository-code:.*$",
        "# repository-code:",
        'repository-code: "{}"',
    ),
    "README.md": (
        r"^<!-- address -->.*$",
        "<!-- address -->",
        "<!-- address --> Published from <{}>.",
    ),
}
# The same in a notebook, where the line is a JSON string.
CELL = (
    r'"ADDRESS = (None|\\"[^"\\]*\\")\\n"',
    r'"ADDRESS = None\n"',
    r'"ADDRESS = \"{}\"\n"',
)


def checked(text):
    """The address in its normal form; None for `none`."""
    text = text.strip()
    if text == "none":
        return None
    scheme, host, path = urlsplit(text)[:3]
    depth = len([part for part in path.split("/") if part])
    remote = scheme == "https" and "." in host and depth >= 2
    local = scheme == "file" and not host and depth >= 1
    if not (remote or local) or re.search(r"[^\w.:/~%+-]", text):
        raise ValueError(
            f"{text!r} is no address of a repository: "
            "give URL=https://HOST/OWNER/NAME, URL=file:///FOLDER or URL=none"
        )
    return text.rstrip("/").removesuffix(".git")


def stamped(path, address):
    """The text of a file with the address in its line."""
    pattern, without, with_ = CELL if path.suffix == ".ipynb" else LINES[path.name]
    line = without if address is None else with_.format(address)
    text = path.read_text(encoding="utf-8")
    text, count = re.subn(pattern, lambda _: line, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{path.name} has {count} lines for the address, not one")
    return text


def chapters(root):
    """Notebooks whose first cell looks for the book."""
    notebooks = sorted((root / "book").glob("*.ipynb"))
    return [path for path in notebooks if '"ADDRESS = ' in path.read_text()]


def publish(url, root=ROOT):
    """Stamp all files, or none of them."""
    address = checked(url)
    paths = [root / name for name in LINES] + chapters(root)
    texts = {path: stamped(path, address) for path in paths}
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return address, len(texts)


if __name__ == "__main__":
    try:
        where, files = publish(*sys.argv[1:2] or [""])
    except (OSError, ValueError) as problem:
        print(f"publish-address: {problem}", file=sys.stderr)
        sys.exit(2)
    print(f"{files} files now say {where or 'no address'}")
