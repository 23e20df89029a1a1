"""The contenders of benchmarks/training.py: the same pass over the same films, in several ways.

All train a ResNet18 on one grey channel, in batches of 32, on films turned, shifted, scaled and
re-exposed at random.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec

import pandas as pd
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from helpers.radiographs import MEAN, STANDARD_DEVIATION, Radiographs
from helpers.recipes import TrainingConfig
from helpers.stages import AllLayers, Task
from helpers.starts import resnet18
from helpers.training import one_pass

BATCH = 32
WORKERS = (0, 2)
FASTAI_MISSING = "" if find_spec("fastai") else "not installed; the first lines of the file say how"

Pass = Callable[[], float]


def contenders(films: pd.DataFrame, size: int) -> dict[str, Pass]:
    """Build all that are here; each is a function that returns the seconds of one pass."""
    radiographs = Radiographs(films, size)
    passes = {
        "the cache (this series)": ours(radiographs, size),
        "tensors in memory": ours(Resident(radiographs), size),
    }
    for workers in WORKERS:
        passes[f"files, PyTorch and Pillow, {workers} workers"] = pillow(films, size, workers)
        if not FASTAI_MISSING:
            passes[f"files, fastai, {workers} workers"] = fastai(films, size, workers)
    return passes


class Resident:
    """Films like Radiographs, but copied into one tensor beforehand: no disk can be faster."""

    def __init__(self, films: Radiographs) -> None:
        self.died, self._films = films.died, torch.tensor(films.images)

    def __len__(self) -> int:
        return len(self._films)

    def batch(self, indices: torch.Tensor) -> torch.Tensor:
        """Return films by their place."""
        return self._films[indices]


def ours(films, size: int) -> Pass:
    """Pass over films as `fit` does."""
    config = TrainingConfig(size=size, epochs=1000, batch_size=BATCH)
    fabric = Fabric(accelerator="cpu", devices=1)
    network = resnet18(1)
    task = Task(network, films, films, config, fabric)
    stage, generator = AllLayers(task), torch.Generator().manual_seed(0)
    module, optimizer = fabric.setup(stage.module, stage.optimizer)

    def run() -> float:
        start = time.perf_counter()
        for _ in one_pass(stage, task, module, optimizer, generator):
            pass
        return time.perf_counter() - start

    return run


class Files(Dataset):
    """A picture file at a time, as tutorials have it."""

    def __init__(self, films: pd.DataFrame, size: int) -> None:
        self._paths = films["image_path"].tolist()
        self._died = films["died"].astype(float).tolist()
        self._change = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomAffine(8, translate=(0.04, 0.04), scale=(0.9, 1.1)),
                transforms.ColorJitter(brightness=0.2, contrast=0.2),
                transforms.ToTensor(),
                transforms.Normalize([MEAN], [STANDARD_DEVIATION]),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, float]:
        with Image.open(self._paths[place]) as picture:
            return self._change(picture.convert("L")), self._died[place]


def pillow(films: pd.DataFrame, size: int, workers: int) -> Pass:
    """Pass over files in a plain PyTorch loop."""
    loader = DataLoader(
        Files(films, size),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(0),
    )
    network = resnet18(1).to(memory_format=torch.contiguous_format).train()  # PyTorch's default
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def run() -> float:
        start = time.perf_counter()
        for batch, died in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(batch)[:, 0], died.float()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return time.perf_counter() - start

    return run


def fastai(films: pd.DataFrame, size: int, workers: int) -> Pass:
    """Pass over files with fastai's vision_learner; its validation is not counted."""
    from fastai.callback.core import Callback
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.transforms import ColReader, IndexSplitter
    from fastai.vision.augment import Resize, aug_transforms
    from fastai.vision.core import PILImageBW
    from fastai.vision.data import ImageBlock
    from fastai.vision.learner import vision_learner
    from torchvision.models import resnet18 as architecture

    class Clock(Callback):
        def before_train(self):
            self.start = time.perf_counter()

        def after_train(self):
            self.seconds = time.perf_counter() - self.start

    # fastai wants validation films: the first ones once more.
    again = pd.concat([films, films.head(BATCH)], ignore_index=True)
    block = DataBlock(
        blocks=(ImageBlock(PILImageBW), CategoryBlock),
        get_x=ColReader("image_path"),
        get_y=ColReader("died"),
        splitter=IndexSplitter(range(len(films), len(again))),
        item_tfms=Resize(size),
        batch_tfms=aug_transforms(do_flip=False, max_rotate=8, max_warp=0, max_lighting=0.2),
    )
    loaders = block.dataloaders(again, bs=BATCH, num_workers=workers, device="cpu")
    clock = Clock()
    learner = vision_learner(
        loaders, architecture, pretrained=False, normalize=False, n_in=1, cbs=clock
    )

    def run() -> float:
        with learner.no_logging():
            learner.fit(1, 1e-3)
        return clock.seconds

    return run
