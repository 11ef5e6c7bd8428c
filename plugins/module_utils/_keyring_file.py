# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A keyring file: sections ``[client.<user>]`` with a ``key``; edited without touching other users' sections."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass

from ._errors import RbdError

_SECTION = re.compile(r"\s*\[([^\]]+)\]\s*(?:[#;].*)?")
_KEY = re.compile(r"(\s*key\s*=\s*)(.*?)(\s*)")

# A cephx key before base64: type (u16), creation time (2 x u32), length (u16), secret; src/auth/Crypto.cc,
# CryptoKey::decode().
_HEADER = struct.Struct("<HIIH")


def require_key(key: str, user: str) -> str:
    """A cephx key without the white space around it.

    :raises RbdError: it is not a cephx key. The message never shows it.
    """
    what = f"use the key given for client.{user}"
    advice = f"Give what 'ceph auth get-key client.{user}' prints."
    text = key.strip()
    try:
        raw = base64.b64decode(text, validate=True)
        length = _HEADER.unpack_from(raw)[3]
    except (binascii.Error, ValueError, struct.error):
        raise RbdError(what, "it is not a cephx key in base64", advice) from None
    if length == 0 or len(raw) != _HEADER.size + length:
        raise RbdError(what, "it is not a whole cephx key: its length does not fit", advice)
    return text


@dataclass(frozen=True, repr=False)
class KeyringFile:
    """The lines of a keyring, each with its line ending. Its repr shows none of them."""

    lines: tuple[str, ...]

    @classmethod
    def decode(cls, text: str) -> KeyringFile:
        """Split a keyring into lines; whatever they are, :meth:`encode` gives them back."""
        return cls(tuple(text.splitlines(keepends=True)))

    def encode(self) -> str:
        """The text of the file."""
        return "".join(self.lines)

    def users(self) -> tuple[str, ...]:
        """The entities that have a section, for example ``client.app``."""
        found = (_SECTION.fullmatch(line.rstrip("\r\n")) for line in self.lines)
        return tuple(section.group(1).strip() for section in found if section)

    def key(self, user: str) -> str | None:
        """The key of ``client.<user>``, or None."""
        number = self._key_line(user)
        if number is None:
            return None
        found = _KEY.fullmatch(self.lines[number].rstrip("\r\n"))
        return found.group(2) if found else None

    def set(self, user: str, key: str) -> KeyringFile:
        """The keyring with that key for ``client.<user>``: in place, or in a section at the end."""
        if self.key(user) == key:
            return self
        lines = list(self.lines)
        number = self._key_line(user)
        if number is not None:
            lines[number] = f"\tkey = {key}\n"
            return KeyringFile(tuple(lines))
        header = self._header_line(user)
        if header is not None:
            if not lines[header].endswith("\n"):
                lines[header] += "\n"
            lines.insert(header + 1, f"\tkey = {key}\n")
            return KeyringFile(tuple(lines))
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        return KeyringFile((*lines, f"[client.{user}]\n", f"\tkey = {key}\n"))

    def _header_line(self, user: str) -> int | None:
        for number, line in enumerate(self.lines):
            section = _SECTION.fullmatch(line.rstrip("\r\n"))
            if section and section.group(1).strip() == f"client.{user}":
                return number
        return None

    def _key_line(self, user: str) -> int | None:
        header = self._header_line(user)
        if header is None:
            return None
        for number in range(header + 1, len(self.lines)):
            line = self.lines[number].rstrip("\r\n")
            if _SECTION.fullmatch(line):
                return None
            if _KEY.fullmatch(line):
                return number
        return None
