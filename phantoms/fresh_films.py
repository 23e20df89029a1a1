"""Batches of fresh phantoms with their dense targets, drawn by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from helpers.pixels import UnreadableRadiograph, preprocess

from .film import render
from .places import place_targets
from .randomisation import disturb, draw_look, draw_patient
from .targets import dense_targets

TRAINING, UNSEEN = 0, 1  # streams of films: those learned from, and those judged by

# From the side in px and a seed to a film, what is to be read off it, and where.
Draw = Callable[[int, Sequence[int]], tuple[np.ndarray, np.ndarray, np.ndarray]]


class Batch(NamedTuple):
    """Films and what is to be read off them.

    ``films`` is uint8 (n, size, size), ``truths`` float32 (n, targets) as
    :func:`phantoms.targets.dense_targets` measures them, ``places`` float32 (n, shares, h, w) as
    :func:`phantoms.places.place_targets` does.
    """

    films: torch.Tensor
    truths: torch.Tensor
    places: torch.Tensor


class FreshFilms(Dataset):
    """Batches of phantoms by their number; the same ones for equal arguments.

    Parameters
    ----------
    size
        Side of the films in px.
    batch
        Films in a batch.
    seed
        Of all films.
    stream
        ``TRAINING`` or ``UNSEEN``.
    draw
        What draws a film: :func:`draw_film`, unless an experiment wants other ones.
    """

    def __init__(
        self, size: int, batch: int, seed: int, stream: int, draw: Draw | None = None
    ) -> None:
        self.size, self.batch, self.seed, self.stream = size, batch, seed, stream
        self.draw = draw or draw_film

    def __getitem__(self, number: int) -> Batch:
        """Draw a batch."""
        cv2.setNumThreads(1)  # a worker process keeps to one core
        first = number * self.batch
        drawn = [
            self.draw(self.size, [self.seed, self.stream, film])
            for film in range(first, first + self.batch)
        ]
        return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True)))

    def load(self, first: int, last: int, workers: int) -> DataLoader:
        """Yield batches `first` to `last` - 1 in order, drawn by `workers` processes (0: here).

        A worker's error is raised here; so is the death of a worker. Workers are started afresh: a
        copy of a process in which OpenCV has drawn or read films waits for its threads for ever.
        """
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            multiprocessing_context="spawn" if workers else None,
        )


def draw_film(size: int, seed: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one film and what is to be read off it: each as in :class:`Batch`, for one film."""
    rng = np.random.default_rng(seed)
    while True:
        patient = draw_patient(rng)
        film = disturb(render(patient, size=size, look=draw_look(patient, rng)), rng)
        try:
            square = preprocess(film.pixels, size)
        except UnreadableRadiograph:  # disturbed until nothing is left on it: draw another
            continue
        return square, dense_targets(film, patient), place_targets(film, size)
