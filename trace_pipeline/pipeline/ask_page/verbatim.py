"""Text that Streamlit's Markdown shows as it is: two dollar signs would be a formula."""

from __future__ import annotations

import string

_ESCAPES = {ord(sign): f"\\{sign}" for sign in string.punctuation}


def verbatim(text: str) -> str:
    """``text`` in Markdown: each sign that might mean something there is escaped."""
    return text.translate(_ESCAPES)
