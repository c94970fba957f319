"""The sweep in Triton, forward and backward: the GPU's twin of `warp` and, without positions, of `pixel`.

One program makes one tile of one sample, all channels: it samples, runs the colour program in registers and stores. A
contrast needs the mean of the image before it, so that a sweep which sums its luma over tiles goes ahead; it makes the
colours again rather than keep them. Backward makes the colours again too, and saves nothing. Gradients of matrices and
parameters are sums over tiles in a fixed order; that of the image is added by atomics, whose order, and so the last
bits, change from run to run on a GPU. Launches depend on the program alone, not on the batch.

Importing this imports Triton.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from visionops.kernels.common.tile import OPTIONS, divide, is_wide, place, put, step_of, summed, tiles_of, total
from visionops.kernels.pixel.adjoint import contrast_spread, pull_step
from visionops.kernels.pixel.cuda import CONTRAST, bits_of, cuts_of, luma, run, run_step

from .sampling import TAPS, Source, Where, lost_to, pull_sample, sample_tile
from .spec import Spec


class Colours(NamedTuple):
    """The encoded program, and what it needs to know of whole images (b, steps): means, and gradients by them."""

    codes: Tensor
    codes_step: int
    params: Tensor
    params_step: int
    means: Tensor | None
    spreads: Tensor | None


def forward(
    image: Tensor,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    params: Tensor,
    planes: Tensor | None,
    levels: Tensor | None,
    codes: Tensor,
    spec: Spec,
) -> Tensor:
    """Returns the image resampled and coloured, (b, c, oh, ow), contiguous, in ``spec.dtype``.

    Args:
        image: (b, c, h, w) of any strides: uint8, float16, bfloat16 or float32.
        inverse: (b or 1, 3, 3) float32 or float64, from output to source pixels, in whose precision positions are.
        coordinates: (b or 1, oh, ow, 2) float32, the position itself. With neither, colours stay at their places.
        params: (b or 1, p) float32, and `codes` (b or 1, n) int32: the program, of layout ``spec.program``.
        planes: (b or 1, d, 4, 3), the half-planes of domains.
        levels: (b or 1, 2) integers, powers of two by which each source is reduced first.
        spec: all that is not a tensor.
    """
    out = torch.empty((*image.shape[:2], *spec.size), dtype=spec.dtype, device=image.device)
    if out.numel() > 0:
        job = _Job(image, image.shape, inverse, coordinates, params, planes, levels, codes, spec)
        job.sweep(job.colours(job.means()), len(job.bits), out)
    return out


def backward(
    grad: Tensor,
    image: Tensor | None,
    shape: Sequence[int],
    inverse: Tensor | None,
    coordinates: Tensor | None,
    params: Tensor,
    planes: Tensor | None,
    levels: Tensor | None,
    codes: Tensor,
    spec: Spec,
    needs: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Returns the gradients by the image, the matrix, the coordinates and the parameters, None where not needed.

    Each has the shape of its input and is float32, the matrix's in the matrix's dtype. With "nearest" the position
    has none.

    Args:
        grad: by the result, (b, c, oh, ow) of any strides.
        image: as in `forward`, or None where only its own gradient is needed and the program is empty.
        shape: of the image.
        needs: which gradients to return.
    """
    device = grad.device
    nearest = spec.interpolation == "nearest"
    by_image = torch.zeros(tuple(shape), device=device) if needs[0] else None
    by_params = torch.zeros(params.shape, device=device) if needs[3] else None
    by_inverse = torch.zeros_like(inverse) if needs[1] and inverse is not None and not nearest else None
    by_coordinates = (
        torch.zeros(coordinates.shape, device=device) if needs[2] and coordinates is not None and not nearest else None
    )
    if grad.numel() > 0 and any(g is not None for g in (by_image, by_params, by_inverse, by_coordinates)):
        job = _Job(image, shape, inverse, coordinates, params, planes, levels, codes, spec)
        means = job.means()
        colours = job.colours(means, job.spreads(grad, means))
        by_inverse, by_coordinates, by_params = job.pull(grad, colours, by_image, by_inverse, by_coordinates, by_params)
    return by_image, by_inverse, by_coordinates, by_params


class _Job:
    """One call, ready to launch."""

    def __init__(
        self,
        image: Tensor | None,
        shape: Sequence[int],
        inverse: Tensor | None,
        coordinates: Tensor | None,
        params: Tensor,
        planes: Tensor | None,
        levels: Tensor | None,
        codes: Tensor,
        spec: Spec,
    ) -> None:
        self.b, self.c, h, w = shape
        self.size = oh, ow = spec.size
        self.bits, self.cuts = bits_of(spec.program), cuts_of(spec.program)
        self.tiles_x, self.tiles = tiles_of(spec.size)
        self.params, self.codes = params.contiguous(), codes.contiguous()
        inverse, coordinates, planes, levels = (
            None if t is None else t.contiguous() for t in (inverse, coordinates, planes, levels)
        )
        like = params if image is None else image
        fills = _fills((spec.fill, *spec.fills) if planes is not None else (spec.fill,), like.device)
        step_b, step_c, step_y, step_x = (0, 0, 0, 0) if image is None else image.stride()
        self.source = Source(image, step_b, step_c, step_y, step_x, h, w)
        self.where = Where(
            inverse, step_of(inverse, 9), coordinates, step_of(coordinates, oh * ow * 2),
            planes, 0 if planes is None else step_of(planes, planes[0].numel()), fills, levels, step_of(levels, 2),
        )  # fmt: skip
        bytes_in = image is not None and image.dtype == torch.uint8
        self.static: dict[str, Any] = {
            "C": self.c,
            "BITS": self.bits,
            "STARTS": spec.program.starts,
            "N": TAPS[spec.interpolation],
            "BORDER": spec.border,
            "DOMAINS": 0 if planes is None else planes.shape[1],
            # uint8 colours are fractions of 255 in a program, and may stay as they are without one.
            "UNIT": 255.0 if bytes_in and (self.bits or spec.dtype != torch.uint8) else 1.0,
            "OUT_UNIT": 255.0 if spec.dtype == torch.uint8 and (self.bits or not bytes_in) else 1.0,
            "WIDE": is_wide(image) or max(h * w, 2 * oh * ow) * max(self.c, 1) >= 2**31,
            **OPTIONS,
        }

    def colours(self, means: Tensor | None, spreads: Tensor | None = None) -> Colours:
        codes_step, params_step = step_of(self.codes, len(self.bits)), step_of(self.params, self.params.shape[1])
        return Colours(self.codes, codes_step, self.params, params_step, means, spreads)

    def sweep(self, colours: Colours, last: int, out: Tensor, *, sums: bool = False) -> None:
        """Runs the first `last` steps, into the output, or into sums of the luma over tiles."""
        sweep_kernel[(self.b * self.tiles,)](
            self.source, self.where, colours, out, *self.size, self.tiles_x, self.tiles,
            LAST=last, SUM=sums, num_warps=4, **self.static,
        )  # fmt: skip

    def means(self) -> Tensor | None:
        """Returns the mean luma (b, steps) before each contrast of each sample."""
        if not self.cuts:
            return None
        means, parts = self.per_step(), self.per_tile(1)
        for k in self.cuts:
            self.sweep(self.colours(means), k, parts, sums=True)
            torch.sum(parts[:, :, 0], 1, out=means[:, k])
        return means

    def spreads(self, grad: Tensor, means: Tensor | None) -> Tensor | None:
        """Returns the gradient (b, steps) by each of the means, over the number of pixels."""
        if not self.cuts:
            return None
        spreads, parts = self.per_step(), self.per_tile(1)
        for k in reversed(self.cuts):
            self.launch_adjoint(grad, self.colours(means, spreads), parts, None, None, None, None, stop=k)
            torch.sum(parts[:, :, 0], 1, out=spreads[:, k])
        return spreads

    def pull(
        self,
        grad: Tensor,
        colours: Colours,
        by_image: Tensor | None,
        by_inverse: Tensor | None,
        by_coordinates: Tensor | None,
        by_params: Tensor | None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Adds to the image's gradient, and returns those by the matrix, the coordinates and the parameters."""
        inverse_parts = None if by_inverse is None else self.per_tile(9, by_inverse.dtype)
        params_parts = None if by_params is None else self.per_tile(by_params.shape[1])
        own = by_coordinates
        if by_coordinates is not None and by_coordinates.shape[0] != self.b:
            own = by_coordinates.new_empty(self.b, *by_coordinates.shape[1:])
        self.launch_adjoint(grad, colours, None, by_image, inverse_parts, own, params_parts, stop=-1)
        if by_inverse is not None and inverse_parts is not None:
            by_inverse = summed(inverse_parts, by_inverse.shape[0] == 1).reshape(by_inverse.shape)
        if own is not None and own is not by_coordinates:
            by_coordinates = own.sum(0, keepdim=True)
        if by_params is not None and params_parts is not None:
            by_params = summed(params_parts, by_params.shape[0] == 1)
        return by_inverse, by_coordinates, by_params

    def launch_adjoint(
        self,
        grad: Tensor,
        colours: Colours,
        parts: Tensor | None,
        by_image: Tensor | None,
        by_inverse: Tensor | None,
        by_coordinates: Tensor | None,
        by_params: Tensor | None,
        *,
        stop: int,
    ) -> None:
        static = self.static | {"WIDE": self.static["WIDE"] or is_wide(grad)}
        width = 0 if by_params is None else by_params.shape[2]
        adjoint_kernel[(self.b * self.tiles,)](
            grad, *grad.stride(), self.source, self.where, colours, parts,
            by_image, by_inverse, by_coordinates, by_params, width, *self.size, self.tiles_x, self.tiles,
            STOP=stop, num_warps=8, **static,
        )  # fmt: skip

    def per_step(self) -> Tensor:
        return torch.zeros(self.b, len(self.bits), device=self.codes.device)

    def per_tile(self, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(self.b, self.tiles, width, dtype=dtype, device=self.codes.device)


@lru_cache(maxsize=64)
def _fills(rows: tuple[tuple[float, ...], ...], device: torch.device) -> Tensor:
    """Returns the fills (d + 1, c) on the device, sent there once."""
    return torch.tensor(rows, dtype=torch.float32, device=device)


@triton.jit
def sweep_kernel(
    source, where, colours, out, oh, ow, tiles_x, tiles,
    LAST: tl.constexpr, SUM: tl.constexpr, C: tl.constexpr, BITS: tl.constexpr, STARTS: tl.constexpr,
    N: tl.constexpr, BORDER: tl.constexpr, DOMAINS: tl.constexpr, UNIT: tl.constexpr, OUT_UNIT: tl.constexpr,
    WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr,
):  # fmt: skip
    """Makes a tile of the output, or (SUM) its share of the mean luma before step LAST, a contrast."""
    sample, tile, u, v, mask = place(tiles_x, tiles, oh, ow, WIDE, TILE_X, TILE_Y)
    INDEX: tl.constexpr = tl.int64 if WIDE else tl.int32
    codes = colours.codes + sample * colours.codes_step
    params = colours.params + sample * colours.params_step
    means = 0
    if colours.means is not None:
        means = colours.means + sample * len(BITS)
    if SUM:
        part = 0.0
        if tl.load(codes + LAST) == CONTRAST:
            x = fractions(sample_tile(source, where, sample, u, v, ow, mask, C, N, BORDER, DOMAINS, INDEX), UNIT, C)
            x = run(x, codes, params, means, u, v, BITS, STARTS, LAST, C)
            part = total(luma(x, C), mask) / (tl.cast(oh, tl.float32) * ow)
        tl.store(out + sample * tiles + tile, part)
    else:
        x = fractions(sample_tile(source, where, sample, u, v, ow, mask, C, N, BORDER, DOMAINS, INDEX), UNIT, C)
        x = run(x, codes, params, means, u, v, BITS, STARTS, LAST, C)
        plane = tl.cast(oh, tl.int64) * ow
        for c in tl.static_range(C):
            put(out + (sample * C + c) * plane + v * ow + u, x[c] * OUT_UNIT, mask)


@triton.jit
def adjoint_kernel(
    grad, grad_b, grad_c, grad_y, grad_x, source, where, colours, parts,
    by_image, by_inverse, by_coordinates, by_params, width, oh, ow, tiles_x, tiles,
    STOP: tl.constexpr, C: tl.constexpr, BITS: tl.constexpr, STARTS: tl.constexpr,
    N: tl.constexpr, BORDER: tl.constexpr, DOMAINS: tl.constexpr, UNIT: tl.constexpr, OUT_UNIT: tl.constexpr,
    WIDE: tl.constexpr, TILE_X: tl.constexpr, TILE_Y: tl.constexpr,
):  # fmt: skip
    """Takes a tile's gradient back to the image, the position and the parameters.

    With STOP at least 0 it goes back to that step alone, a contrast, and leaves the tile's share of the gradient by the
    mean that this reads.
    """
    sample, tile, u, v, mask = place(tiles_x, tiles, oh, ow, WIDE, TILE_X, TILE_Y)
    INDEX: tl.constexpr = tl.int64 if WIDE else tl.int32
    codes = colours.codes + sample * colours.codes_step
    params = colours.params + sample * colours.params_step
    means = 0
    spreads = 0
    if colours.means is not None:
        means = colours.means + sample * len(BITS)
        spreads = colours.spreads + sample * len(BITS)
    wanted = True
    if STOP >= 0:
        wanted = tl.load(codes + STOP) == CONTRAST
    if wanted:
        g = ()
        for c in tl.static_range(C):
            at = grad + sample * grad_b + c * grad_c + v * grad_y + u * grad_x
            g = g + (tl.load(at, mask, 0.0).to(tl.float32),)
        STEPS: tl.constexpr = len(BITS)
        if STEPS > 0:
            x = fractions(sample_tile(source, where, sample, u, v, ow, mask, C, N, BORDER, DOMAINS, INDEX), UNIT, C)
            kept = (x,)
            for i in tl.static_range(STEPS - 1):
                x = run_step(x, codes + i, params + STARTS[i], means + i, u, v, BITS[i], C)
                kept = kept + (x,)
            for i in tl.static_range(STEPS - 1, STOP, -1):
                dp = params
                if by_params is not None:
                    dp = by_params + (sample * tiles + tile) * width + STARTS[i]
                g = pull_step(kept[i], g, codes + i, params + STARTS[i], means + i, spreads + i, dp, u, v, mask,
                              BITS[i], by_params is not None, C)  # fmt: skip
            if STOP >= 0:
                part = contrast_spread(kept[STOP], g, params + STARTS[STOP], means + STOP, mask, C)
                tl.store(parts + sample * tiles + tile, part / (tl.cast(oh, tl.float32) * ow))
        if STOP < 0:
            if UNIT != 1.0:
                scaled = ()
                for c in tl.static_range(C):
                    scaled = scaled + (g[c] / UNIT,)
                g = scaled
            pull_position(g, source, where, by_image, by_inverse, by_coordinates, sample, tile, u, v, oh, ow, tiles,
                          mask, C, N, BORDER, DOMAINS, INDEX)  # fmt: skip


@triton.jit
def pull_position(
    g, source, where, by_image, by_inverse, by_coordinates, sample, tile, u, v, oh, ow, tiles, mask,
    C: tl.constexpr, N: tl.constexpr, BORDER: tl.constexpr, DOMAINS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Takes the gradient by the samples to the image, the matrix and the coordinates."""
    IMAGE: tl.constexpr = by_image is not None
    POSITION: tl.constexpr = by_inverse is not None or by_coordinates is not None
    plane = tl.cast(source.height, tl.int64) * source.width
    image = by_image
    if IMAGE:
        image = by_image + sample * C * plane
    if where.inverse is None and where.coordinates is None:
        if IMAGE:
            kept = mask & (lost_to(where, sample, mask | True, u, v, DOMAINS) < 0)
            for c in tl.static_range(C):
                tl.store(image + c * plane + v * ow + u, g[c], kept)
    elif IMAGE or POSITION:
        gx, gy, x, y, w = pull_sample(
            g, source, where, image, sample, u, v, ow, mask, IMAGE, POSITION, C, N, BORDER, DOMAINS, INDEX
        )
        if by_coordinates is not None:
            at = by_coordinates + sample * (2 * tl.cast(oh, tl.int64) * ow) + 2 * (v * ow + u)
            tl.store(at, gx, mask)
            tl.store(at + 1, gy, mask)
        if by_inverse is not None:
            # x and y are ratios, whose numerators and denominator are linear in the matrix.
            to = by_inverse + (sample * tiles + tile) * 9
            a = u.to(x.dtype)
            b = v.to(x.dtype)
            for row in tl.static_range(3):
                if row == 0:
                    by_row = divide(gx, w)
                elif row == 1:
                    by_row = divide(gy, w)
                else:
                    by_row = -divide(gx * x + gy * y, w)
                tl.store(to + 3 * row, total(by_row * a, mask))
                tl.store(to + 3 * row + 1, total(by_row * b, mask))
                tl.store(to + 3 * row + 2, total(by_row, mask))


@triton.jit
def fractions(x, UNIT: tl.constexpr, C: tl.constexpr):
    """Returns colours of the image's units as fractions."""
    if UNIT != 1.0:
        y = ()
        for c in tl.static_range(C):
            y = y + (tl.math.div_rn(x[c], UNIT),)
        x = y
    return x
