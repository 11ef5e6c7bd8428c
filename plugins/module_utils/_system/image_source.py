# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files whose content a new image gets."""

from __future__ import annotations

import os
from typing import Any, Callable, Protocol

from .._errors import RbdError
from .._image_source import SourceFile
from .._image_spec import ImageSpec


class ImageSources(Protocol):
    def inspect(self, path: str, declared: str | None) -> SourceFile: ...

    def fill(self, source: SourceFile, spec: ImageSpec, on_progress: Callable[[int, int], Any]) -> None: ...


class HostImageSources:
    def __init__(self, session: Any, commands: Any) -> None:
        self._session = session

    def inspect(self, path: str, declared: str | None) -> SourceFile:
        if not os.path.exists(path):
            raise RbdError(f"read {path}", "there is no such file", "Check it.")
        return SourceFile(path, declared or "raw", os.path.getsize(path))

    def fill(self, source: SourceFile, spec: ImageSpec, on_progress: Callable[[int, int], Any]) -> None:
        raise RbdError(f"fill {spec}", "not there yet")
