"""What a connector or a declaration is begun from: a new distribution whose suite passes at once, or what a recording says."""

from .learn import Learned, learned
from .made import NameTaken, new
from .recording import NoRecording

__all__ = ["Learned", "NameTaken", "NoRecording", "learned", "new"]
