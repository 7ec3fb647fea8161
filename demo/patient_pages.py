"""A small system of lists and patients' pages, which shows in whose name it is open; how it knows that is its own."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from .look import page
from .people import Patient

_LISTED = 12


class PatientPages:
    template: str
    path: str  # below which each patient has a page, by hospital number

    def __init__(self, people: list[Patient]) -> None:
        self._people = {patient.hospital_number: patient for patient in people}

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/", self.listed), Route(f"{self.path}/{{hosp}}", self.of_patient)])

    async def listed(self, request: Request) -> Response:
        if (who := await self.who(request)) is None:
            return self.nobody()
        shown = sorted(self._people.values(), key=lambda p: p.family)[:_LISTED]
        return HTMLResponse(page(self.template, who=who, people=shown, patient=None))

    async def of_patient(self, request: Request) -> Response:
        if (who := await self.who(request)) is None:
            return self.nobody()
        patient = self._people.get(request.path_params["hosp"])
        if patient is None:
            return PlainTextResponse("No such patient\n", 404)
        return HTMLResponse(page(self.template, who=who, people=[], patient=patient))

    async def who(self, request: Request) -> str | None:
        """The name of whoever asks; None where nobody is known."""
        raise NotImplementedError

    def nobody(self) -> Response:
        raise NotImplementedError
