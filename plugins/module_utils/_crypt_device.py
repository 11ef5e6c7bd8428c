# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The opened side of an encrypted image: a device of dm-crypt below ``/dev/mapper``, and its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._errors import RbdError
from ._image_spec import ImageSpec

MAPPER_ROOT = "/dev/mapper/"
PREFIX = "rbd"

# linux/dm-ioctl.h, DM_NAME_LEN, with the NUL at its end.
_LONGEST = 127

_PART = r"((?:[^-@]|--)+)"
_NAME = re.compile(rf"{PREFIX}-{_PART}-(?:{_PART}-)?{_PART}(?:@{_PART})?")


@dataclass(frozen=True)
class CryptDevice:
    """One opened mapping of dm-crypt.

    :ivar name: its name below ``/dev/mapper``.
    :ivar devno: major and minor number of the block device.
    :ivar size: bytes.
    """

    name: str
    devno: tuple[int, int]
    size: int

    @property
    def path(self) -> str:
        return MAPPER_ROOT + self.name


def crypt_name(spec: ImageSpec) -> str:
    """The name under which an encrypted image is opened: its parts joined by hyphens, their own ones doubled.

    Two image-specs never have the same name: of pool ``a``, image ``b-c`` it is ``rbd-a-b--c``, of pool ``a-b``, image
    ``c`` it is ``rbd-a--b-c``. LVM names its devices so, too.

    :raises RbdError: a part begins or ends with a hyphen, or all of it is too long for device-mapper.
    """
    what = f"name the opened device of {spec}"
    parts = [part for part in (spec.pool, spec.namespace, spec.image) if part]
    for part in (*parts, spec.snap or ""):
        if part.startswith("-") or part.endswith("-"):
            raise RbdError(what, f"{part!r} begins or ends with a hyphen", "Encrypt images of other names only.")
    name = "-".join([PREFIX, *map(_doubled, parts)]) + (f"@{_doubled(spec.snap)}" if spec.snap else "")
    if len(name) > _LONGEST:
        raise RbdError(what, f"{name} is longer than the {_LONGEST} characters of device-mapper", "Use shorter names.")
    return name


def crypt_path(spec: ImageSpec) -> str:
    """The device that holds an encrypted image's file system.

    :raises RbdError: as for :func:`crypt_name`.
    """
    return MAPPER_ROOT + crypt_name(spec)


def from_crypt_path(path: str) -> ImageSpec | None:
    """The image-spec behind what :func:`crypt_path` gives, or None for any other path."""
    found = _NAME.fullmatch(path[len(MAPPER_ROOT) :]) if path.startswith(MAPPER_ROOT) else None
    if found is None:
        return None
    pool, namespace, image, snap = (part.replace("--", "-") if part else "" for part in found.groups())
    spec = ImageSpec(pool, namespace, image, snap or None)
    try:
        return spec if crypt_path(spec) == path else None
    except RbdError:
        # Another program's device whose name only looks like one of ours.
        return None


def _doubled(part: str) -> str:
    return part.replace("-", "--")
