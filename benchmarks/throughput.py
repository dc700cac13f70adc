"""Images a second in training, against the batch size: loops side by side.

`python -m benchmarks.throughput [NETWORK[:WIDTH]] [--batches 1 4 16 64 128 512]`.
It is made for a GPU, where small batches wait for the host; on a CPU it runs as well.
Each repeat takes every loop in turn, so that whatever else the machine does falls on
all of them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.training import Pictures
from helpers import networks, provenance
from helpers.images.table import table
from helpers.training.epochs import Examples, epoch
from helpers.training.loop import Run
from helpers.training.recipe import Recipe
from helpers.training.step import best_device

OUT = Path(__file__).parent / "results/throughput.json"
REPEATS, STEPS, CLASSES = 5, 40, 10
TOGETHER = 4  # networks that train at once, in the last loop
PEAK = {"H100": 989e12, "H200": 989e12}  # dense bfloat16, by the maker's sheets
Work = Callable[[], object]


def main(words: list[str] | None = None) -> None:
    wanted = _parser().parse_args(words)
    torch.set_num_threads(1)  # as all rows of the book
    name, _, width = wanted.network.partition(":")
    found = []
    for batch in tqdm(wanted.batches, unit="batch size", disable=None):
        bench = Bench(name, int(width or 0) or None, batch, wanted.workers)
        found += bench.measured(wanted.repeats)
    here = provenance.here()["device"]
    said = {"network": wanted.network, "device": here, "rows": found}
    wanted.out.write_text(json.dumps(said, indent=1) + "\n")
    for row in found:
        low, middle, high = row["images a second"]
        share = f"  {row['of peak']:.1%} of peak" if row["of peak"] else ""
        rate = f"{middle:9.0f} [{low:.0f}, {high:.0f}]"
        print(f"batch {row['batch']:4d}  {row['loop']:22} {rate} images/s{share}")


class Bench:
    """One network, one batch size; data that a GPU holds, cropped and mirrored."""

    def __init__(self, name: str, width: int | None, batch: int, workers: int):
        self.name, self.width, self.batch, self.workers = name, width, batch, workers
        self.device, self.size = best_device(), batch * STEPS
        noise = np.random.default_rng(0)
        shape = self.size, 32, 32, 3
        self.pixels = noise.integers(256, size=shape, dtype=np.uint8)
        self.labels = (np.arange(self.size) % CLASSES).tolist()
        pictures = table(self.pixels.transpose(0, 3, 1, 2), self.labels, "noise")
        self.examples = Examples(pictures.standardised(), pictures.labels)

    def network(self) -> nn.Module:
        return networks.build(self.name, width=self.width)

    def recipe(self, precision: str) -> Recipe:
        how = {"momentum": 0.9, "augment": True, "precision": precision}
        forever = {"stop_accuracy": None, "check_every": 10**6}
        return Recipe(0.01, 10**6, self.batch, **how, **forever)

    def run(self, precision: str = "bf16", count: int = 1) -> Run:
        nets = [self.network() for _ in range(count)]
        several = [self.examples] * count
        return Run(nets, several, self.recipe(precision), range(count))

    def loops(self) -> dict[str, tuple[Work, int]]:
        """Every loop's epoch, and how many images it trains on."""
        no_graph, together = self.run(), self.run(count=TOGETHER)
        no_graph.step.on_gpu = False
        return {
            "DataLoader": (self.plain(), self.size),
            "float32": (self.run("float32").epoch, self.size),
            "no graph": (no_graph.epoch, self.size),
            "ours": (self.run().epoch, self.size),
            f"ours, {TOGETHER} at once": (together.epoch, TOGETHER * self.size),
        }

    def plain(self) -> Work:
        """What one would write: float32, and images that come one by one."""
        on_gpu = self.device.type == "cuda"
        how = {"num_workers": self.workers, "pin_memory": on_gpu, "shuffle": True}
        pictures = Pictures(self.pixels, self.labels)
        loader = DataLoader(pictures, self.batch, **how)
        net = self.network().to(self.device)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def work() -> None:
            for batch, labels in loader:
                shown = batch.to(self.device, non_blocking=True)
                wanted = labels.to(self.device, non_blocking=True)
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(shown), wanted).backward()
                optimiser.step()

        return work

    def seconds(self, work: Work) -> float:
        start = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def measured(self, repeats: int) -> list[dict]:
        loops, times = self.loops(), {}
        for work, _ in loops.values():
            self.seconds(work)  # warms up; records the graph
        for _ in range(repeats):
            for loop, (work, _) in loops.items():
                times.setdefault(loop, []).append(self.seconds(work))
        shuffle = self.data_share(statistics.median(times["ours"]))
        return [
            self.row(loop, count, times[loop]) | {"data share": shuffle}
            for loop, (_, count) in loops.items()
        ]

    def row(self, loop: str, count: int, times: list[float]) -> dict:
        rates = sorted(count / seconds for seconds in times)
        middle = statistics.median(rates)
        said = {"batch": self.batch, "loop": loop, "of peak": self.of_peak(middle)}
        return said | {"images a second": [rates[0], middle, rates[-1]]}

    def of_peak(self, rate: float) -> float | None:
        """Three forward passes an image, by count, over what the card can do."""
        here = provenance.here()["device"]
        peak = next((v for card, v in PEAK.items() if card in here), None)
        if peak is None:
            return None
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            self.network().eval()(self.examples.inputs[:1])
        return rate * 3 * counter.get_total_flops() / peak

    def data_share(self, whole: float) -> float:
        """Of an epoch, what goes into shuffling and augmenting it."""
        examples, recipe = self.examples.to(self.device), self.recipe("bf16")
        return self.seconds(lambda: epoch(examples, recipe, 0, 1)) / whole


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="?", default="resnet18")
    sizes = [1, 4, 16, 64, 128, 512]
    parser.add_argument("--batches", nargs="+", type=int, default=sizes)
    parser.add_argument("--workers", type=int, default=8, help="of the DataLoader")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser


if __name__ == "__main__":
    main()
