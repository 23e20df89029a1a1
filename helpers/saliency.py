"""Heat maps of a ResNet, and the checks that say how far to trust them: all in one place.

`helpers.activation` draws the map and `helpers.fine_grid` a finer one; `helpers.localisation` and
`helpers.heat_scores` compare them with known lesions; `helpers.randomization` destroys the network
or the labels to see whether the map notices; `helpers.deletion` asks the network from outside;
`helpers.repeatability` compares networks that differ in the seed alone.
"""

from helpers.activation import class_activation, to_own_range
from helpers.deletion import area_under, deletion_curve
from helpers.fine_grid import fine_activation
from helpers.heat_scores import in_words, leads, score_intervals, score_maps, table_of
from helpers.localisation import (
    centred_blob,
    heat_share,
    hottest_pixel,
    pointing_chance,
    pointing_game,
)
from helpers.randomization import (
    CASCADE,
    map_similarity,
    randomization_similarity,
    shuffle_labels,
)
from helpers.repeatability import pairwise_agreement

__all__ = [
    "CASCADE",
    "area_under",
    "centred_blob",
    "class_activation",
    "deletion_curve",
    "fine_activation",
    "heat_share",
    "hottest_pixel",
    "in_words",
    "leads",
    "map_similarity",
    "pairwise_agreement",
    "pointing_chance",
    "pointing_game",
    "randomization_similarity",
    "score_intervals",
    "score_maps",
    "shuffle_labels",
    "table_of",
    "to_own_range",
]
