"""What :mod:`nuke_reage.training.augment` does to one pair, done to a batch of pairs where the network is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from nuke_reage.training.augment import Change

__all__ = ["augment_batch"]

_BLOCK_PX = 8
_BLUR_RADIUS_PX = 4
# Quantisation tables of the JPEG standard, annex K, for quality 50.
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(32 * (99,)),
)  # fmt: skip
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def augment_batch(
    source: Tensor, target: Tensor, weight: Tensor, crop_px: int, changes: Sequence[Change], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Change the pictures of each pair alike and cut out squares.

    Pictures that shrink much are not blurred first, as those of single pairs are: bring them to the canvas before.

    Args:
        source: (N, 3, S, S) float32 encoded, 0..1.
        target: the same size.
        weight: (S, S), moved with them.
        crop_px: side of what is cut out, a multiple of 16.
        changes: what to do to each of the N.
        generator: of the grain, on the pictures' device.

    Returns:
        Source and target (N, 3, crop_px, crop_px) in 0..1, and the weight (N, 1, crop_px, crop_px).
    """
    count = len(changes)
    device = source.device
    grid = _grid(changes, source.shape[-1], crop_px).to(device)
    both = torch.cat([source, target])
    moved = F.grid_sample(both, torch.cat([grid, grid]), mode="bicubic", padding_mode="border", align_corners=False)
    moved = _coloured(moved, [*changes, *changes])
    weight = F.grid_sample(
        weight.expand(count, 1, -1, -1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    moved = _blurred(moved, [*changes, *changes])
    source, target = moved[:count], moved[count:]
    if any(one.grain > 0 for one in changes):
        grain = _column([one.grain for one in changes], device)
        noise = torch.randn(source.shape, generator=generator, device=device) * grain
        source, target = source + noise, target + noise
    source, target = source.clamp(0.0, 1.0), target.clamp(0.0, 1.0)
    compressed = _compressed(source, changes)
    return compressed, (target + (compressed - source)).clamp(0.0, 1.0), weight


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    """(N, 1, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).to(device, non_blocking=True)


def _grid(changes: Sequence[Change], side_px: int, crop_px: int) -> Tensor:
    """(N, crop, crop, 2) places in the picture, -1..1 from edge to edge, of the pixels of the squares."""
    matrices = np.stack([np.vstack([one.matrix, (0.0, 0.0, 1.0)]) for one in changes])
    back = np.linalg.inv(matrices)[:, :2]
    x = np.arange(crop_px, dtype=np.float64)
    across = np.stack([x[::-1] if one.flip else x for one in changes])
    places = (
        across[:, None, :, None] * back[:, None, None, :, 0]
        + x[None, :, None, None] * back[:, None, None, :, 1]
        + back[:, None, None, :, 2]
    )
    return torch.from_numpy(((places + 0.5) * (2.0 / side_px) - 1.0).astype(np.float32))


def _coloured(rgb: Tensor, changes: Sequence[Change]) -> Tensor:
    device = rgb.device
    gain = torch.tensor([one.gain for one in changes], dtype=torch.float32).to(device, non_blocking=True)
    power = _column([one.power for one in changes], device)
    rgb = rgb.clamp(0.0, 1.0) ** power * gain[..., None, None]
    grey = rgb.mean(dim=1, keepdim=True)
    return grey + (rgb - grey) * _column([one.saturation for one in changes], device)


def _blurred(rgb: Tensor, changes: Sequence[Change]) -> Tensor:
    chosen = [index for index, one in enumerate(changes) if one.blur_px > 0]
    if not chosen:
        return rgb
    x = torch.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1, dtype=torch.float32)
    sigma = torch.tensor([changes[index].blur_px for index in chosen])
    kernel = torch.softmax(-0.5 * (x / sigma[:, None]) ** 2, dim=1).repeat_interleave(3, dim=0).to(rgb.device)
    radius = _BLUR_RADIUS_PX
    flat = rgb[chosen].reshape(1, -1, *rgb.shape[-2:])
    flat = F.pad(flat, 4 * (radius,), mode="reflect")
    for shape in ((1, -1), (-1, 1)):
        flat = F.conv2d(flat, kernel.view(len(kernel), 1, *(radius * 2 + 1 if one < 0 else 1 for one in shape)),
                        groups=len(kernel))  # fmt: skip
    result = rgb.clone()
    result[chosen] = flat.view(-1, *rgb.shape[1:])
    return result


def _compressed(rgb: Tensor, changes: Sequence[Change]) -> Tensor:
    """Through what JPEG loses: colour at half resolution, and quantised blocks."""
    chosen = [index for index, one in enumerate(changes) if one.jpeg_quality is not None]
    if not chosen:
        return rgb
    quality = torch.tensor([float(changes[index].jpeg_quality or 0) for index in chosen])
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor([_LUMA, _CHROMA], dtype=torch.float32).view(1, 2, _BLOCK_PX, _BLOCK_PX)
    steps = (table * scale.view(-1, 1, 1, 1)).round().clamp(1, 255).to(rgb.device)
    matrix = torch.tensor(_TO_YCC, device=rgb.device)
    ycc = torch.einsum("ij,njhw->nihw", matrix, rgb[chosen] * 255.0) - torch.tensor((128.0, 0, 0)).to(rgb).view(3, 1, 1)
    luma = _quantised(ycc[:, :1], steps[:, :1])
    chroma = _quantised(F.avg_pool2d(ycc[:, 1:], 2), steps[:, 1:])
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    ycc = torch.cat([luma + 128.0, chroma], dim=1)
    decoded = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), ycc) / 255.0
    result = rgb.clone()
    result[chosen] = decoded.clamp(0.0, 1.0)
    return result


def _quantised(plane: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) with the cosine coefficients of its blocks rounded to the steps (N, 1, 8, 8)."""
    n, c, height, width = plane.shape
    k = torch.arange(_BLOCK_PX, device=plane.device, dtype=torch.float32)
    cosines = torch.cos(math.pi / _BLOCK_PX * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / _BLOCK_PX)
    cosines[0] /= math.sqrt(2.0)
    blocks = plane.view(n, c, height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX).transpose(3, 4)
    steps = steps[:, :, None, None]
    rounded = (cosines @ blocks @ cosines.T / steps).round() * steps
    return (cosines.T @ rounded @ cosines).transpose(3, 4).reshape(plane.shape)
