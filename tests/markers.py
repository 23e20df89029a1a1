"""Markers to plant where identifiers may be, and to search for in all that comes out."""

from pydicom.datadict import DicomDictionary, dictionary_VR

# What is planted, by value representation; short ones fit into 10 to 16 letters (PS3.5 6.2).
MARKER = "ZZMARKERZZ"
NUMBER = "77777777"
UID = "1.2.826.0.1.77777777"
DATE, TIME, AGE = "19870605", "112233.44", "097Y"
PLANTED = {
    **dict.fromkeys(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"], MARKER),
    **dict.fromkeys(["DS", "IS"], NUMBER),
    **{"UI": UID, "DA": DATE, "TM": TIME, "DT": DATE + TIME, "AS": AGE},
}
SEARCHED = [MARKER, NUMBER, DATE, "1987-06-05", TIME, AGE]


def text_elements() -> list[int]:
    """Every element of the dictionary that holds text, but those that make a file a file."""
    tags = [tag for tag in DicomDictionary if tag > 0x0008FFFF or tag >> 16 == 0x0008]
    return [tag for tag in tags if dictionary_VR(tag) in PLANTED and tag >> 16 != 0x0002]


def find_markers(data: bytes) -> list[str]:
    """Look for markers in bytes, in any case, in eight bits a letter and in sixteen."""
    plain = data.lower()
    found = []
    for marker in SEARCHED:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            if marker.lower().encode(encoding) in plain:
                found.append(f"{marker} ({encoding})")
    return found
