"""The table, as JSON for the book and as Markdown for people."""

import json
import os
import platform
from pathlib import Path

import torch


def write(rows: list[dict], out: Path) -> None:
    """Write <out>.json and <out>.md, each in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
    }
    text = json.dumps({"about": about, "rows": rows}, indent=1)
    for suffix, content in ((".json", text), (".md", markdown(rows))):
        draft = out.with_suffix(suffix + ".draft")
        draft.write_text(content + "\n")
        draft.replace(out.with_suffix(suffix))


def markdown(rows: list[dict]) -> str:
    """One table; the ratio is to the cheapest row of ours for the same quantity."""
    lines = [
        "| network | C | quantity | method | products | g | ratio | error | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = [
            other["g"]
            for other in rows
            if all(other[key] == row[key] for key in ("network", "C", "quantity"))
            and other["method"].startswith("helpers")
            and "g" in other
        ]
        ratio = row["g"] / min(ours) if ours and "g" in row else None
        cells = [
            row["network"],
            str(row["C"]),
            row["quantity"],
            row["method"],
            f"{row['products']:g}" if "products" in row else "",
            f"{row['g']:.3g}" if "g" in row else "",
            f"{ratio:.2g}" if ratio is not None else "",
            f"{row['error']:.2g}" if "error" in row else "",
            row.get("note", ""),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
