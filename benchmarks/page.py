"""The book's page of benchmarks, from the table that `make bench` wrote.

python -m benchmarks.page
"""

import json
from pathlib import Path

from benchmarks import sweep, throughput
from benchmarks.counts import counts
from helpers import figures
from helpers.ledger import digits

ROOT = Path(__file__).parents[1]
HELPERS = ROOT / "benchmarks/results/helpers.json"
RESULTS = ROOT / "benchmarks/results/curvature.json"
PAGE, FIGURE = ROOT / "book/benchmarks.md", ROOT / "book/benchmarks.svg"
NAMES = {"vgg6": "Convolutional network (VGG6)", "mlp": "Perceptron (3072–64–64–C)"}
GRAM = "exact Gram: trace, |H|_F, mu"
GOALS = [  # what, on which network, outputs, row; at most this many g, and this error
    ("exact Gram matrix, one output", "vgg6", 1, GRAM, 3, 1e-3),
    ("Frobenius norm by sketch", "vgg6", 10, "frobenius, sketched", 4, 0.01),
    ("trace by sketch", "vgg6", 10, "trace, sketched", 2.5, 0.01),
    ("exact Gram matrix, ten outputs", "vgg6", 10, GRAM, 50, 1e-3),
    ("largest eigenvalue, certified", "vgg6", 10, "top 1, tol 1e-3", 15, 1e-3),
    ("five largest, certified", "vgg6", 10, "top 5, tol 1e-3", 30, 1e-3),
    ("one Hessian product", "vgg6", 10, "one product, hessian", 2.1, 1e-5),
    ("one Gauss–Newton product", "vgg6", 10, "one product, gauss_newton", 1.6, 1e-5),
]


def ours(rows: list[dict], network: str, classes: int, quantity: str) -> dict:
    """Our cheapest row for a quantity."""
    found = [
        row
        for row in rows
        if (row["network"], row["C"], row["quantity"]) == (network, classes, quantity)
        and row["method"].startswith("helpers")
    ]
    return min(found, key=lambda row: row["g"])


def goal_table(rows: list[dict], counted: dict[str, float]) -> str:
    lines = [
        "| quantity | to reach | g | error | by count | reached? |",
        "|---|---|---|---|---|---|",
    ]
    for name, *place, goal, allowed in GOALS:
        row = ours(rows, *place)
        reached = row["g"] <= goal and row["error"] <= allowed
        cells = [
            f"{name}: {row['method']}",
            f"{goal} g, {allowed:g}",
            f"{row['g']:.3g}",
        ]
        cells += [digits(row["error"]), by_count(row, counted)]
        cells += ["yes" if reached else "no"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_count(row: dict, counted: dict[str, float]) -> str:
    """The least that the row can cost, in multiplications."""
    if row["quantity"] in counted:
        return f"{counted[row['quantity']]:.2f} g"
    if "products" not in row:
        return ""
    each = counted["one product, gauss_newton"]
    return f"{row['products']:g} × {each:.2f} = {row['products'] * each:.1f} g"


def full_table(rows: list[dict], network: str, classes: int) -> str:
    lines = [
        "| quantity | method | products | g | error | remark |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if (row["network"], row["C"]) == (network, classes):
            cells = [
                row["quantity"],
                row["method"],
                f"{row['products']:g}" if "products" in row else "",
                f"{row['g']:.3g}" if "g" in row else "",
                digits(row["error"]) if "error" in row else "",
                row.get("note", ""),
            ]
            lines.append(f"| {' | '.join(x.replace('|', '‖') for x in cells)} |")
    return "\n".join(lines)


def helpers_table(found: dict) -> str:
    lines = ["| ours: against | peer / ours | least to largest |", "|---|---|---|"]
    for each in found["rows"]:
        middle, least, largest = each["ratio"]
        lines.append(f"| {each['row']} | {middle:.1f} | {least:.1f} to {largest:.1f} |")
    return "\n".join(lines)


def throughput_table() -> str:
    """Images a second against the batch size, where that has been measured."""
    if not throughput.OUT.exists():
        return ""
    found = json.loads(throughput.OUT.read_text())
    head = "| batch | loop | images a second | of peak | shuffling |"
    lines = [head, "|---|---|---|---|---|"]
    for row in found["rows"]:
        low, middle, high = row["images a second"]
        rate = f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
        peak = f"{row['of peak']:.1%}".replace("%", " %") if row["of peak"] else ""
        data = f"{row['data share']:.1%}".replace("%", " %")
        data = data if row["loop"] == "ours" else ""  # of whose epoch it is a share
        cells = [f"{row['batch']}", row["loop"], rate, peak, data]
        lines.append(f"| {' | '.join(cells)} |")
    about = {"network": found["network"], "device": found["device"]}
    return THROUGHPUT.format(table="\n".join(lines), **about)


def draw(rows: list[dict]) -> None:
    """Cost against error of the Frobenius norm, convolutional network, ten outputs."""
    import matplotlib.pyplot as plt

    figures.use_house_style()
    fig, ax = plt.subplots()
    for row in rows:
        place = row["network"], row["C"]
        if place != ("vgg6", 10) or "frobenius" not in row["quantity"]:
            continue
        mine = row["method"].startswith("helpers")
        kind = "gd" if "sketch" in row["method"] else "regularised"
        kind = kind if mine else "control"
        mark = {"color": figures.PALETTE[kind], "marker": figures.MARKS[kind]}
        ax.plot(row["g"], row["error"], **mark, ls="none", ms=5)
    figures.label(ax, 2.2, 0.0066, "sketch", "gd")
    figures.label(ax, 75, 0.0065, "deflated", "regularised")
    figures.label(ax, 330, 0.021, "peers: Hutchinson", "control")
    figures.criterion(ax, 0.01, "one per cent", at=0.02)
    ax.set(xscale="log", yscale="log", xlim=(2, 4000), ylim=(5e-3, 4e-2))
    ax.set(xlabel="work, in gradient passes", ylabel=r"rms error of $\Vert H\Vert_F$")
    fig.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    stored = json.loads(RESULTS.read_text())
    rows, about = stored["rows"], stored["about"]
    others = json.loads(HELPERS.read_text())
    sections = [
        f"### {NAMES[network]}, C = {classes}\n\n{full_table(rows, network, classes)}"
        for classes in (1, 10)
        for network in NAMES
    ]
    alt = (
        "Error of the Frobenius norm against work in gradient passes: the sketches lie "
        "at a few passes and just under one per cent, deflation at seventy passes and "
        "under one per cent, the peers' estimators between 260 and 2000 passes."
    )
    PAGE.write_text(
        TEXT.format(
            data=rows[0]["data"],
            about=f"Python {about['python']}, PyTorch {about['torch']}",
            alt=alt,
            goals=goal_table(rows, counts()),
            sweep=sweep.table(json.loads(sweep.OUT.read_text())["rows"]),
            throughput=throughput_table(),
            tables="\n\n".join(sections),
            others=helpers_table(others),
            share=f"{others['data share']:.1%}".replace("%", " %"),
        )
    )
    draw(rows)


THROUGHPUT = """
### Images a second

One epoch of {network} at several batch sizes, by the clock, median and range of
repeats in which the loops take turns, on {device}: the `DataLoader` loop; this book's
loop in float32, in bfloat16 without a recorded graph, as it is, and with several
networks at once. The last column is the part of our epoch that goes into shuffling and
augmenting.

{table}
"""

TEXT = """# Benchmarks

How the {{doc}}`instrument <curvature>` compares with the tools that exist, side by
side in one run: `make bench` installs the peers in an environment of their own,
measures, and writes this page. No number in its tables is typed in.

```{{figure}} benchmarks.svg
:alt: {alt}

**Cost against error.** Frobenius norm of the Gauss–Newton matrix of a convolutional
network with ten outputs. Circles: our sketches; triangles: our deflated estimator;
crosses: the peers.
```

## How it was measured

A thousand images ({data}), square loss, two networks that were trained to fit them,
one thread, processor time. Costs are in *gradient passes* g over the same images, each
measured beside the pass that it is divided by, at least five times. An estimator or
eigensolver is judged by the g that it needs to reach an error: the products that it
asks for, counted over twenty seeds on a matrix with the network's exact spectrum, times
what one product of that tool costs on the network. {about}. Other programs shared the
machine; ratios bear that, seconds would not. The sketches with ten outputs were
measured once more after the first run, each again beside its own gradient pass.

## Against what we set out to reach

{goals}

The goals came from prototypes. Where one is missed, the column *by count* says why: it
has the multiplications alone, in those of a gradient pass. A Gauss–Newton product
cannot cost less than 1.67 passes where the work is in the products of matrices, so that
1.6 g is out of reach but for noise; a Hessian product costs two by count, and what it
takes beyond that is moving memory. The eigenvalues cost what their products cost: the
goals of 15 g and 30 g allow nine and eighteen products, and a residual that bounds the
error without any assumption on the rest of the spectrum takes more. In return the
error is a thousandth of what was asked. Fewer products would do for a bound through the
gap to the next eigenvalue, but Lanczos cannot certify that gap. The exact Gram matrix
for ten outputs needs
$(nC)^2p$ multiplications, some 86 passes' worth, and gets below that only with rows in
bfloat16. (A first table had the sketches at 1.5 %. The fault was in what they were
compared with: PyTorch's norm of a large float32 matrix is off by per cents. The norm is
now summed in double precision, and a test holds it there.)

## The rest of the package

Beside what a reader would write without it, on one thread: the peer's processor time
over ours, the median of five interleaved pairs. Networks are trained on a synthetic
stand-in for CIFAR-10, in bfloat16 with channels last, against a `DataLoader` over
transformed pictures; shuffling and augmenting take {share} of a step of the largest of
them.

{others}
{throughput}
## Many small runs

A sweep of small models is another kind of work: what limits it is not arithmetic but
the calls between two operations. The {{doc}}`diagonal network <sparse_recovery>` with a
hundred features, one example a step, in cell-steps a second (steps of all runs
together), on one thread; what we set out to reach was $10^7$.

{sweep}

The first row is the loop that a reader would write and that the authors' scripts are,
on one example instead of all of them. Tests hold the compiled loop to `torch.optim` and
to plain NumPy, step by step, on the same random numbers.

## All rows of curvature

Errors are root mean squares over seeds for estimators, medians of the largest relative
error for eigenvalues. A peer that crashes is a row that says so.

{tables}
"""

if __name__ == "__main__":
    main()
