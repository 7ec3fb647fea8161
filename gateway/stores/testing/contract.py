"""All of the contract."""

from __future__ import annotations

from .codes import CodeContract
from .devices import DeviceContract
from .people import PersonContract
from .seats import SeatContract
from .sharing import SharingContract


class StoreContract(SeatContract, DeviceContract, SharingContract, CodeContract, PersonContract):
    """What every Store keeps."""
