"""A shift through the real pages: what was done, and what it took."""

from .figures import Figures
from .story import walk_through

__all__ = ["Figures", "walk_through"]
