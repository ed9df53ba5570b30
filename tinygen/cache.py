"""The user's cache folder, for what can be had again: downloads, compiled loops."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloads and compiled loops; it may not exist yet.

    `%LOCALAPPDATA%/tinygen` on Windows, `~/Library/Caches/tinygen` on macOS, elsewhere
    `$XDG_CACHE_HOME/tinygen` or `~/.cache/tinygen`; without a home folder, as in some containers,
    under the folder for temporary files.
    """
    try:
        return _cache_base(sys.platform) / "tinygen"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "tinygen"


def _cache_base(platform: str) -> Path:
    if platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # The XDG base directory specification says to ignore a path that is not absolute.
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return xdg if xdg.is_absolute() else Path.home() / ".cache"
