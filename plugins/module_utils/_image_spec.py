# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image-spec: ``[<pool>/[<namespace>/]]<image>[@<snap>]``, as rbd(8) defines it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._errors import RbdError

DEFAULT_POOL = "rbd"
DEVICE_ROOT = "/dev/rbd/"

# src/tools/rbd/Utils.cc, extract_spec() with SPEC_VALIDATION_FULL.
_SPEC = re.compile(r"(?:([^/@]+)/(?:([^/@]+)/)?)?([^/@]+)(?:@([^/@]+))?")

# udev keeps these in a device link and turns every other ASCII character into "_"
# (systemd, UDEV_ALLOWED_CHARS_FILE in udev_replace_chars()); a blank would even end the link's
# name. "#" opens a comment in rbdmap; fstab and the shell take the rest literally.
_LINKABLE = re.compile(r"[A-Za-z0-9+.:=_-]+")

_SYNTAX = "Write it as [<pool>/[<namespace>/]]<image>[@<snap>], for example rbd/app."


@dataclass(frozen=True)
class ImageSpec:
    """One image, or one of its snapshots, by name. An image-spec names no cluster."""

    pool: str
    namespace: str
    image: str
    snap: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImageSpec:
        """Read an image-spec; a bare image lies in the pool ``rbd``, as for the rbd command.

        :raises RbdError: the text is not an image-spec.
        """
        found = _SPEC.fullmatch(text)
        if found is None or any(not char.isprintable() for char in text):
            raise RbdError(f"read the image-spec {text!r}", "it is not an image-spec", _SYNTAX)
        pool, namespace, image, snap = found.groups()
        return cls(pool or DEFAULT_POOL, namespace or "", image, snap)

    def __str__(self) -> str:
        names = [self.pool, self.namespace, self.image] if self.namespace else [self.pool, self.image]
        return "/".join(names) + (f"@{self.snap}" if self.snap else "")

    @property
    def head(self) -> ImageSpec:
        """The image itself, without the snapshot."""
        return ImageSpec(self.pool, self.namespace, self.image)

    @property
    def pool_path(self) -> str:
        """Pool and namespace, as ``<pool>`` or ``<pool>/<namespace>``."""
        return f"{self.pool}/{self.namespace}" if self.namespace else self.pool

    @property
    def device(self) -> str:
        """The link that ceph's udev rule (50-rbd.rules) makes for the mapped device."""
        return DEVICE_ROOT + str(self)

    def require_mappable(self) -> None:
        """Refuse a name that could not be found again under ``/dev/rbd``.

        :raises RbdError: a part of the name has a character that udev or rbdmap would change.
        """
        for name in (self.pool, self.namespace, self.image, self.snap or ""):
            if name and (name in (".", "..") or not _LINKABLE.fullmatch(name)):
                raise RbdError(
                    f"map {self}",
                    f"udev or rbdmap would change the name {name!r}, "
                    f"and the device could not be found under {DEVICE_ROOT}",
                    "Use names of the letters A to Z, a to z, digits and + . : = _ - only.",
                )


def from_device(path: str) -> ImageSpec | None:
    """The image-spec behind a ``/dev/rbd/<pool>/[<namespace>/]<image>[@<snap>]`` path, or None.

    Repeated slashes count as one. A path of fewer than two names below ``/dev/rbd`` is not such a link.
    """
    tidy = re.sub(r"/+", "/", path)
    if not tidy.startswith(DEVICE_ROOT):
        return None
    rest = tidy[len(DEVICE_ROOT) :]
    found = _SPEC.fullmatch(rest)
    if found is None or found.group(1) is None:
        return None
    return ImageSpec.parse(rest)
