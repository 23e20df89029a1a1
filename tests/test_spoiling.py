import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from phantoms.ranges import CHANCES
from phantoms.spoiling import _CHANGES, spoil


def body(seed: int = 0, shape: tuple[int, int] = (120, 96)) -> np.ndarray:
    """Smooth greys between 0.2 and 0.8 with a black border on the left."""
    rng = np.random.default_rng(seed)
    picture = gaussian_filter(rng.standard_normal(shape), 6)
    picture = 0.2 + 0.6 * (picture - picture.min()) / np.ptp(picture)
    picture[:, :12] = 0
    return picture.astype(np.float32)


@pytest.mark.parametrize("name", _CHANGES)
def test_each_change_keeps_shape_and_range_and_leaves_the_film_as_it_was(name):
    film = body()
    kept = film.copy()
    changed = [_CHANGES[name](film, np.random.default_rng(seed)) for seed in range(5)]
    for one in changed:
        assert one.shape == film.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
    assert any(not np.array_equal(one, film) for one in changed)  # marks may be none
    np.testing.assert_array_equal(film, kept)


def test_every_change_has_a_chance():
    assert set(_CHANGES) <= set(CHANCES)
    assert all(0 < CHANCES[name] < 1 for name in _CHANGES)


def test_spoiled_films_stay_between_black_and_white():
    spoiled = np.stack([spoil(body(), np.random.default_rng(seed)) for seed in range(40)])
    assert spoiled.min() >= 0
    assert spoiled.max() <= 1


def test_a_bent_curve_keeps_the_order_of_greys():
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (4, 1))
    for seed in range(10):
        bent = _CHANGES["bend"](ramp, np.random.default_rng(seed))
        assert (np.diff(bent, axis=1) >= -1e-6).all()
        assert bent[0, 0] < 0.2
        assert bent[0, -1] > 0.8


def test_evening_out_takes_broad_contrast_and_leaves_edges():
    film = np.tile(np.linspace(0.3, 0.7, 128, dtype=np.float32), (128, 1))
    film[60:64] += 0.1
    for seed in range(5):
        even = _CHANGES["even out"](film, np.random.default_rng(seed))
        assert np.ptp(even[30, 20:-20]) < 0.9 * np.ptp(film[30, 20:-20])
        edge = (even[61] - even[40])[20:-20]
        np.testing.assert_allclose(edge, 0.1, atol=0.03)


def test_a_veil_is_broad_and_black_stays_black():
    film = body()
    for seed in range(5):
        added = _CHANGES["veil"](film, np.random.default_rng(seed)) - film
        assert not added[:, :12].any()
        inside = added[:, 14:]
        assert np.abs(np.diff(inside, axis=0)).max() < 0.25 * np.ptp(inside)


def test_a_random_filter_leaves_what_is_even():
    film = np.full((40, 40), 0.4, np.float32)
    film[:, 20:] = 0.6
    for seed in range(5):
        changed = _CHANGES["filter"](film, np.random.default_rng(seed))
        np.testing.assert_allclose(changed[:, :18], 0.4, atol=1e-5)
        np.testing.assert_allclose(changed[:, 23:], 0.6, atol=1e-5)
