"""FHIR R4 REST."""

from .connector import FhirConnector

__all__ = ["FhirConnector"]
