"""The contract of every store, as tests.

A subclass gives `store` and `open()` and is collected by pytest; nothing here imports it. A store that keeps a part of it runs that part.
"""

from .codes import CodeContract
from .contract import StoreContract
from .devices import DeviceContract
from .people import PersonContract
from .samples import MAIN, NOKOYE, NURSE, PAS, T0, Opened, enrolled, session, shift
from .seats import SeatContract
from .sharing import SharingContract

__all__ = [
    "MAIN",
    "NOKOYE",
    "NURSE",
    "PAS",
    "T0",
    "CodeContract",
    "DeviceContract",
    "Opened",
    "PersonContract",
    "SeatContract",
    "SharingContract",
    "StoreContract",
    "enrolled",
    "session",
    "shift",
]
