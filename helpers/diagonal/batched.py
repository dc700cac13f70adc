"""The same steps for all cells at once, in PyTorch: one program, on any device."""

import numpy as np
import torch
from torch import Tensor

from helpers.diagonal import draws

_BLOCK = 256  # steps whose random words are made together
_FAR = 1e9


def words(keys: Tensor, counts: Tensor) -> Tensor:
    """SplitMix64 in signed integers, which wrap around."""
    z = keys + (counts + 1) * _signed(draws.STRIDE)
    z = (z ^ _down(z, draws.SHIFTS[0])) * _signed(draws.FIRST)
    z = (z ^ _down(z, draws.SHIFTS[1])) * _signed(draws.SECOND)
    return z ^ _down(z, draws.SHIFTS[2])


def one_example(Z, y, u, v, rate, noise, keys, taken, steps, heat, broke) -> None:
    """SGD, an example a step; u, v, heat and broke are changed in place."""
    task = torch.arange(len(u), device=u.device) % len(Z)
    for k, bits in _blocks(keys, taken, steps):
        chosen = _below(bits, Z.shape[1])
        z = Z[task, chosen]
        f = (z * (u * u - v * v)).sum(-1)
        r = f - y[task, chosen] + torch.where(bits & 1 == 1, noise, -noise)
        alive = _still(r.abs(), broke, k)
        c = torch.where(alive, 2 * rate * r, 0)
        u *= 1 - c[:, None] * z
        v *= 1 + c[:, None] * z
        heat += (1 - c * c).abs().log()


def all_examples(
    Z, y, u, v, signed, rate, noise, keys, taken, steps, broke, levels, rest
) -> None:
    """Descent on all examples, with noise on labels, batches or parameters."""
    label, batch, sphere = noise
    task = torch.arange(len(u), device=u.device) % len(Z)
    Z, y = Z[task], y[task]
    cells, n, d = Z.shape
    row = torch.arange(cells, device=u.device)
    for k, bits in _blocks(keys, taken, steps):
        r = (Z @ (u * u - v * v)[..., None])[..., 0] - y
        alive = _still(r.abs().sum(-1), broke, k)
        if not (label or sphere):
            alive = alive & (r.abs().sum(-1) > rest)
        first = _below(bits, n)
        second = _below(words(bits, torch.zeros_like(bits)), n)
        pull = r / n
        pull[row, first] += batch * r[row, first] - label * levels[bits & 4095]
        pull[row, second] -= batch * r[row, second]
        s = 2 * rate[:, None] * (pull[:, None] @ Z)[:, 0]
        s = torch.where(alive[:, None], s, 0)
        u *= 1 - s
        v *= 1 + s
        if sphere:
            size = torch.where(alive, rate * sphere, 0)[:, None]
            u -= size * _normal(words(bits, torch.ones_like(bits)), d, levels)
            if signed:
                v -= size * _normal(words(bits, 2 * torch.ones_like(bits)), d, levels)


def _blocks(keys: Tensor, taken: int, steps: int):
    for start in range(taken, taken + steps, _BLOCK):
        counts = torch.arange(
            start, min(start + _BLOCK, taken + steps), device=keys.device
        )
        yield from zip(counts.tolist(), words(keys, counts[:, None]), strict=True)


def _still(size: Tensor, broke: Tensor, k: int) -> Tensor:
    """Which cells go on; the others keep the step at which they broke."""
    broke[~(size < _FAR) & (broke < 0)] = k
    return broke < 0


def _normal(keys: Tensor, count: int, levels: Tensor) -> Tensor:
    """Independent normal numbers, five from each word."""
    fields = torch.arange(-(-count // draws.PER_WORD), device=keys.device)
    bits = words(keys[:, None], fields)[..., None]
    shifts = 12 * torch.arange(draws.PER_WORD, device=keys.device)
    return levels[bits >> shifts & draws.LEVELS - 1].flatten(1)[:, :count]


def _below(bits: Tensor, n: int) -> Tensor:
    return _down(bits, 32) * n >> 32


def _down(z: Tensor, by: int) -> Tensor:
    """A shift to the right that brings zeros in."""
    return z >> by & (1 << 64 - by) - 1


def _signed(number: int) -> int:
    return int(np.uint64(number).astype(np.int64))


def on(device: str, kernel: str, *parts) -> None:
    """Run a kernel there on copies of NumPy arrays, and bring the changes back."""
    there = [_tensor(part, device) for part in parts]
    globals()[kernel](*there)
    for part, copy in zip(parts, there, strict=True):
        if isinstance(part, np.ndarray) and part.flags.writeable:
            part[...] = copy.cpu().numpy().view(part.dtype)


def _tensor(part, device: str):
    if not isinstance(part, np.ndarray):
        return part
    if part.dtype == np.uint64:
        part = part.view(np.int64)
    return torch.tensor(part, device=device)
