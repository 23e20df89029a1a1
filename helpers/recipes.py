"""How a network is trained: all settings in one place, and two ways that the series compares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    size
        Side of the films in px.
    head_epochs
        Passes in which only the last layer learns, on features computed once.
    epochs
        Passes in which all layers learn, at most.
    batch_size
        Films a step.
    head_rate, rate
        Learning rates: the head's, and the peak of the one-cycle schedule for all layers.
    weight_decay
        Of AdamW.
    patience
        Epochs without a lower validation loss after which training stops.
    class_weights
        Weigh deaths by survivors / deaths of the training films (``pos_weight``).
    freeze_statistics
        Keep the batch-norm statistics of the start while fine-tuning.
    seed
        Of the order of films and of the augmentation.
    """

    size: int = 128
    head_epochs: int = 0
    epochs: int = 10
    batch_size: int = 32
    head_rate: float = 2e-3
    rate: float = 1e-3
    weight_decay: float = 1e-2
    patience: int = 4
    class_weights: bool = True
    freeze_statistics: bool = False
    seed: int = 0


CAREFUL = TrainingConfig(
    head_epochs=40, head_rate=3e-4, epochs=3, rate=1e-4, freeze_statistics=True
)
"""From weights that know something: the head on features computed once, then all layers at a low
rate, while every batch norm keeps the statistics of the start."""

CARELESS = TrainingConfig(epochs=8, rate=1e-3)
"""From random weights there is no other way, and nothing to lose: one high rate for all layers, and
batch norms that follow the films of the day. From better weights it destroys what they know."""
