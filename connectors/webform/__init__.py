"""Systems that have only a login page."""

from .connector import WebformConnector

__all__ = ["WebformConnector"]
