"""The checks of an uploaded picture: what is warned of, in which words, and what is left alone."""
