"""Heat maps of a ResNet, and the checks that say how far to trust them: all in one place.

`helpers.activation` draws the map, `helpers.localisation` compares it with known lesions,
`helpers.randomization` destroys the network to see whether the map notices, and
`helpers.occlusion` asks the same question from outside.
"""

from helpers.activation import class_activation, to_own_range
from helpers.localisation import centred_blob, heat_share, pointing_chance, pointing_game
from helpers.occlusion import occlude
from helpers.randomization import CASCADE, randomization_similarity

__all__ = [
    "CASCADE",
    "centred_blob",
    "class_activation",
    "heat_share",
    "occlude",
    "pointing_chance",
    "pointing_game",
    "randomization_similarity",
    "to_own_range",
]
