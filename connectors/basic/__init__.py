"""Systems behind the browser's own password prompt: HTTP Basic and Digest."""

from .connector import BasicConnector

__all__ = ["BasicConnector"]
