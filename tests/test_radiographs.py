import io
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from dicom_films import make_film
from films import films_in
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from benchmarks.fuzzed_files import png_chunk
from helpers.cache import FilmCache
from helpers.pixels import UnreadableRadiograph, preprocess, preprocess_mask, read_radiograph
from helpers.radiographs import Radiographs, exclude_unreadable, normalise
from helpers.table import start_flow

RAMP = np.tile(np.arange(200, dtype=np.uint8), (100, 1))


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_every_png_mode_gives_the_same_grey(mode):
    picture = Image.fromarray(RAMP)
    if mode == "P":  # an exact grey palette, as published films have
        picture.putpalette([value for grey in range(256) for value in (grey,) * 3])
        picture = picture.copy()
    else:
        picture = picture.convert(mode)
    film = read_radiograph(encoded(picture, "PNG"))
    assert film.dtype == np.float32
    np.testing.assert_allclose(film, RAMP / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_jpeg_mode_gives_nearly_the_same_grey(mode):
    film = read_radiograph(encoded(Image.fromarray(RAMP).convert(mode), "JPEG", quality=95))
    np.testing.assert_allclose(film, RAMP / 255, atol=0.03)


def test_sixteen_bit_png_keeps_its_shades():
    deep = (RAMP.astype(np.uint16) << 4) + 7
    film = read_radiograph(encoded(Image.fromarray(deep), "PNG"))
    np.testing.assert_allclose(film, deep / 65535, atol=1e-7)
    assert len(np.unique(film)) == 200


def test_transparency_is_black():
    layers = np.zeros((80, 80, 4), np.uint8)
    layers[..., :3] = 255
    layers[:40, :, 3] = 255
    film = read_radiograph(encoded(Image.fromarray(layers, "RGBA"), "PNG"))
    assert film[:40].min() == 1 and film[40:].max() == 0


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter to the right
    data = encoded(Image.fromarray(RAMP), "JPEG", exif=exif, quality=95)
    film = read_radiograph(data)
    assert film.shape == (200, 100)
    assert film[-1].mean() > film[0].mean()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(
        Image.fromarray(RAMP[:90] + np.arange(90, dtype="u1")[:, None] // 2), "PNG", exif=exif
    )
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture)) / 255
    film = read_radiograph(data)
    np.testing.assert_allclose(film, expected, atol=1e-6)
    assert film.flags.c_contiguous


def test_orientation_in_a_text_of_a_png_is_found():
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = b"Exif\0\0" + exif.tobytes()[6:]
    profile = f"\nexif\n{len(raw):8d}\n{raw.hex()}\n"
    for keyword, text in {"XML:com.adobe.xmp": xmp, "Raw profile type exif": profile}.items():
        for compressed in (False, True):
            words = PngInfo()
            words.add_itxt(keyword, text, zip=compressed)
            data = encoded(Image.fromarray(RAMP), "PNG", pnginfo=words)
            with Image.open(io.BytesIO(data)) as picture:
                expected = np.asarray(ImageOps.exif_transpose(picture)) / 255
            assert expected.shape == (200, 100), keyword
            np.testing.assert_allclose(read_radiograph(data), expected, atol=1e-6)


def odd_exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """A JPEG whose EXIF holds these entries: number, type, count and value or its place."""
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    for *numbers, value in entries:
        block += struct.pack("<HHI", *numbers) + value
    block = b"Exif\0\0" + block + bytes(4)
    jpeg = encoded(Image.fromarray(RAMP), "JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


TURNED = (0x0112, 3, 1, struct.pack("<I", 6))
ODD_EXIF = {
    "a folder of its own that is none": ((TURNED, (0x8769, 4, 1, b"\xff" * 4)), (200, 100)),
    "a folder of its own that is a text": ((TURNED, (0x8825, 2, 4, b"abc\0")), (200, 100)),
    "a number where a text belongs": ((TURNED, (0x010E, 9, 1, b"\xff" * 4)), (200, 100)),
    "a text for the orientation": (((0x0112, 2, 4, b"six\0"),), (100, 200)),
    "no values at all": (((0x0112, 3, 0, bytes(4)),), (100, 200)),
    "an unknown orientation": (((0x0112, 3, 1, struct.pack("<I", 99)),), (100, 200)),
}


@pytest.mark.parametrize("kind", ODD_EXIF)
def test_odd_exif_does_not_make_a_film_unreadable(kind):
    entries, shape = ODD_EXIF[kind]
    assert read_radiograph(odd_exif(*entries)).shape == shape


def test_exif_of_random_bytes_is_no_damage():
    rng = np.random.default_rng(4)
    for _ in range(300):
        numbers = rng.integers(0, [65536, 15, 6], (3, 3))
        assert read_radiograph(
            odd_exif(*((*map(int, each), rng.bytes(4)) for each in numbers))
        ).size


def test_of_a_phone_s_picture_with_a_preview_the_picture_is_read():
    picture = Image.fromarray(RAMP)
    preview = picture.resize((20, 10))
    data = encoded(picture, "MPO", save_all=True, append_images=[preview], quality=95)
    np.testing.assert_allclose(read_radiograph(data), RAMP / 255, atol=0.03)


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_several_samples_of_sixteen_bits_keep_their_shades(colour):
    """A film of 12 bits, saved as colour or with transparency: Pillow leaves 16 shades of it."""
    deep = np.arange(6400, dtype=np.uint16).reshape(80, 80)
    opaque = np.full_like(deep, 65535)
    opaque[:5] = 0
    layers = {2: [deep] * 3, 4: [deep, opaque], 6: [deep] * 3 + [opaque]}[colour]
    film = read_radiograph(deep_png(np.stack(layers, axis=2), colour))
    shown = deep if colour == 2 else np.where(opaque > 0, deep, 0)
    np.testing.assert_allclose(film, shown / 65535, atol=1e-7)


def deep_png(pixels: np.ndarray, colour: int) -> bytes:
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def test_colours_of_sixteen_bits_have_the_luminance_of_eight():
    colours = np.random.default_rng(8).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    shallow = read_radiograph(encoded(Image.fromarray(colours), "PNG"))
    deep = read_radiograph(deep_png(colours.astype(np.uint16) * 257, 2))
    np.testing.assert_allclose(deep, shallow, atol=0.6 / 255)


def test_the_name_does_not_matter(tmp_path):
    path = tmp_path / "film.jpg"
    path.write_bytes(encoded(Image.fromarray(RAMP), "PNG"))
    np.testing.assert_allclose(read_radiograph(path), RAMP / 255, atol=1e-6)


def test_preprocessing_does_not_stretch():
    film = np.full((100, 200), 0.2, np.float32)
    film[25:75, 75:125] = 0.8  # a square
    square = preprocess(film, 128)
    assert square.shape == (128, 128) and square.dtype == np.uint8
    assert square[:32].max() == 0 and square[96:].max() == 0
    rows, columns = np.nonzero(square > 200)
    assert np.ptp(rows) == np.ptp(columns)


def test_preprocessing_ignores_borders_letters_and_exposure():
    rng = np.random.default_rng(0)
    film = rng.uniform(0.3, 0.6, (300, 300)).astype(np.float32)
    marked = film.copy()
    marked[:20, :40] = 1.0
    marked[:, -10:] = 0.0
    assert (preprocess(film, 128)[32:96, 32:96] == preprocess(marked, 128)[32:96, 32:96]).all()
    exposed = preprocess(film * 0.5 + 0.1, 128).astype(int)
    assert abs(exposed - preprocess(film, 128)).max() <= 1


def test_mask_follows_its_film():
    film = np.zeros((90, 150), np.float32)
    mask = np.zeros((90, 150), bool)
    film[30:60, 50:100], mask[30:60, 50:100] = 1, True
    assert ((preprocess(film, 128) > 127) == preprocess_mask(mask, 128)).mean() > 0.99


def test_normalise_matches_its_definition():
    import torch

    films = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    expected = torch.tensor([[[[-0.449 / 0.226, 0.551 / 0.226]]]])
    torch.testing.assert_close(normalise(films), expected)


def test_radiographs_names_unreadable_films_and_the_flow_counts_them(tmp_path):
    paths = films_in(tmp_path / "films", 3)
    (tmp_path / "films" / "2.png").write_bytes(b"GIF89a")
    cohort = pd.DataFrame(
        {"patient_id": ["a", "b", "c"], "image_path": paths, "died": [True, pd.NA, False]}
    )
    cohort = start_flow(cohort.astype({"died": "boolean"}))
    cache = FilmCache(64, tmp_path / "cache")
    with pytest.raises(ValueError, match=r"1 of 3 films cannot be read.*GIF.*exclude_unreadable"):
        Radiographs(cohort, 64, cache=cache)
    readable = exclude_unreadable(cohort, 64, cache=cache)
    assert readable["patient_id"].tolist() == ["a", "b"]
    assert readable.attrs["flow"][-1][1:] == (1, 1)
    films = Radiographs(readable, 64, cache=cache)
    assert films.died[0] == 1 and films.died[1].isnan()
    assert films.batch([1, 0]).shape == (2, 64, 64)
    assert (films.batch([1])[0].numpy() == films.images[1]).all()
    for one in (torch.tensor([1]), np.array([1]), slice(1, 2)):  # a batch of one is a batch
        assert torch.equal(films.batch(one), films.batch([1]))


@pytest.mark.parametrize("grey", [0, 1e-6, 0.123456, 0.5, 1, np.nan])
@pytest.mark.parametrize("size", [64, 128])
def test_constant_picture_is_refused(grey, size):
    with pytest.raises(UnreadableRadiograph, match="single grey value"):
        preprocess(np.full((100, 90), grey, np.float32), size)


@pytest.mark.parametrize(("dtype", "bits", "used"), [("u2", 16, 3), ("u4", 32, 4095)])
def test_a_film_that_uses_few_of_its_bits_has_contrast(dtype, bits, used):
    """Its values lie close together in the range of its type, and are all there."""
    film = np.random.default_rng(0).random((100, 100))
    few = read_radiograph(make_film((film * used).round().astype(dtype), bits=bits))
    expected = preprocess(((film * used).round() / used).astype(np.float32), 64).astype(int)
    assert abs(preprocess(few, 64) - expected).max() <= 1


@pytest.mark.parametrize("window", [(2000, 1e12), (60_000, 100), (-60_000, 100)])
def test_a_window_that_hides_the_film_is_named(window):
    pixels = np.random.default_rng(0).integers(0, 4096, (100, 100), dtype="u2")
    data = make_film(pixels, WindowCenter=window[0], WindowWidth=window[1])
    with pytest.raises(UnreadableRadiograph, match="own window or table shows all its pixels"):
        read_radiograph(data)
