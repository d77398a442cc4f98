"""The file that is written on the page: read and saved, and never over what another program has put there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energydsl.diagnostics import EnergyError
from energydsl.files import plain_file
from energydsl.learning.files import write_bytes
from energydsl.studio.worker import Origin
from energydsl.syntax.parser import decode


@dataclass(frozen=True)
class ModelFile:
    """locked: why it is not written; empty where it is."""

    path: Path
    origin: Origin
    locked: str = ""

    def now(self) -> dict[str, Any]:
        """The text with its lines ended by newlines, and the digest of the file. Raises `EnergyError`."""
        data = self._bytes()
        text = decode(data, self.origin.name).text.replace("\r\n", "\n")
        return {"name": self.origin.name, "text": text, "digest": _digest(data), "locked": self.locked}

    def save(self, text: str, digest: str) -> dict[str, Any]:
        """Write a text if the file is still that of the digest; what the file holds then, and whether it had `changed`.

        Lines end as they did. Raises `EnergyError`.
        """
        if self.locked:
            raise EnergyError(self.locked)
        before = self._bytes()
        if changed := _digest(before) != digest:
            return self.now() | {"changed": changed}
        file, mode = self.path.resolve(), self.path.stat().st_mode
        write_bytes(file, text.replace("\n", "\r\n" if b"\r\n" in before else "\n").encode())
        file.chmod(mode)
        return self.now() | {"changed": changed}

    def _bytes(self) -> bytes:
        try:
            return plain_file(self.path).read_bytes()
        except OSError as error:
            raise EnergyError(f"cannot read {self.path}: {error.strerror}") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
