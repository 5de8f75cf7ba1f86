"""Bounds of the trace language; every loop over untrusted text is bounded by one of them."""

from __future__ import annotations

MAX_BYTES = 16 * 1024
"""Longest text in UTF-8 bytes, prose included; longer is ``parse_fail``."""

MAX_DEPTH = 8
"""Deepest nesting of collections in a trace's YAML; deeper is ``parse_fail``."""

MAX_SUBTRACES = 16
"""Most sub-traces of a composition."""

MAX_STEPS = 64
"""Most steps of one sub-trace."""

MAX_ARGUMENTS = 32
"""Most arguments of one step; it keeps the work of a text within bounds."""

MAX_BITS = 1024
"""Most bits in the numerator and in the denominator of any number."""
