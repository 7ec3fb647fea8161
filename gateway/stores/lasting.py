"""The part of a store in two places that is in one of them alone, passed on as it is."""

from __future__ import annotations

from .base import Store
from .redis.store import RedisStore


class PassedOn:
    """Devices, people and the vault from where things last; codes, counts, leases and log-ons from where things are fast."""

    def __init__(self, fast: RedisStore, lasting: Store) -> None:
        self.put_device, self.device, self.devices = lasting.put_device, lasting.device, lasting.devices
        self.device_by_certificate, self.devices_of = lasting.device_by_certificate, lasting.devices_of
        self.amend_device = lasting.amend_device
        self.put_badge, self.badge = lasting.put_badge, lasting.badge
        self.badges_of, self.forget_badge = lasting.badges_of, lasting.forget_badge
        self.put_last_sign_on, self.last_sign_on = lasting.put_last_sign_on, lasting.last_sign_on
        self.last_sign_on_named, self.last_sign_on_by_handle = (
            lasting.last_sign_on_named,
            lasting.last_sign_on_by_handle,
        )
        self.forget_last_sign_on = lasting.forget_last_sign_on
        self.put_factor, self.factor = lasting.put_factor, lasting.factor
        self.vault_key, self.vault_keys = lasting.vault_key, lasting.vault_keys
        self.rewrap_vault_key, self.put_credential = lasting.rewrap_vault_key, lasting.put_credential
        self.note_credential, self.credential = lasting.note_credential, lasting.credential
        self.credentials_of, self.forget_credential = lasting.credentials_of, lasting.forget_credential
        self.sweep = lasting.sweep

        self.put_code, self.take_code, self.read_code = fast.put_code, fast.take_code, fast.read_code
        self.first_time = fast.first_time
        self.tally, self.take_back, self.clear_tally = fast.tally, fast.take_back, fast.clear_tally
        self.take_lease, self.renew_lease, self.drop_lease = fast.take_lease, fast.renew_lease, fast.drop_lease
        self.put_upstream, self.get_upstream = fast.put_upstream, fast.get_upstream
        self.upstream_version, self.delete_upstream = fast.upstream_version, fast.delete_upstream
