"""Films changed a little, anew each time, so that a network cannot learn one by heart."""

import math

import torch
from torch.nn import functional

TURN, ZOOM, SHIFT = math.radians(8), 0.1, 0.08  # at most; a shift of 1 is half the film's side
CONTRAST, BRIGHTNESS = 0.2, 0.2  # at most; brightness in standard deviations of normalised films
LIMITS = (TURN, ZOOM, SHIFT, SHIFT, CONTRAST, BRIGHTNESS)


def augment(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, shift, scale and re-expose each film a little; never mirror it, the heart is left.

    Parameters
    ----------
    batch
        Normalised films, float32 (n, 1, size, size).
    generator
        Source of chance.
    """
    return change(batch, draw_changes(len(batch), generator))


def draw_changes(n: int, generator: torch.Generator) -> torch.Tensor:
    """Draw how each of n films is changed: float32 (n, 6), uniform within ± ``LIMITS``.

    Apart from :func:`change`, so that processes which share a batch can all draw for the whole of
    it, and the films change alike however many processes there are.
    """
    unit = torch.rand(n, len(LIMITS), generator=generator) * 2 - 1
    return unit * torch.tensor(LIMITS)


def change(batch: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
    """Change normalised films, float32 (n, 1, size, size), on their device, as was drawn."""
    turn, zoom, right, down, contrast, brightness = changes.to(batch.device).unbind(dim=1)
    cosine, sine = torch.cos(turn) * (1 + zoom), torch.sin(turn) * (1 + zoom)
    rows = [cosine, -sine, right, sine, cosine, down]
    transform = torch.stack(rows, dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(transform, list(batch.shape), align_corners=False)
    moved = functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    return moved * (1 + contrast)[:, None, None, None] + brightness[:, None, None, None]
