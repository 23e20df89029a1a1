"""What is more than any film has, and is refused before anything of it is decoded."""

# Pixels: what 100 MB hold at 16 bits, twice the largest published film and more than a stitched
# one of a whole spine. A file of a few bytes may claim 65,535 × 65,535.
LARGEST_AREA = 52_500_000
