# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says beside its result, and what check mode has to take for granted."""

from __future__ import annotations

from collections.abc import Iterable

from .._errors import ClusterUnprepared
from .._image_spec import ImageSpec


class Warnings:
    """Sentences, each of them once, in the order in which they came up."""

    def __init__(self, check_mode: bool) -> None:
        self._check_mode = check_mode
        self._sentences: dict[str, None] = {}

    def add(self, sentences: Iterable[str]) -> None:
        """Keep some sentences."""
        self._sentences.update(dict.fromkeys(sentences))

    def excuse_unprepared(self, error: ClusterUnprepared) -> None:
        """In check mode, take what the host lacks for what an earlier task of the same run would have placed.

        :raises ClusterUnprepared: that very error, outside check mode.
        """
        if not self._check_mode:
            raise error
        self.add([f"{error} In check mode this is taken for what an earlier task would have mended."])

    def excuse_missing(self, missing: ImageSpec | str) -> None:
        """In check mode, take what is not there for something that an earlier task would have created."""
        if self._check_mode:
            self.add([f"{missing} does not exist; in check mode it is taken for one that an earlier task creates."])

    def all(self) -> tuple[str, ...]:
        """The sentences."""
        return tuple(self._sentences)
