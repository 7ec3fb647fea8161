"""A secret that an option names by reference, read when a connector is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def read(reference: Mapping[str, str]) -> bytes:
    """`{ file = … }` or `{ env = … }`. Raises ValueError naming the reference, never the value."""
    if variable := reference.get("env"):
        if value := os.environ.get(variable):
            return value.encode()
        raise ValueError(f"the environment variable `{variable}` is not set: it should hold a secret")
    path = Path(reference["file"])
    try:
        data = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ValueError(f"the secret file `{path}` cannot be read: {error.strerror}") from None
    if not data:
        raise ValueError(f"the secret file `{path}` is empty")
    return data
