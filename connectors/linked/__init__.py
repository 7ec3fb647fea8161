"""Applications with a single sign-on of their own at the same provider: opened from the launchpad, and signed on there by themselves."""

from .connector import LinkedConnector

__all__ = ["LinkedConnector"]
