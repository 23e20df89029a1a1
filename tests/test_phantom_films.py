from dataclasses import replace

import numpy as np
import pytest
from phantom_patient import PATIENT

from phantoms.anatomy import Scene, frontal
from phantoms.body import draw_body, pose_body
from phantoms.bones import rib_lines
from phantoms.devices import add_devices
from phantoms.film import Film, place_film, render, render_abdomen, render_ct
from phantoms.grid import Frame
from phantoms.lateral import lateral
from phantoms.lesions import Opacity, add_lesions, lung_shares
from phantoms.looks import choose_look
from phantoms.tomography import LUNG_WINDOW, axial_slice, coronal_slice, windowed

DEVICES = ("endotracheal tube", "central line", "nasogastric tube", "ecg leads")


def film(size: int = 160, **changes) -> Film:
    return render(replace(PATIENT, **changes), size=size)


def equal(a: Film, b: Film) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def opaque_share(result: Film) -> float:
    return float(result.lesions.sum() / result.lungs.sum())


def test_equal_arguments_give_equal_films():
    devices = frozenset(DEVICES)
    assert equal(film(devices=devices, site="ieee8023"), film(devices=devices, site="ieee8023"))


@pytest.mark.parametrize("view", ["PA", "AP", "AP supine", "lateral"])
@pytest.mark.parametrize("site", ["ieee8023", "sbu", "hannover"])
@pytest.mark.parametrize("size", [32, 157, 320, 400])
def test_shapes_types_and_ranges(view, site, size):
    result = film(size, view=view, site=site, devices=frozenset(DEVICES))
    assert max(result.pixels.shape) == size
    assert result.pixels.dtype == np.float32
    assert result.pixels.min() >= 0
    assert result.pixels.max() <= 1
    assert np.ptp(result.pixels) > 0.5
    for mask in (result.lungs, result.lesions, result.devices):
        assert mask.dtype == bool
        assert mask.shape == result.pixels.shape
    assert 0.08 < result.lungs.mean() < 0.45
    assert not (result.lesions & ~result.lungs).any()


def test_film_sizes_show_the_same_patient():
    small, large = film(160), film(320)
    rows, columns = small.lungs.shape
    thinned = large.lungs[: 2 * rows : 2, : 2 * columns : 2]
    agreement = (thinned[: rows - 1] & small.lungs[: rows - 1]).sum() / small.lungs.sum()
    assert agreement > 0.97


@pytest.mark.parametrize("size", [128, 320])
@pytest.mark.parametrize("opacity", [0.02, 0.15, 0.4, 0.7, 0.9])
@pytest.mark.parametrize("laterality", [0.1, 0.5, 0.9])
def test_lesion_mask_has_the_target_share_of_the_lungs(size, opacity, laterality):
    for number, (view, site) in enumerate(
        [("PA", "ieee8023"), ("AP", "sbu"), ("AP supine", "hannover"), ("lateral", "ieee8023")]
    ):
        result = film(
            size,
            opacity=opacity,
            laterality=laterality,
            view=view,
            site=site,
            anatomy_seed=number,
            film_seed=100 + number,
        )
        assert opaque_share(result) == pytest.approx(opacity, abs=0.03)


def test_no_burden_no_lesion():
    for view in ("PA", "AP", "AP supine", "lateral"):
        assert not film(view=view, opacity=0.0).lesions.any()
        assert film(view=view, opacity=1e-5).lesions.sum() < 3


def test_laterality_moves_the_burden_to_the_patients_left_on_the_right_of_the_picture():
    def share_on_the_right_of_the_picture(laterality: float) -> float:
        columns = film(opacity=0.2, laterality=laterality).lesions.sum(axis=0)
        return columns[len(columns) // 2 :].sum() / columns.sum()

    assert share_on_the_right_of_the_picture(0.05) < 0.15
    assert 0.4 < share_on_the_right_of_the_picture(0.5) < 0.6
    assert share_on_the_right_of_the_picture(0.95) > 0.85


def test_lesions_favour_bases_and_periphery():
    lower, outer = [], []
    for seed in range(12):
        result = film(96, opacity=0.25, anatomy_seed=seed, film_seed=seed)
        rows = np.flatnonzero(result.lungs.any(axis=1))
        middle = (rows[0] + rows[-1]) // 2
        below = result.lesions[middle:].sum() / result.lungs[middle:].sum()
        lower.append(below / max(result.lesions[:middle].sum() / result.lungs[:middle].sum(), 1e-3))
        distance = np.abs(np.arange(result.lungs.shape[1]) - result.lungs.shape[1] / 2)
        distance = np.broadcast_to(distance, result.lungs.shape)
        outer.append(distance[result.lesions].mean() / distance[result.lungs].mean())
    assert np.median(lower) > 1.5
    assert np.median(outer) > 1.05


def disease(**changes) -> tuple[Scene, Opacity]:
    """Lungs and opacities of a patient on a square film of 360 mm."""
    patient = replace(PATIENT, **changes)
    frame = Frame((0.0, 120.0), 360.0, 360.0, 0.0, (180, 180))
    scene = frontal(patient, frame)
    return scene, add_lesions(patient, scene, frame)


@pytest.mark.parametrize("density", [0.05, 0.4, 0.9])
def test_density_is_known_at_every_point_of_the_mask(density):
    for seed in range(6):
        _, opacity = disease(density=density, anatomy_seed=seed)
        assert opacity.density.dtype == np.float32
        assert not opacity.density[~opacity.mask].any()
        assert opacity.density[opacity.mask].mean() == pytest.approx(density, abs=0.05)


def test_an_opacity_replaces_air_and_no_more_than_there_is():
    for seed in range(12):
        scene, opacity = disease(opacity=0.8, density=1.0, anatomy_seed=seed)
        assert opacity.attenuation.min() >= 0
        assert (opacity.attenuation <= 0.75 * scene.air + 0.01).all()


def test_ground_glass_spares_the_vessels_that_consolidation_hides():
    hidden = [opacity.hiding[opacity.mask].mean() for _, opacity in map(at_density, (0.0, 1.0))]
    assert hidden[0] < 0.2
    assert hidden[1] > 0.75


def at_density(density: float) -> tuple[Scene, Opacity]:
    return disease(density=density, opacity=0.6)


def test_dense_opacities_take_away_the_outline_of_the_diaphragm():
    def step_at_the_diaphragm(length: np.ndarray, lungs: np.ndarray) -> float:
        columns = np.flatnonzero(lungs[100:].any(axis=0))
        rows = len(lungs) - 1 - lungs[::-1, columns].argmax(axis=0)
        return float(np.median(length[rows + 3, columns] - length[rows - 3, columns]))

    steps = []
    for density in (0.0, 1.0):
        scene, opacity = disease(opacity=0.8, density=density, anatomy_seed=2)
        clear = step_at_the_diaphragm(scene.attenuation, scene.lungs)
        steps.append(
            step_at_the_diaphragm(scene.attenuation + opacity.attenuation, scene.lungs) / clear
        )
    assert steps[0] > 0.5  # seen through ground glass
    assert steps[1] < 0.4


def test_margins_are_ill_defined():
    for seed in range(6):
        scene, opacity = disease(density=0.5, anatomy_seed=seed)
        filled = opacity.attenuation / np.maximum(scene.air, 40)
        lung = scene.lungs & (scene.air > 60) & ~opacity.effusion
        inside = lung & np.roll(lung, 5, axis=1)
        across = np.abs(filled - np.roll(filled, 5, axis=1))[inside]  # over 10 mm
        assert np.percentile(across, 99.5) < 0.45 * filled[inside].max()


def test_a_patient_keeps_the_pattern_on_the_next_film():
    def agreement(a: np.ndarray, b: np.ndarray) -> float:
        return float((a & b).sum() / (a | b).sum())

    same, other = [], []
    for seed in range(8):
        first = disease(anatomy_seed=seed)[1].mask
        same.append(agreement(first, disease(anatomy_seed=seed, film_seed=99)[1].mask))
        other.append(agreement(first, disease(anatomy_seed=seed + 50)[1].mask))
    assert min(same) > 0.6
    assert np.median(same) > np.median(other) + 0.3


def test_effusions_come_with_dense_disease_and_are_not_in_the_mask():
    def count(density: float) -> int:
        return sum(disease(density=density, anatomy_seed=s)[1].effusion.any() for s in range(60))

    assert count(0.0) < count(0.9) < 50
    seed = next(s for s in range(60) if disease(density=0.9, anatomy_seed=s)[1].effusion.any())
    scene, opacity = disease(density=0.9, anatomy_seed=seed)
    assert opacity.mask.sum() == pytest.approx(0.3 * scene.lungs.sum(), rel=0.02)
    rows = np.flatnonzero(opacity.effusion.any(axis=1))
    lung_rows = np.flatnonzero(scene.lungs.any(axis=1))
    assert rows.mean() > lung_rows[int(0.8 * len(lung_rows))]  # fluid follows gravity


def test_what_does_not_fit_into_one_lung_spills_over():
    right, left = lung_shares(0.6, 1.0, (100, 100))
    assert left == pytest.approx(0.97)
    assert right == pytest.approx(0.23)
    assert lung_shares(0.3, 0.5, (100, 200)) == pytest.approx((0.45, 0.225))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("view", ["PA", "AP", "AP supine", "lateral"])
@pytest.mark.parametrize("size", [96, 320])
def test_a_device_is_on_the_film_exactly_when_the_patient_has_it(device, view, size):
    # Patient 8 carries no hardware besides.
    bare = film(size, view=view, opacity=0.0, anatomy_seed=8)
    fitted = film(size, view=view, opacity=0.0, anatomy_seed=8, devices=frozenset({device}))
    assert not bare.devices.any()
    assert 0 < fitted.devices.mean() < 0.1
    brighter = fitted.pixels - bare.pixels
    assert brighter[fitted.devices].mean() > 0.02 + brighter[~fitted.devices].mean()


def drawn_devices(*, rate: float = 0.0, **changes) -> tuple[np.ndarray, np.ndarray]:
    """Attenuation and mask on a grid of 2 mm whose middle column is the midline."""
    patient = replace(PATIENT, **changes)
    body = draw_body(patient)
    frame = Frame((0.0, 125.0), 400.0, 340.0, 0.0, (170, 200))
    return add_devices(patient, body, pose_body(patient, body), frame, incidental_rate=rate)


def height_on_drawn_film(y: float) -> float:
    """Row of a height in the body (mm) on the grid of `drawn_devices`."""
    return (y - 125 + 170) / 2


def test_tubes_end_where_they_belong():
    for seed in range(20):
        changes = {"anatomy_seed": seed, "film_seed": seed, "view": "AP supine"}
        patient = replace(PATIENT, **changes)
        body = draw_body(patient)
        ends = {}
        for device in ("endotracheal tube", "central line", "nasogastric tube"):
            mask = drawn_devices(devices=frozenset({device}), **changes)[1]
            ends[device] = int(np.flatnonzero(mask.any(axis=1))[-1])
            if device == "endotracheal tube":
                columns = np.flatnonzero(mask[ends[device]])
                assert np.abs(columns - 100).max() < 12  # in the trachea, near the midline
        carina = height_on_drawn_film(0.33 * body.height)
        assert ends["endotracheal tube"] < carina + 1
        dome = pose_body(patient, body).dome[1]
        assert ends["nasogastric tube"] > height_on_drawn_film(dome + 25)
    assert not drawn_devices()[1].any()


def test_hardware_is_rare_and_knows_nothing_of_the_disease():
    carried = [
        drawn_devices(rate=1.0, anatomy_seed=seed, film_seed=seed)[1].any() for seed in range(300)
    ]
    assert 0.12 < np.mean(carried) < 0.35
    for seed in range(20):
        ill, well = (
            drawn_devices(rate=4.0, anatomy_seed=seed, opacity=share, density=share, portable=ill)[
                0
            ]
            for share, ill in ((0.9, True), (0.0, False))
        )
        assert np.array_equal(ill, well)


def test_implants_stay_and_metal_outshines_plastic():
    first, second = (drawn_devices(rate=30.0, film_seed=seed, anatomy_seed=3) for seed in (1, 2))
    metal = (first[0] > 100) & (second[0] > 100)
    assert metal.sum() > 100  # the generator of the pacemaker
    assert (first[1] & second[1]).sum() > 0.4 * first[1].sum()
    plastic = drawn_devices(devices=frozenset({"endotracheal tube"}))[0]
    assert 5 < plastic.max() < 70


def test_a_larger_ratio_shows_a_larger_heart():
    def width_of_the_heart(ratio: float, view: str = "PA") -> float:
        lungs = film(256, heart=ratio, view=view, opacity=0.0).lungs
        row = lungs[int(0.62 * len(lungs))]
        columns = np.flatnonzero(row)
        return float((~row[columns[0] : columns[-1]]).sum() / (columns[-1] - columns[0]))

    small, medium, large = (width_of_the_heart(ratio) for ratio in (0.42, 0.5, 0.6))
    assert small < medium < large
    assert large > small + 0.1
    assert width_of_the_heart(0.5, "AP supine") > medium


@pytest.mark.parametrize("site", ["ieee8023", "sbu", "hannover"])
@pytest.mark.parametrize("view", ["PA", "AP", "AP supine"])
def test_lungs_are_darker_than_the_mediastinum(site, view):
    for seed in range(4):
        result = film(
            128,
            site=site,
            view=view,
            opacity=0.0,
            habitus=seed - 1.5,
            sex="FM"[seed % 2],
            anatomy_seed=seed,
            film_seed=seed,
        )
        rows, columns = result.pixels.shape
        middle = result.pixels[int(0.5 * rows) : int(0.7 * rows), int(0.47 * columns) :]
        mediastinum = middle[:, : int(0.08 * columns)]
        assert result.pixels[result.lungs].mean() < mediastinum.mean() - 0.2


def test_density_brightens_lesions_and_leaves_their_mask():
    faint, dense = film(density=0.05), film(density=0.95)
    clear = film(opacity=0.0)
    assert np.array_equal(faint.lesions, dense.lesions)

    def contrast(result: Film) -> float:
        healthy = result.lungs & ~faint.lesions
        added = result.pixels - clear.pixels
        return float(added[faint.lesions].mean() - added[healthy].mean())

    assert contrast(faint) > 0.02
    assert contrast(dense) > contrast(faint) + 0.1


def test_a_second_exposure_differs_and_keeps_the_skeleton():
    first, second = PATIENT, replace(PATIENT, film_seed=12, opacity=0.6, view="PA")
    assert not np.array_equal(render(first, size=96).pixels, render(second, size=96).pixels)
    ribs = []
    for patient in (first, second):
        body = draw_body(patient)
        ribs.append(rib_lines(True, body, pose_body(patient, body)))
    assert np.array_equal(*ribs)
    other = draw_body(replace(PATIENT, anatomy_seed=8))
    assert not np.allclose(ribs[0], rib_lines(True, other, pose_body(PATIENT, other)))


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_bones_and_vessels_show_as_strongly_as_asked(view):
    patient = replace(PATIENT, view=view)
    body, look = draw_body(patient), choose_look(patient)
    frame = place_film(look, body, pose_body(patient, body), (96, 96), view)
    scene_of = lateral if view == "lateral" else frontal
    whole = scene_of(patient, frame)
    half = scene_of(replace(patient, bones=0.5, vessels=0.0), frame)
    np.testing.assert_allclose(half.bones, whole.bones / 2, rtol=1e-6)
    assert whole.vessels.max() > 1 and not half.vessels.any()
    assert np.array_equal(half.air, whole.air)


def test_rough_opacities_vary_more_and_lie_where_smooth_ones_do():
    films = [render(replace(PATIENT, roughness=rough), size=128) for rough in (0.3, 1.0, 4.0)]
    assert all(np.array_equal(film.lesions, films[0].lesions) for film in films)
    plain = render(replace(PATIENT, opacity=0.0), size=128).pixels
    added = [np.std((film.pixels - plain)[film.lesions]) for film in films]
    assert added[0] < added[1] < added[2] and added[2] > 1.15 * added[1]


def test_a_seed_replaces_the_films_own():
    again = render(replace(PATIENT, film_seed=99), size=96)
    assert equal(render(PATIENT, size=96, seed=99), again)


def test_portable_stamp_is_in_the_upper_left_corner_only():
    plain, stamped = film(view="AP", film_seed=3), film(view="AP", film_seed=3, portable=True)
    changed = np.argwhere(plain.pixels != stamped.pixels)
    assert len(changed) > 20
    assert changed[:, 0].max() < 0.1 * plain.pixels.shape[0]
    assert changed[:, 1].max() < 0.5 * plain.pixels.shape[1]


@pytest.mark.parametrize("size", [157, 320])
def test_abdomen_and_ct(size):
    abdomen, ct = render_abdomen(3, size), render_ct(3, size)
    assert max(abdomen.shape) == size
    assert abdomen.shape[0] > abdomen.shape[1]
    assert ct.shape == (size, size)
    for picture, draw in ((abdomen, render_abdomen), (ct, render_ct)):
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert 0.7 < picture.max() <= 1
        assert np.array_equal(picture, draw(3, size))
        assert not np.array_equal(picture, draw(4, size))
    assert abdomen.min() < 0.1


@pytest.mark.parametrize("draw", [axial_slice, coronal_slice])
def test_ct_slices_are_in_hounsfield_units(draw):
    """Air at -1000, soft tissue about water, bone the brightest; lungs a third of many slices."""
    slices = np.stack([draw(seed, 160) for seed in range(12)])
    assert slices.dtype == np.float32
    corners = slices[:, :8, :8] if draw is axial_slice else slices[slices < -960]
    assert abs(np.median(corners) + 1000) < 20
    assert ((slices > -950) & (slices < -500)).mean() > 0.1
    assert ((slices > -150) & (slices < 300)).mean() > 0.2
    assert np.all(np.quantile(slices, 0.999, axis=(1, 2)) > 300)
    assert np.all(slices.min(axis=(1, 2)) > -1400)


def test_a_window_shows_its_middle_grey_and_its_ends_black_and_white():
    middle, width = LUNG_WINDOW
    ends = np.array([[middle - width, middle - width / 2, middle, middle + width / 2, 3000.0]])
    assert np.allclose(windowed(ends), [[0, 0, 0.5, 1, 1]])
    assert np.allclose(windowed(np.array([[40.0, -60.0]]), (40, 400)), [[0.5, 0.25]])


@pytest.mark.parametrize(
    ("changes", "size", "words"),
    [
        ({}, 16, "at least 32"),
        ({"view": "oblique"}, 64, "oblique"),
        ({"site": "elsewhere"}, 64, "elsewhere"),
        ({"devices": frozenset({"pacemaker"})}, 64, "pacemaker"),
        ({"opacity": 1.2}, 64, "between 0 and 1"),
        ({"opacity": -0.2}, 64, "between 0 and 1"),
        ({"laterality": -0.1}, 64, "between 0 and 1"),
    ],
)
def test_unknown_values_are_refused(changes, size, words):
    with pytest.raises(ValueError, match=words):
        film(size, **changes)
