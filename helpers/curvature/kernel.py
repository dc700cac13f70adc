"""Gram matrices of Jacobian rows, layer by layer, within a bound on memory."""

import math
from typing import NamedTuple

import torch
from scipy.linalg import blas
from torch import Tensor, nn

from helpers.curvature.backward_pass import SeedsOf, backward_pass
from helpers.curvature.layers import Layer, PatchLayer, find_layers

SYRK = {torch.float32: blas.ssyrk, torch.float64: blas.dsyrk}
PANELS = 16  # the lower triangle in 16 panels costs 53 % of the square
GIB = 2**30


@torch.no_grad()
def jacobian_gram(
    model: nn.Module,
    inputs: Tensor,
    seeds_of: SeedsOf,
    *,
    dtype: torch.dtype | None,
    memory: float,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Gram matrix (n R, n R) of the rows J_i^T e_ir, and the outputs (n, C).

    seeds_of(outputs, examples) gives the seeds e (b, R, C) of a chunk.
    """
    layers = find_layers(model, inputs[:1])
    example = model(inputs[:1])
    n, seeds = len(inputs), seeds_of(example, slice(0, 1)).shape[1]
    dtype = dtype or example.dtype
    wide = torch.promote_types(dtype, torch.float32)
    kernel = torch.zeros(n * seeds, n * seeds, dtype=wide, device=example.device)
    columns = max(1, int(memory * GIB / (n * seeds * dtype.itemsize)))
    for group in plan(layers, n, seeds, columns):
        outputs = _add_group(kernel, model, inputs, seeds_of, group, dtype, chunk)
    _mirror(kernel)
    _check_first_example(kernel, model, inputs[:1], seeds_of, dtype)
    return kernel, outputs


class Piece(NamedTuple):
    """Some output channels of a layer; part None asks for its ghost form."""

    layer: Layer
    part: slice | None


def plan(layers: list[Layer], n: int, seeds: int, columns: int) -> list[list[Piece]]:
    """Groups of pieces with at most `columns` columns of J, one backward pass for each.

    They start at the output: a pass differentiates only down to its lowest layer.
    """
    groups, room = [[]], columns
    for layer in reversed(layers):
        if isinstance(layer, PatchLayer) and ghost_is_cheaper(layer, n, seeds):
            groups[0].append(Piece(layer, None))
            continue
        start = 0
        while start < layer.channels:
            if room < layer.width and room < columns:
                groups.append([])
                room = columns
            stop = min(layer.channels, start + max(1, room // layer.width))
            groups[-1].append(Piece(layer, slice(start, stop)))
            room -= (stop - start) * layer.width
            start = stop
    return groups


def ghost_is_cheaper(layer: PatchLayer, n: int, seeds: int) -> bool:
    """Compare multiplications: rows formed and multiplied, against T x T' products."""
    channels, width, positions = layer.channels, layer.width, layer.positions
    form = n * seeds * channels * positions * width
    direct = form + (n * seeds) ** 2 * channels * width / 2
    ghost = (n * positions) ** 2 * (width + seeds**2 * (channels + 1)) / 2
    return ghost < direct


def _add_group(
    kernel: Tensor,
    model: nn.Module,
    inputs: Tensor,
    seeds_of: SeedsOf,
    group: list[Piece],
    dtype: torch.dtype,
    chunk: int,
) -> Tensor:
    """One backward pass: add the group's share of K to its lower triangle."""
    ghosts = [piece.layer for piece in group if piece.part is None]
    pieces = [piece for piece in group if piece.part is not None]
    layers = [*ghosts, *(piece.layer for piece in pieces)]
    kept = [([], []) for _ in ghosts]
    rows = _Rows(kernel, len(inputs), pieces, dtype)
    outputs = []
    for block in backward_pass(model, layers, inputs, seeds_of, chunk):
        outputs.append(block.outputs)
        signals = list(zip(block.inputs, block.deltas, strict=True))
        for ghost, keep, (below, deltas) in zip(ghosts, kept, signals, strict=False):
            keep[0].append(ghost.patches(below))
            keep[1].append(ghost.deltas(deltas))
        rows.write(block.examples, signals[len(ghosts) :])
    for ghost, (patches, deltas) in zip(ghosts, kept, strict=True):
        _add_ghost(kernel, torch.cat(patches), torch.cat(deltas), ghost.bias)
    if pieces:
        _add_product(kernel, rows.matrix.flatten(0, 1))
    return torch.cat(outputs)


class _Rows:
    """The per-example gradients of some pieces, side by side: J (n, R, columns)."""

    def __init__(self, kernel: Tensor, n: int, pieces: list[Piece], dtype: torch.dtype):
        self.pieces, self.dtype = pieces, dtype
        self.widths = [(part.stop - part.start) * of.width for of, part in pieces]
        size = (n, len(kernel) // n, sum(self.widths))
        self.matrix = torch.empty(size, dtype=dtype, device=kernel.device)

    def write(self, examples: slice, signals: list[tuple[Tensor, Tensor]]) -> None:
        places = self.matrix[examples].split(self.widths, 2)
        for (layer, part), (below, deltas), place in zip(
            self.pieces, signals, places, strict=bool(self.pieces)
        ):
            if isinstance(layer, PatchLayer):
                below, deltas = below.to(self.dtype), deltas.to(self.dtype)
            place.copy_(layer.rows(below, deltas, part).flatten(2))


def _panels(length: int, size: int) -> list[slice]:
    return [slice(lo, min(lo + size, length)) for lo in range(0, length, size)]


def _add_product(kernel: Tensor, rows: Tensor) -> None:
    """K += J J^T, lower triangle: by BLAS where it can, which torch does not offer."""
    syrk = SYRK.get(rows.dtype)
    if syrk and kernel.device.type == "cpu":
        # BLAS counts rows of columns: its upper triangle is our lower one, in place
        syrk(1, rows.T.numpy(), trans=1, beta=1, c=kernel.T.numpy(), overwrite_c=1)
        return
    for panel in _panels(len(rows), math.ceil(len(rows) / PANELS)):
        share = rows[panel] @ rows[: panel.stop].T
        kernel[panel, : panel.stop] += share


def _add_ghost(kernel: Tensor, patches: Tensor, deltas: Tensor, bias: bool) -> None:
    """K_ir,js += sum_tu (patch_it . patch_ju + 1)(delta_irt . delta_jsu), below."""
    n, seeds, channels, positions = deltas.shape
    flat_patches = patches.mT.reshape(n * positions, -1)
    flat_deltas = deltas.mT.reshape(n * seeds * positions, channels)
    table = max(1, 2**25 // (n * (seeds * positions) ** 2))
    for panel in _panels(n, min(table, math.ceil(n / PANELS))):
        rows, columns = panel.stop - panel.start, panel.stop
        left = slice(panel.start * positions, panel.stop * positions)
        overlap = flat_patches[left] @ flat_patches[: columns * positions].T
        overlap = (overlap + bias).view(rows, 1, positions, columns, 1, positions)
        left = slice(left.start * seeds, left.stop * seeds)
        share = flat_deltas[left] @ flat_deltas[: columns * positions * seeds].T
        share = share.view(rows, seeds, positions, columns, seeds, positions)
        share = share.mul_(overlap).sum((2, 5)).view(rows * seeds, columns * seeds)
        kernel[panel.start * seeds : panel.stop * seeds, : columns * seeds] += share


def _mirror(kernel: Tensor) -> None:
    """Copy the lower triangle to the upper, with no second matrix of this size."""
    for panel in _panels(len(kernel), math.ceil(len(kernel) / PANELS)):
        kernel[: panel.start, panel] = kernel[panel, : panel.start].T
        block = kernel[panel, panel]
        block.copy_(block.tril() + block.tril(-1).T)


def _check_first_example(
    kernel: Tensor,
    model: nn.Module,
    example: Tensor,
    seeds_of: SeedsOf,
    dtype: torch.dtype,
) -> None:
    """Layer by layer is right only if no parameter works outside its layer's call."""
    with torch.enable_grad():
        outputs = model(example)
    trainable = [p for p in model.parameters() if p.requires_grad]
    seeds = seeds_of(outputs.detach(), slice(0, 1))[0]
    expected = 0.0
    for seed in seeds:
        rows = torch.autograd.grad(
            outputs, trainable, seed[None], retain_graph=True, materialize_grads=True
        )
        expected += sum(row.square().sum().item() for row in rows)
    found = kernel.diagonal()[: len(seeds)].sum().item()
    if abs(found - expected) > 10 * torch.finfo(dtype).eps ** 0.75 * expected:
        raise ValueError(
            "the layers' gradients miss part of the first example's: a parameter is "
            "used outside its own layer's forward, or the model couples examples"
        )
