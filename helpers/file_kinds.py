"""What a file is that is no radiograph this series reads, and what its owner can do about it."""

_EXPORT = "Export the radiograph in one of these formats."
_UNPACK = "Unpack it and choose one film in it."
_DOWNLOAD = "It was saved instead of the picture: download the picture itself."
# Where a format writes its signature, the signature, what the format is called, what to do.
_SIGNATURES = (
    (0, b"GIF8", "a GIF", _EXPORT),
    (0, b"II*\x00", "a TIFF", _EXPORT),
    (0, b"MM\x00*", "a TIFF", _EXPORT),
    (0, b"%PDF", "a PDF", _EXPORT),
    (0, b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", "Choose the file that the film is in."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip archive (perhaps NIfTI)", _UNPACK),
    (0, b"BM", "a BMP", _EXPORT),
    (0, b"RIFF", "a WebP or another RIFF file", _EXPORT),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture", _EXPORT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _EXPORT),
    (4, b"ftypavif", "an AVIF picture", _EXPORT),
    (4, b"ftyphe", "a HEIC picture", _EXPORT),
    (4, b"ftypmif1", "a HEIC picture", _EXPORT),
    (4, b"ftyp", "a video or another file of the MP4 family", _EXPORT),
    (0, b"\x89PNG", "a PNG damaged on its way, by a transfer as text", "Transfer it as binary."),
)
# The same for text, in small letters, after blanks and a byte order mark.
_TEXTS = (
    (b"<!doctype svg", "an SVG drawing", _EXPORT),
    (b"<svg", "an SVG drawing", _EXPORT),
    (b"<!do", "a web page", _DOWNLOAD),
    (b"<htm", "a web page", _DOWNLOAD),
    (b"<?xml", "an XML file", _EXPORT),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for a film that was not downloaded",
        "Run `git lfs pull` where it came from.",
    ),
)


def what_it_is(data: bytes) -> tuple[str, str]:
    """Name the kind of a file by its first bytes, and say what to do.

    Parameters
    ----------
    data : bytes
        The file, or its first kilobyte.

    Returns
    -------
    tuple of str
        The kind, with its article, to follow "this is"; and a sentence.
    """
    for at, signature, name, advice in _SIGNATURES:
        if data.startswith(signature, at):
            return name, advice
    text = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return "an SVG drawing", _EXPORT
    for begin, name, advice in _TEXTS:
        if text.startswith(begin):
            return name, advice
    return f"none of them (it begins with the bytes {data[:4].hex(' ')})", _EXPORT
