"""The files of a new connector, written into a folder of their own."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template

# Where each template goes; `$package` is the package's folder.
_FILES = {
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "package.py.in": "$package/__init__.py",
    "connector.py.in": "$package/connector.py",
    "manifest.toml.in": "$package/manifest.toml",
    "quality.toml.in": "$package/quality.toml",
    "test_connector.py.in": "tests/test_connector.py",
}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}[a-z0-9]")


class NameTaken(FileExistsError):
    """The folder is there already: nothing is written."""


def new(name: str, folder: Path) -> list[Path]:
    """Write the distribution into `folder`; the files, in their order. Raises ValueError for a name that is none, NameTaken."""
    if not _NAME.fullmatch(name) or "--" in name:
        raise ValueError(f"`{name}` is no name for a connector: small letters, digits and `-`, e.g. `ward-board`")
    if folder.exists():
        raise NameTaken(f"`{folder}` is there already: choose another `--folder`")
    words = {
        "name": name,
        "package": "lanyard_" + name.replace("-", "_"),
        "kind": "".join(part.capitalize() for part in name.split("-")) + "Connector",
        "title": " ".join(name.split("-")).capitalize(),
    }
    written = []
    for template, place in _FILES.items():
        text = resources.files(__package__).joinpath("templates", template).read_text("utf-8")
        path = folder / Template(place).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), "utf-8")
        written.append(path)
    return written
