"""Systems that believe a header, or a signed assertion, about who is asking."""

from .connector import HeaderConnector

__all__ = ["HeaderConnector"]
