"""Films changed a little, anew each time, so that a network cannot learn one by heart."""

import math

import torch
from torch.nn import functional


def augment(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shift, scale and re-expose each film a little; never mirror it, the heart is left.

    Parameters
    ----------
    batch
        Normalised films, float32 (n, 1, size, size).
    generator
        Source of chance.
    """
    n = len(batch)

    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(8)), 1 + uniform(0.1)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [cosine, -sine, uniform(0.08), sine, cosine, uniform(0.08)]
    transform = torch.stack(rows, dim=1).reshape(n, 2, 3)
    grid = functional.affine_grid(transform, list(batch.shape), align_corners=False)
    moved = functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    contrast, brightness = 1 + uniform(0.2), uniform(0.2)
    return moved * contrast[:, None, None, None] + brightness[:, None, None, None]
