"""From the bytes of a file to elements that are not yet judged: preamble, meta header, deflation.

Sound files are parsed by pydicom as they are. What it would do without a limit or not at all is
done here: inflating a file that is compressed as a whole, reading one that lost its preamble or its
meta header on the way, as older archives and some web services send them, and careless elements.
"""

import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any, BinaryIO

from pydicom import DataElement, FileDataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from helpers.dicom_beginning import is_dicom
from helpers.dicom_errors import UnreadableDicom
from helpers.limits import LARGEST_AREA

_MOST_BYTES = 4 * LARGEST_AREA  # of a file that is compressed as a whole, once it is unpacked
_MOST_READS = 100_000  # by pydicom, two or three an element; films have some hundred elements
_MOST_SEQUENCE = 1_000_000  # bytes of a sequence that is asked for; tables of 16 bits have 131 kB
_MOST_ITEMS = 20_000  # of sequences, and fragments of pixels; pydicom needs 0.7 kB for one
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # tag, in either order of bytes (PS3.5 7.5)

_BEGINNING = 256  # bytes of a file, more than tell whether it is DICOM
_LONG = 32  # bytes: longer values are read when they are asked for
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_UNDEFINED = 0xFFFFFFFF  # length (PS3.5 7.1.1)
# Coded in capitals (PS3.5 6.2, CS); some machines write small letters all the same.
_WORDS = (
    "PhotometricInterpretation",
    "PresentationLUTShape",
    "VOILUTFunction",
    "PresentationIntentType",
)
# Preamble, and the one meta element that pydicom has to know of what has been inflated.
_INFLATED_HEAD = (
    bytes(128) + b"DICM\x02\x00\x10\x00UI\x14\x00" + ExplicitVRLittleEndian.encode() + b"\0"
)


class _Counted(BytesIO):
    """A file's bytes; pydicom reads each element by itself, also those that nobody asked for."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > _MOST_READS:
            raise UnreadableDicom("The file's header has more elements than any film needs.")
        return super().read(size)


def read_elements(data: bytes, tags: Sequence[BaseTag]) -> FileDataset:
    """Parse the elements with these tags and no others.

    Parameters
    ----------
    data : bytes
        A file for which :func:`helpers.dicom_beginning.is_dicom` is true.
    tags : sequence of pydicom.tag.BaseTag

    Returns
    -------
    pydicom.FileDataset
        With a transfer syntax where the file says one, or where it has no meta header and the
        pixels lie there as they are, so that no more than the order of bytes must be known.

    Raises
    ------
    UnreadableDicom
        If the file is compressed as a whole, and damaged or beyond any film; or has no elements, or
        too many in sequences.
    """
    data = in_plain_words(data)
    refuse_many_items(data)
    film = dcmread(_Counted(data), force=True, specific_tags=list(tags), defer_size=_LONG)
    _refuse_long_sequences(film, tags)
    if not film.file_meta:
        _name_syntax(film, data)
    _view_pixels(film, data)
    _tidy(film)
    return film


def _refuse_long_sequences(film: FileDataset, tags: Sequence[BaseTag]) -> None:
    """Refuse sequences that would be parsed as soon as they are looked at, and be too long then."""
    for tag in (tag for tag in tags if tag in film):
        raw: Any = film.get_item(tag, keep_deferred=True)
        if dictionary_VR(tag) == "SQ" and getattr(raw, "length", 0) > _MOST_SEQUENCE:
            raise UnreadableDicom("A sequence in the file's header is longer than any film needs.")


def refuse_many_items(data: bytes) -> None:
    """Refuse a file of more sequence items than any film has, before pydicom makes objects of them.

    Raises
    ------
    UnreadableDicom
        With their number.
    """
    little, big = _ITEMS
    plain = _syntax_of(_Counted(data)) not in (None, ExplicitVRBigEndian)
    items = data.count(little) + (0 if plain else data.count(big))
    if items > _MOST_ITEMS:
        raise UnreadableDicom(
            f"The file holds {items:,} items of sequences; expected at most {_MOST_ITEMS:,}, more "
            "than any film needs."
        )


def in_plain_words(data: bytes) -> bytes:
    """Return a file that is compressed as a whole (PS3.5 A.5) unpacked, any other as it is.

    Raises
    ------
    UnreadableDicom
        If it is damaged, or unpacks to more than any film needs.
    """
    plain = unpacked(_Counted(data))
    return data if plain is None else plain


def unpacked(file: BinaryIO) -> bytes | None:
    """Return a file that is compressed as a whole in plain words; None, and little read, if not.

    pydicom unpacks without a limit, and must never be shown such a file.

    Raises
    ------
    UnreadableDicom
        As `in_plain_words`.
    """
    if _syntax_of(file) != DeflatedExplicitVRLittleEndian:
        return None
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unpacking.decompress(file.read(), _MOST_BYTES + 1)
    except zlib.error:
        raise UnreadableDicom(
            "The file is compressed as a whole and damaged. Export or download it again."
        ) from None
    if len(plain) > _MOST_BYTES:
        raise UnreadableDicom(
            f"The file unpacks to more than {_MOST_BYTES:,} bytes, more than any film needs."
        )
    if not unpacking.eof:
        raise UnreadableDicom(
            "The file is compressed as a whole and cut off. Export or download it again."
        )
    return _INFLATED_HEAD + plain


def plain_source(file: BinaryIO) -> BinaryIO:
    """Return a file, or the plain words of one that is compressed as a whole, at its beginning.

    Raises
    ------
    ValueError
        If it is no DICOM file.
    UnreadableDicom
        As `in_plain_words`.
    """
    plain = unpacked(file)
    file.seek(0)
    if not is_dicom(file.read(_BEGINNING) if plain is None else plain):
        raise ValueError("no DICOM file")
    file.seek(0)
    return file if plain is None else BytesIO(plain)


def _syntax_of(file: BinaryIO) -> UID | None:
    """Read the transfer syntax, if there is one, and leave the file at its first element.

    By the functions that pydicom reads it with next, so that both find the same.
    """
    read_preamble(file, force=True)
    return _read_file_meta_info(file).get("TransferSyntaxUID")


def _name_syntax(film: FileDataset, data: bytes) -> None:
    """Write down the order of bytes that pydicom found by itself in a file without meta header."""
    if not len(film):
        raise UnreadableDicom(
            f"The DICOM file has no header; its {len(data):,} bytes are damaged or cut off."
        )
    raw: Any = film.get_item("PixelData", keep_deferred=True)
    if getattr(raw, "length", 0) == _UNDEFINED:  # compressed, and nothing says how
        return
    implicit, little = film.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    film.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _view_pixels(film: FileDataset, data: bytes) -> None:
    """Let uncompressed pixels be a view of the file's bytes, before pydicom makes a copy of them.

    Of the other byte order too few films are left to care.
    """
    raw: Any = film.get_item("PixelData", keep_deferred=True)
    unread = isinstance(raw, RawDataElement) and raw.value is None
    if not unread or film.file_meta.get("TransferSyntaxUID") not in _PLAIN:
        return
    kind = raw.VR or "OW"  # implicit VR (PS3.5 A.1)
    if kind in ("OB", "OW") and raw.length != _UNDEFINED:
        value = memoryview(data)[raw.value_tell : raw.value_tell + raw.length]
        film["PixelData"] = DataElement(raw.tag, kind, value, already_converted=True)


def _tidy(film: FileDataset) -> None:
    """Read careless headers as they are meant: words in small letters, no word on the sign."""
    for name in _WORDS:
        word = film.get(name)
        if isinstance(word, str) and word != word.strip().upper():
            setattr(film, name, word.strip().upper())
    # Digital radiographs have to say 0, unsigned (PS3.3 C.8.11.3), and other readers, GDCM and
    # dcm4che, take 0 as well where nothing is said.
    if film.get("PixelRepresentation") in (None, ""):
        film.PixelRepresentation = 0
