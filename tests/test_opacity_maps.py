"""The map of the opaque share says where phantoms are opaque, in shares of the place."""

import numpy as np
import pytest
import torch

from helpers.activation import class_activation
from helpers.opacity_maps import opacity_maps
from helpers.radiographs import normalise, preprocess, preprocess_mask
from helpers.saliency import pointing_chance, pointing_game
from helpers.severity import COLUMNS, SeverityModel
from phantoms.film import render
from phantoms.fresh_films import draw_film
from phantoms.places import PLACED
from phantoms.randomisation import draw_look, draw_patient


@pytest.fixture(scope="module")
def drawn():
    # Many, because the network misreads about one in fifty grossly.
    return [draw_film(128, [77, number]) for number in range(64)]


@pytest.fixture(scope="module")
def severity() -> SeverityModel:
    return SeverityModel.load()


def test_shares_of_places_are_those_of_the_phantoms(drawn, severity):
    images = normalise(torch.from_numpy(np.stack([film for film, *_ in drawn])))
    maps = opacity_maps(severity, images, halvings=0)
    assert maps.shape == (64, 128, 128) and maps.min() >= 0
    # A place's share of opaque lung over the visible lungs' share of the film, times the latter.
    places = {name: np.stack([place[k] for *_, place in drawn]) for k, name in enumerate(PLACED)}
    truth = places["opaque_share"] * places["lung_area"].mean(axis=(1, 2), keepdims=True)
    known = np.isfinite(truth).all(axis=(1, 2))
    middles = (maps[:, 15::32, 15::32] + maps[:, 16::32, 16::32]).numpy() / 2
    assert np.corrcoef(middles[known].ravel(), truth[known].ravel())[0, 1] > 0.9
    assert np.abs(middles[known] - truth[known]).mean() < 0.03


def test_the_own_grid_has_the_mean_that_the_network_puts_out(drawn, severity):
    images = normalise(torch.from_numpy(np.stack([film for film, *_ in drawn[:4]])))
    with torch.inference_mode():
        outputs = severity.network(images)
    target_of = {"opaque_share": (0.33, 0.31), "lung_area": (0.22, 0.08)}
    share, area = (
        target_of[name][0] + target_of[name][1] * outputs[:, COLUMNS.index(name)]
        for name in ("opaque_share", "lung_area")
    )
    _, grid = class_activation(
        severity.network, images, output=COLUMNS.index("opaque_share"), relu=False, upsample=False
    )
    constant = severity.network.fc.bias[COLUMNS.index("opaque_share")].detach()
    by_hand = (0.33 + 0.31 * (grid + constant)) * area[:, None, None]
    torch.testing.assert_close(by_hand.mean((1, 2)), share * area, atol=1e-4, rtol=1e-3)
    maps = opacity_maps(severity, images, halvings=None)
    upsampled = torch.nn.functional.interpolate(by_hand[:, None], size=128, mode="bilinear")[:, 0]
    torch.testing.assert_close(maps, upsampled.clamp(min=0), atol=1e-5, rtol=1e-4)


def test_the_finer_map_points_at_opacity_on_films_drawn_anew(severity):
    films, masks = [], []
    for seed in range(30):
        rng = np.random.default_rng([5, seed])
        patient = draw_patient(rng)
        film = render(patient, size=128, look=draw_look(patient, rng))
        lesions = preprocess_mask(film.lesions & film.lungs, 128)
        if lesions.any():
            films.append(preprocess(film.pixels, 128))
            masks.append(lesions)
    maps = opacity_maps(severity, normalise(torch.from_numpy(np.stack(films)))).numpy()
    hits = pointing_game(maps, np.stack(masks), tolerance=4)
    assert hits.mean() > pointing_chance(np.stack(masks), tolerance=4).mean() + 0.3
