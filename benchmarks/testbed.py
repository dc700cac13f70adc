"""What the benchmark measures on: two trained networks, n = 1000 images, C in {1, 10}.

Images are CIFAR-10 where a folder of them is given, else a synthetic stand-in of the
same shape.  Weights are trained once and stored.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, one_hot

N, SEED = 1000, 0
TARGET_LOSS = {1: 1e-4, 10: 1e-3}
CHUNK = {"vgg6": 40, "mlp": 250}  # near the fastest for all, and a divisor of N


class Bed(NamedTuple):
    name: str
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    data: str
    loss: float

    @property
    def classes(self) -> int:
        return self.targets.shape[1]

    @property
    def chunk(self) -> int:
        return CHUNK[self.name]

    @property
    def problem(self) -> tuple[nn.Module, Tensor, Tensor]:
        return self.model, self.inputs, self.targets


def vgg6(classes: int) -> nn.Module:
    layers, below = [], 3
    for place, above in enumerate([32, 32, 64, 64, 64, 64]):
        layers += [nn.Conv2d(below, above, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if place % 2 else []
        below = above
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, classes))


def mlp(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3072, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        nn.Linear(64, classes),
    )  # fmt: skip


NETWORKS = {"vgg6": vgg6, "mlp": mlp}


def synthetic_images(classes: int) -> tuple[Tensor, Tensor, str]:
    """Smooth noise around one smooth mean a class."""
    generator = torch.Generator().manual_seed(SEED)
    labels = torch.randint(classes, (N,), generator=generator)
    noise = torch.randn(N + classes, 3, 40, 40, generator=generator)
    smooth = avg_pool2d(noise, 9, stride=1)
    images = smooth[:N] + smooth[N:][labels]
    return images / images.std(), labels, "synthetic stand-in"


def cifar_images(folder: Path, classes: int) -> tuple[Tensor, Tensor, str]:
    """A fixed random subset of <folder>/train/<class>/*, balanced over the classes."""
    from PIL import Image

    names = sorted(path for path in (folder / "train").iterdir() if path.is_dir())
    order = np.random.default_rng(SEED)
    images, labels = [], []
    for label, name in enumerate(names[:classes]):
        files = sorted(name.iterdir())
        for file in order.choice(np.array(files), N // classes, replace=False):
            images.append(np.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    pixels = torch.tensor(np.stack(images)).permute(0, 3, 1, 2) / 255
    pixels = pixels - (pixels.mean((0, 2, 3), keepdim=True))
    pixels = pixels / pixels.std((0, 2, 3), keepdim=True)
    return pixels.contiguous(), torch.tensor(labels), "CIFAR-10 (JPEG mirror)"


def bed(name: str, classes: int, folder: Path | None, store: Path) -> Bed:
    """A network trained with Adam on the half square; C = 1 has labels +-1."""
    kinds = max(classes, 2)
    found = folder is not None and (folder / "train").is_dir()
    images, labels, data = (
        cifar_images(folder, kinds) if found else synthetic_images(kinds)
    )
    hot = one_hot(labels, kinds).float()
    targets = hot if classes > 1 else hot[:, 1:] - hot[:, :1]
    torch.manual_seed(SEED)
    model = NETWORKS[name](classes)
    file = store / f"{name}-{classes}-{data.split()[0]}.pt"
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
    else:
        train(model, images, targets, TARGET_LOSS[classes])
        store.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
    with torch.no_grad():
        loss = (model(images) - targets).square().sum().item() / (2 * N)
    return Bed(name, model, images, targets, data, loss)


def train(model: nn.Module, images: Tensor, targets: Tensor, goal: float) -> None:
    """Adam with a cosine schedule, to the goal or 150 epochs."""
    epochs = 150
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(N, generator=generator).split(50):
            optimizer.zero_grad()
            error = (model(images[batch]) - targets[batch]).square().sum() / 2
            (error / len(batch)).backward()
            optimizer.step()
            total += error.item() / N
        schedule.step()
        if total < goal:
            return
