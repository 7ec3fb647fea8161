"""The configured ways to people, opened: certificates and secrets are read here, so that `lanyard check` finds what is wrong."""

from __future__ import annotations

import ssl

from ..config import AlarmsTable, Config
from ..errors import ConfigError
from .controls import Severity
from .mail import Mail
from .sending import Send
from .telling import Telling
from .webhook import Webhook


def ways_of(settings: AlarmsTable) -> list[Send]:
    """None, one or both. Raises ConfigError."""
    found: list[Send] = []
    if settings.mail_server is not None:
        password = settings.mail_password.read() if settings.mail_password else None
        found.append(Mail(settings, _trusted("mail_ca_file", settings.mail_ca_file), password))
    if settings.webhook_url is not None:
        assert settings.webhook_key is not None
        key = settings.webhook_key.read()
        if len(key) < 16:
            raise ConfigError(["alarms.webhook_key: too short: make one with `lanyard key new`"])
        found.append(Webhook(settings.webhook_url, _trusted("webhook_ca_file", settings.webhook_ca_file), key))
    return found


def telling_of(config: Config) -> Telling:
    return Telling(config.gateway.name, config.alarms.repeat_after, Severity(config.alarms.minimum))


def _trusted(setting: str, ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError([f"alarms.{setting}: `{ca_file}` cannot be read: {why}"]) from None
