"""What the tests of the chart share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .chart import SETS, Chart, Rendered
from .chart import chart as asked


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    with asked() as running:
        yield running


@pytest.fixture(scope="session", params=SETS)
def rendered(chart: Chart, request: pytest.FixtureRequest) -> Rendered:
    """Each of the four sets."""
    return chart.render(chart.values(request.param))
