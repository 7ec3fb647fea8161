"""The linked connector opens an application that has its own single sign-on, and holds to the contract of what is opened."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import SystemConfig
from connectors.launching import LaunchContract
from connectors.linked import LinkedConnector

OPTIONS: dict[str, Any] = {"address": "https://rota.test/login?sso=1", "at_patient": "https://rota.test/p/{nhs_number}"}


class TestLinked(LaunchContract):
    package = "connectors.linked"

    def connector(self) -> Any:
        return LinkedConnector(SystemConfig("rota", "Rota", "", OPTIONS, 0))


@pytest.mark.parametrize("options", [{"address": "rota://x"}, {**OPTIONS, "at_patient": "rota://{nhs_number}"}])
def test_it_is_on_the_web(options: dict[str, Any]) -> None:
    """A program of its own asks no provider: it is launch only."""
    with pytest.raises(ValueError, match="is on the web"):
        LinkedConnector(SystemConfig("rota", "Rota", "", options, 0))
