"""SVG of matplotlib made part of a page: without ids of its own, in the page's colours."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from trace_pipeline.evaluation.figures import ACCENT, GRID, INK, KIND_COLOURS, MUTED, SECOND

COLOURS: Mapping[str, str] = {
    INK: "ink",
    "#000000": "ink",
    MUTED: "muted",
    GRID: "line",
    ACCENT: "accent",
    SECOND: "second",
} | {colour: f"kind-{kind}".replace("_", "-") for kind, colour in KIND_COLOURS.items()}
"""Colours of the figures and the variables of page.css that stand for them."""

_SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')
_REFERENCE = re.compile(r'(?:url\(#|xlink:href="#)([^)"]+)')


def inline_svg(svg: bytes, caption: str) -> str:
    """``svg`` as an element of an HTML page, called ``caption`` by screen readers.

    Its width follows the page; its colours are the page's variables, so that it is readable
    in a light and in a dark theme.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    for part in ("metadata", "style"):
        text = re.sub(rf"<{part}\b.*?</{part}>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    used = set(_REFERENCE.findall(text))
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    text = re.sub(r"font-family: [^;\"]*;?\s*", "", text)
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    text = re.sub(r"<g/>", "", re.sub(r"\s*\n\s*", " ", text))
    for colour, name in COLOURS.items():
        text = re.sub(rf"{colour}\b", f"var(--{name})", text, flags=re.IGNORECASE)
    # matplotlib leaves black, SVG's own default, unsaid.
    text = text.replace("<text ", '<text fill="var(--ink)" ')
    head, end, rest = text.partition(">")
    head = _SIZE.sub(r'style="max-width: \1pt"', head)
    return f'{head} role="img" aria-label="{html.escape(caption)}"{end}{rest.strip()}'
