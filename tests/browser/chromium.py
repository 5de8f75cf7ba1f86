"""Where Chromium is. As a program: print its path, or say how to install it."""

from __future__ import annotations

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "the browser tests need Chromium, and neither the variable CHROMIUM nor the PATH has it: "
    "install it (Debian, Ubuntu: sudo apt-get install chromium) or name one with "
    "CHROMIUM=/path/to/chromium make browser"
)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def find_chromium() -> str | None:
    """The browser that ``CHROMIUM`` names, else the first of ``NAMES`` on the PATH."""
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


if __name__ == "__main__":
    sys.exit(MISSING) if find_chromium() is None else print(find_chromium())
