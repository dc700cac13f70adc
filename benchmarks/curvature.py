"""Side by side with the peers: `python -m benchmarks.curvature`.

Every cost is process time on one thread over that of a gradient pass (g) taken beside
it.  Estimators and eigensolvers are judged by "g to reach": the products they need for
an error, counted over many seeds on a matrix with the network's exact spectrum, times
what one product of that tool costs on the network.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import peers
from benchmarks.eigensolvers import SOLVERS
from benchmarks.estimators import ESTIMATORS
from benchmarks.report import write
from benchmarks.surrogate import Surrogate
from benchmarks.testbed import NETWORKS, Bed, bed
from benchmarks.timing import cost
from helpers.curvature.gram import Gram, gram
from helpers.curvature.products import gauss_newton, hessian
from helpers.curvature.sketch import sketch, sketch_trace

LADDER = [15, 21, 30, 42, 60, 84, 120, 171, 240, 342, 480, 681, 960, 1359, 1920, 2718]


def guarded(row: dict, work: Callable[[], dict]) -> dict:
    """A peer that crashes is a row that says so."""
    try:
        return row | work()
    except Exception as error:
        return row | {"note": f"crashes: {type(error).__name__}: {str(error)[:80]}"}


def product_rows(on: Bed, repeats: int) -> Iterator[dict]:
    """What one product costs, for each tool and both matrices."""
    vector = torch.randn(sum(p.numel() for p in on.model.parameters()))
    tools = {
        ("helpers", "hessian"): lambda: hessian(*on.problem, chunk=on.chunk),
        ("helpers", "gauss_newton"): lambda: gauss_newton(*on.problem, chunk=on.chunk),
        ("PyHessian", "hessian"): lambda: peers.Matrix(
            peers.pyhessian_product(on), len(vector)
        ),
    }
    for kind in ("hessian", "gauss_newton"):
        tools["curvlinops", kind] = lambda kind=kind: peers.Matrix(
            peers.curvlinops_product(on, kind), len(vector)
        )
        tools["eigenthings", kind] = lambda kind=kind: peers.eigenthings_operator(
            on, kind
        )
    truth = {
        "hessian": hessian(*on.problem) @ vector,
        "gauss_newton": gauss_newton(*on.problem) @ vector,
    }
    for (tool, kind), build in tools.items():

        def work(build=build, kind=kind) -> dict:
            matrix = build()
            matrix @ vector
            spent, image = cost(on, lambda: matrix @ vector, repeats)
            error = (image - truth[kind]).norm() / truth[kind].norm()
            return {"g": spent.g, "range": spent[1:3], "error": error.item()}

        yield guarded({"quantity": f"one product, {kind}", "method": tool}, work)


def gram_rows(on: Bed, repeats: int) -> tuple[Gram, list[dict]]:
    """The exact Gram matrix, against autograd on 30 examples, and in bfloat16."""
    heavy = on.classes > 1
    found, rows = {}, []
    for dtype in (torch.float32, torch.bfloat16):
        spent, found[dtype] = cost(
            on,
            lambda dtype=dtype: gram(*on.problem, dtype=dtype),
            1 if heavy else repeats,
        )
        rows.append(
            {
                "quantity": "exact Gram: trace, |H|_F, mu",
                "method": f"helpers, {str(dtype).removeprefix('torch.')} rows",
                "g": spent.g,
                "range": spent[1:3],
            }
        )
    exact, rounded = found.values()
    some = 30 * on.classes
    reference = reference_kernel(on, 30)
    error = (exact.kernel[:some, :some] - reference).norm() / reference.norm()
    rows[0] |= {"error": error.item(), "note": "of K on 30 examples, against autograd"}
    note = f"of |H|_F; of K {relative(rounded.kernel, exact.kernel):.1e}"
    rows[1] |= {"error": abs(rounded.frobenius / exact.frobenius - 1), "note": note}
    return exact, rows


def relative(found: torch.Tensor, truth: torch.Tensor) -> float:
    return ((found - truth).norm() / truth.norm()).item()


def reference_kernel(on: Bed, n: int) -> torch.Tensor:
    """J J^T of the first n examples, one output of one example at a time."""
    parameters = list(on.model.parameters())
    rows = [
        torch.cat(
            [
                gradient.flatten()
                for gradient in torch.autograd.grad(
                    output, parameters, retain_graph=True
                )
            ]
        )
        for output in on.model(on.inputs[:n]).flatten()
    ]
    return torch.stack(rows) @ torch.stack(rows).T


def sketch_rows(on: Bed, exact: Gram, repeats: int, seeds: int) -> Iterator[dict]:
    """Sketches: cost on the network, error over seeds against the exact values."""

    def sketched(directions: int, rows: torch.dtype | None = None):
        def run(seed: int) -> dict[str, float]:
            generator = torch.Generator().manual_seed(1000 + seed)
            return sketch(
                *on.problem, directions=directions, dtype=rows, generator=generator
            )._asdict()

        return run

    def traced(seed: int) -> dict[str, float]:
        generator = torch.Generator().manual_seed(1000 + seed)
        return {"trace": sketch_trace(*on.problem, generator=generator)[0]}

    methods = {
        "helpers sketch_trace": (traced, seeds),
        "helpers sketch, R = 1": (sketched(1), seeds),
        "helpers sketch, R = 2": (sketched(2), seeds),
        "helpers sketch, R = 1, bfloat16 rows": (sketched(1, torch.bfloat16), seeds),
        "helpers sketch, R = 2, bfloat16 rows": (sketched(2, torch.bfloat16), seeds),
        "BackPACK DiagGGNMC": (
            lambda seed: {"trace": peers.backpack_trace(on, exact=False)},
            seeds,
        ),
        "BackPACK DiagGGNExact": (
            lambda seed: {"trace": peers.backpack_trace(on, exact=True)},
            1,
        ),
    }
    for method, (run, count) in methods.items():

        def work(run=run, count=count) -> dict:
            spent, _ = cost(on, lambda: run(0), min(count, repeats))
            found = [run(seed) for seed in range(count)]
            row = {"g": spent.g, "range": spent[1:3]}
            for field in ("trace", "frobenius"):
                truth = getattr(exact, field)
                squares = [(f[field] / truth - 1) ** 2 for f in found if field in f]
                if squares:
                    row[field] = statistics.fmean(squares) ** 0.5
            return row

        row = guarded({"method": method}, work)
        for field in ("trace", "frobenius"):
            if field in row or "note" in row:
                errors = {"error": row[field]} if field in row else {}
                kept = {
                    key: row[key] for key in row if key not in ("trace", "frobenius")
                }
                yield {"quantity": f"{field}, sketched"} | kept | errors


def estimator_rows(
    values: torch.Tensor, per_product: dict[str, float], seeds: int
) -> Iterator[dict]:
    """g to reach 2 % and 1 % rms, by products on the surrogate."""
    truth = {"trace": values.sum().item(), "frobenius": values.norm().item()}
    for method, (field, tool, run) in ESTIMATORS.items():
        for goal in (0.02, 0.01):

            def work(run=run, field=field, goal=goal, tool=tool) -> dict:
                for count in LADDER:
                    errors, made = [], []
                    for seed in range(seeds):
                        surrogate = Surrogate(values, seed)
                        matrix = peers.Matrix(surrogate, surrogate.size)
                        errors.append(run(matrix, count, seed) / truth[field] - 1)
                        made.append(matrix.count)
                    rms = statistics.fmean(e**2 for e in errors) ** 0.5
                    if rms <= goal:
                        break
                products = statistics.median(made)
                note = "" if rms <= goal else f"not reached with {products} products"
                g = products * per_product.get(tool, float("nan"))
                return {"g": g, "products": products, "error": rms, "note": note}

            yield guarded(
                {"quantity": f"{field} to {goal:.0%}", "method": method}, work
            )


def eigenvalue_rows(
    values: torch.Tensor, per_product: dict[str, float], seeds: int
) -> Iterator[dict]:
    for k in (1, 5):
        truth = values[:k].double()
        for method, (solve, tool) in SOLVERS.items():

            def work(solve=solve, tool=tool, k=k, truth=truth) -> dict:
                made, errors = [], []
                for seed in range(seeds):
                    surrogate = Surrogate(values, seed)
                    matrix = peers.Matrix(surrogate, surrogate.size)
                    found = torch.tensor(solve(matrix, k, seed), dtype=torch.float64)
                    errors.append(((found - truth).abs() / truth).max().item())
                    made.append(matrix.count)
                products = statistics.median(made)
                return {
                    "g": products * per_product.get(tool, float("nan")),
                    "products": products,
                    "error": statistics.median(errors),
                    "note": f"worst {max(errors):.1e}; most products {max(made)}",
                }

            yield guarded({"quantity": f"top {k}, tol 1e-3", "method": method}, work)


def network_rows(on: Bed, repeats: int, seeds: int) -> Iterator[dict]:
    per_product = {}
    for row in product_rows(on, repeats):
        newton = "gauss_newton" in row["quantity"] or row["method"] == "PyHessian"
        if newton and "g" in row:
            per_product[row["method"]] = row["g"]
        yield row
    exact, rows = gram_rows(on, repeats)
    yield from rows
    if on.classes > 1:
        yield from sketch_rows(on, exact, repeats, seeds)
    values = exact.eigenvalues()
    yield from eigenvalue_rows(values, per_product, seeds)
    yield from estimator_rows(values, per_product, seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--classes", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", type=Path, default=Path("data/cifar10"))
    parser.add_argument("--store", type=Path, default=Path("data/bench"))
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/curvature")
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for classes in chosen.classes:
        for name in chosen.networks:
            on = bed(name, classes, chosen.data, chosen.store)
            setting = {"network": name, "C": classes, "data": on.data, "loss": on.loss}
            for row in network_rows(on, chosen.repeats, chosen.seeds):
                rows.append(setting | row)
                print(json.dumps(rows[-1]), flush=True)
                write(rows, chosen.out)


if __name__ == "__main__":
    main()
