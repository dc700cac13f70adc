"""Architectures by name, at any width, with batch, group or no normalisation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.dials import BookError

Norm = Callable[[int], nn.Module]
# Zhang et al.'s small Inception: channels of the 1×1 and the 3×3 part of a module; one
# number is a module that halves the image.
INCEPTION_WIDTH = 96  # of its first layer
INCEPTION = (
    *((32, 32), (32, 48), 80, (112, 48), (96, 64), (80, 80), (48, 96)),
    *(96, (176, 160), (176, 160)),
)
GROUPS = 8  # of group normalisation, where the width allows
VGG16 = (1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0)  # 0 halves the image
VGG6 = (1, 1, 0, 2, 2, 0, 2, 2, 0)
NORMS = ("batch", "group", "none")


def build(
    name: str,
    *,
    inputs: tuple[int, ...] = (3, 32, 32),
    outputs: int = 10,
    width: int | None = None,
    norm: str = "batch",
    seed: int = 0,
) -> nn.Module:
    """The network of that name, its weights drawn by the seed.

    `width` is the number of units or channels of the first layer, the growth rate of a
    DenseNet; left out, it is the published one. One output gives a value an image.
    """
    if name not in _KINDS:
        raise BookError(f"no network {name!r}: choose {', '.join(_KINDS)}")
    if norm not in NORMS:
        raise BookError(f"no normalisation {norm!r}: choose {', '.join(NORMS)}")
    make, usual = _KINDS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = make(inputs, width or usual, _normalisation(norm))
        features = _features(body, inputs)
        head = [nn.Linear(features, outputs)] + (
            [nn.Flatten(0)] if outputs == 1 else []
        )
        return nn.Sequential(*body, *head)


def small_inception(
    *,
    inputs: tuple[int, ...] = (3, 28, 28),
    outputs: int = 10,
    width: int = 96,
    seed: int = 0,
) -> nn.Module:
    """Zhang et al.'s, all of it narrower in proportion to its first layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body, channels = [_unit(inputs[0], width, 3)], width
        for module in INCEPTION:
            halves = isinstance(module, int)
            parts = (module,) if halves else module
            own = [round(part * width / INCEPTION_WIDTH) for part in parts]
            body.append(Beside(channels, own, halves))
            channels = sum(own) + (channels if halves else 0)
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs)
        return nn.Sequential(*body, *head)


def fully_connected(
    layers: int,
    *,
    inputs: tuple[int, ...] = (3, 28, 28),
    outputs: int = 10,
    width: int = 512,
    seed: int = 0,
) -> nn.Module:
    """So many hidden layers, all of one width."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body, features = [nn.Flatten()], torch.Size(inputs).numel()
        for _ in range(layers):
            body += [nn.Linear(features, width), nn.ReLU()]
            features = width
        return nn.Sequential(*body, nn.Linear(features, outputs))


def parameters(network: nn.Module) -> int:
    return sum(weights.numel() for weights in network.parameters())


def _mlp(inputs: tuple[int, ...], width: int, norm: Norm) -> nn.Sequential:
    """Two hidden layers; images are rows of features to it."""
    features = torch.Size(inputs).numel()
    layers = [nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers)


def _shallow(inputs: tuple[int, ...], width: int, norm: Norm) -> nn.Sequential:
    """One hidden layer, which makes two layers of weights."""
    layers = [nn.Linear(torch.Size(inputs).numel(), width), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers)


def _vgg(plan: tuple[int, ...]) -> Callable:
    def make(inputs: tuple[int, ...], width: int, norm: Norm) -> nn.Sequential:
        layers, channels = [], inputs[0]
        for times in plan:
            if times == 0:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                continue
            convolution = nn.Conv2d(channels, times * width, 3, padding=1)
            layers += [convolution, norm(times * width), nn.ReLU()]
            channels = times * width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    return make


class Residual(nn.Module):
    """Adds to its input, made to fit where the shape changes."""

    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body, self.shortcut, self.relu = body, shortcut, nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        return self.relu(self.body(images) + self.shortcut(images))


def _resnet(
    blocks: tuple[int, ...], bottleneck: bool, stem_stride: int = 1
) -> Callable:
    """He et al.'s, with the stem for small images: one 3×3 convolution, no pooling."""

    def make(inputs: tuple[int, ...], width: int, norm: Norm) -> nn.Sequential:
        layers = [
            _convolution(inputs[0], width, 3, stem_stride),
            norm(width),
            nn.ReLU(),
        ]
        channels = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                stride = 2 if stage and not block else 1
                inner = width * 2**stage
                outer = inner * (4 if bottleneck else 1)
                body = _bottleneck if bottleneck else _basic
                shortcut = _shortcut(channels, outer, stride, norm)
                layers.append(Residual(body(channels, inner, stride, norm), shortcut))
                channels = outer
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    return make


def _basic(channels: int, inner: int, stride: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        *(_convolution(channels, inner, 3, stride), norm(inner), nn.ReLU()),
        *(_convolution(inner, inner, 3), norm(inner)),
    )


def _bottleneck(channels: int, inner: int, stride: int, norm: Norm) -> nn.Sequential:
    return nn.Sequential(
        *(_convolution(channels, inner, 1), norm(inner), nn.ReLU()),
        *(_convolution(inner, inner, 3, stride), norm(inner), nn.ReLU()),
        *(_convolution(inner, 4 * inner, 1), norm(4 * inner)),
    )


def _shortcut(channels: int, outer: int, stride: int, norm: Norm) -> nn.Module:
    if stride == 1 and channels == outer:
        return nn.Identity()
    return nn.Sequential(_convolution(channels, outer, 1, stride), norm(outer))


class Dense(nn.Module):
    """Appends what it computes to its input."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images, self.body(images)], 1)


class Beside(nn.Module):
    """Convolutions of 1×1 and 3×3 side by side; or one of 3×3 beside a pooling."""

    def __init__(self, channels: int, parts: list[int], halves: bool):
        super().__init__()
        if halves:
            pool = nn.MaxPool2d(3, 2, 1)
            self.parts = nn.ModuleList([_unit(channels, parts[0], 3, 2), pool])
        else:
            kernels = zip(parts, (1, 3), strict=True)
            units = [_unit(channels, part, kernel) for part, kernel in kernels]
            self.parts = nn.ModuleList(units)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([part(images) for part in self.parts], 1)


def _unit(channels: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = _convolution(channels, outputs, kernel, stride)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _densenet40(inputs: tuple[int, ...], width: int, norm: Norm) -> nn.Sequential:
    """DenseNet-BC of depth 40: three stages of six bottlenecks, halved in between."""
    channels = 2 * width
    layers = [_convolution(inputs[0], channels, 3)]
    for stage in range(3):
        for _ in range(6):
            squeeze = [norm(channels), nn.ReLU(), _convolution(channels, 4 * width, 1)]
            grow = [norm(4 * width), nn.ReLU(), _convolution(4 * width, width, 3)]
            layers.append(Dense(nn.Sequential(*squeeze, *grow)))
            channels += width
        layers += [norm(channels), nn.ReLU()]
        if stage < 2:
            layers += [_convolution(channels, channels // 2, 1), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _convolution(
    channels: int, outputs: int, kernel: int, stride: int = 1
) -> nn.Conv2d:
    """Without a bias: a normalisation follows, or nothing is missed."""
    return nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, bias=False)


def _normalisation(kind: str) -> Norm:
    if kind == "batch":
        return nn.BatchNorm2d
    if kind == "none":
        return lambda channels: nn.Identity()
    return lambda channels: nn.GroupNorm(_divisor(channels), channels)


def _divisor(channels: int) -> int:
    return max(k for k in range(1, GROUPS + 1) if channels % k == 0)


def _features(body: nn.Module, inputs: tuple[int, ...]) -> int:
    """What the body hands to the head, for images of that shape."""
    body.eval()
    with torch.no_grad():
        features = body(torch.zeros(1, *inputs)).shape[1]
    body.train()
    return features


_KINDS = {
    "mlp": (_mlp, 100),
    "shallow": (_shallow, 100),
    "vgg6": (_vgg(VGG6), 32),
    "vgg16": (_vgg(VGG16), 64),
    "resnet8": (_resnet((1, 1, 1), False, stem_stride=2), 16),
    "resnet18": (_resnet((2, 2, 2, 2), False), 64),
    "resnet50": (_resnet((3, 4, 6, 3), True), 64),
    "densenet40": (_densenet40, 12),
}
NAMES = tuple(_KINDS)
