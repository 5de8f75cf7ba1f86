"""Small language models write traces; a deterministic solver computes them."""

__version__ = "0.1.0"
