# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of an image by name: overrides of librbd's options, and the user's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import RbdError

# How librbd stores an image's overrides among its metadata: ImageCtx::METADATA_CONF_PREFIX in src/librbd/ImageCtx.cc.
CONFIG_PREFIX = "conf_"


@dataclass(frozen=True)
class SettingsWish:
    """What some settings shall be.

    :ivar values: the value of each name; None removes that name.
    :ivar purge: whether names that are not listed are removed, too.
    """

    values: Mapping[str, str | None]
    purge: bool = False

    def changes(self, actual: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
        """Each name that differs, with what it is and what it shall be; None for not set."""
        wanted: dict[str, str | None] = dict.fromkeys(actual) if self.purge else {}
        wanted.update(self.values)
        return {name: (actual.get(name), value) for name, value in sorted(wanted.items()) if actual.get(name) != value}


def parse_settings(kind: str, given: Mapping[str, Any] | None, purge: bool) -> SettingsWish | None:
    """Settings as a user writes them.

    :param kind: the option that they come from: ``config`` or ``metadata``.
    :param given: the values; YAML's true and false become the words that librbd takes.
    :returns: the wish, or None where nothing is wished.
    :raises RbdError: a value is empty, or no text and no number; or a name is empty or belongs to the other kind.
    """
    if given is None:
        return SettingsWish({}, purge=True) if purge else None
    for name in given:
        if not name:
            raise RbdError(f"set {kind}", "a name is empty", "Give every setting a name.")
        if kind == "metadata" and str(name).startswith(CONFIG_PREFIX):
            raise RbdError(
                f"set the metadata {name}",
                f"names with {CONFIG_PREFIX} at their beginning are librbd's own overrides",
                f"Set it as config: {str(name)[len(CONFIG_PREFIX) :]}.",
            )
    return SettingsWish({str(name): _text(kind, str(name), value) for name, value in given.items()}, purge)


def _text(kind: str, name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value == "":
        # rbd.Image.metadata_list() drops empty values, and gives their names the values of others.
        raise RbdError(f"set the {kind} {name}", "its value is empty", "Give a text, or null to remove it.")
    if isinstance(value, (str, int, float)):
        return str(value)
    raise RbdError(f"set the {kind} {name}", "its value is a list or a dictionary", "Give a text or a number.")
