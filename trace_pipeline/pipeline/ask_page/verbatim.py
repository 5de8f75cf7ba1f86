"""Text that Streamlit's Markdown shows word for word: two dollar signs would be a formula.

Its typography stays: ``->`` becomes an arrow, line breaks become spaces.
"""

from __future__ import annotations

import string

_ESCAPES = {ord(sign): f"\\{sign}" for sign in string.punctuation}


def verbatim(text: str) -> str:
    """``text`` in Markdown: each sign that might mean something there is escaped."""
    return text.translate(_ESCAPES)
