# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image shall be, and everything that is known of it before a plan is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ._image_facts import ImageFacts, Layout, TrashedImage
from ._image_source import SourceFile
from ._image_spec import ImageSpec
from ._krbd_device import KrbdDevice
from ._settings import SettingsWish


@dataclass(frozen=True)
class LayoutWish:
    """How an image shall lie in its objects; None where nothing is wished. Sizes are bytes."""

    object_size: int | None = None
    stripe_unit: int | None = None
    stripe_count: int | None = None
    data_pool: str | None = None


@dataclass(frozen=True)
class ImageRequest:
    """What an image shall be.

    :ivar state: ``present``, ``absent`` or ``trashed``.
    :ivar size: bytes, or None: the image must exist, or what it is made from has a size.
    :ivar features: mask of the declarable features that shall be on, or None.
    :ivar parent: the snapshot that it shall be a clone of.
    :ivar flatten: whether it shall share nothing with a parent.
    :ivar shrink: whether it may become smaller.
    :ivar source: path of the file whose content a new image gets, with its format or None to tell that by its content.
    :ivar retention: seconds for which the trash keeps it.
    :ivar restore: whether an image of that name is taken out of the trash, rather than made anew.
    :ivar renamed_from: what it was called before.
    :ivar purge_snapshots: whether its snapshots may be removed with it.
    """

    spec: ImageSpec
    state: str = "present"
    size: int | None = None
    features: int | None = None
    layout: LayoutWish = LayoutWish()
    parent: ImageSpec | None = None
    flatten: bool = False
    shrink: bool = False
    config: SettingsWish | None = None
    metadata: SettingsWish | None = None
    source: tuple[str, str | None] | None = None
    retention: int = 0
    restore: bool = True
    renamed_from: ImageSpec | None = None
    purge_snapshots: bool = False

    @property
    def name(self) -> str:
        return str(self.spec)


@dataclass(frozen=True)
class ImageDefaults:
    """What the cluster gives a new image of that pool, where nothing else is wished.

    :ivar features: mask.
    """

    features: int
    layout: Layout


@dataclass(frozen=True)
class ParentFacts:
    """The snapshot that an image shall be a clone of.

    :ivar image: the image that it is a snapshot of, or None without such an image.
    :ivar size: bytes of the snapshot, or None without such a snapshot.
    :ivar must_be_protected: whether this cluster makes clones only of protected snapshots.
    """

    image: ImageFacts | None
    size: int | None
    must_be_protected: bool


@dataclass(frozen=True)
class ImageCurrent:
    """Everything that the plan for one image depends on. What a request has no use for was not read.

    :ivar facts: the image, or None without one.
    :ivar mapped: its mappings on this host.
    :ivar trashed: what lies in the trash under its name.
    :ivar former: the image under the name that it had before.
    :ivar defaults: of its pool; None where nothing can be made.
    :ivar obstacle: why nothing can be made in the pools that it would lie in, and what to do about it.
    :ivar parent: the snapshot that it shall be a clone of.
    :ivar source: the file whose content it shall get.
    :ivar config_faults: the overrides that librbd would refuse, each with the reason.
    """

    facts: ImageFacts | None = None
    mapped: tuple[KrbdDevice, ...] = ()
    trashed: tuple[TrashedImage, ...] = ()
    former: ImageFacts | None = None
    defaults: ImageDefaults | None = None
    obstacle: tuple[str, str] | None = None
    parent: ParentFacts | None = None
    source: SourceFile | None = None
    config_faults: Mapping[str, str] | None = None
