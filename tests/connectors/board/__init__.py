"""A connector as somebody else would write it, for a ward's bed board."""

from .connector import BoardConnector

__all__ = ["BoardConnector"]
