# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans how an image comes to be: renamed, taken out of the trash, cloned, imported or created empty."""

from __future__ import annotations

from dataclasses import replace

from ._errors import RbdError
from ._features import CLONE_CHILD, DECLARABLE_MASK, FEATURES, with_operations
from ._image_actions import CloneImage, CreateImage, ImportImage, MakeImage, RenameImage, RestoreImage
from ._image_facts import ImageFacts, Layout
from ._image_spec import ImageSpec
from ._image_use import require_unused
from ._image_wish import ImageCurrent, ImageDefaults, ImageRequest, ParentFacts
from ._size import format_size


def plan_creation(index: int, request: ImageRequest, current: ImageCurrent, check_mode: bool) -> MakeImage:
    """The step by which an image that is not there comes to be.

    :raises RbdError: nothing says what to make it from, or it cannot be made from that.
    """
    if request.renamed_from is not None and current.former is not None:
        require_unused(f"rename {request.renamed_from}", current.former, current.mapped, check_mode)
        return RenameImage(index, request.name, request.spec, current.former, request.renamed_from)
    if request.restore and current.trashed:
        return _restore(index, request, current)
    if current.obstacle is not None:
        raise RbdError(f"create {request.spec}", *current.obstacle)
    if request.parent is not None:
        return _clone(index, request, current)
    if current.source is not None:
        return _import(index, request, current)
    if request.size is None:
        raise RbdError(
            f"find the image {request.spec}",
            f"pool {request.spec.pool_path} has no such image, and no size is given to create it with",
            "Check the name, or give a size, for example 20G.",
        )
    return CreateImage(index, request.name, request.spec, _new(request, _defaults(current), request.size))


def _restore(index: int, request: ImageRequest, current: ImageCurrent) -> MakeImage:
    if len(current.trashed) > 1:
        found = ", ".join(f"{image.image_id} (deleted {image.deleted})" for image in current.trashed)
        raise RbdError(
            f"restore {request.spec}",
            f"the trash of {request.spec.pool_path} has several images of that name: {found}",
            f"Restore the one that is meant (rbd trash restore --pool {request.spec.pool} ID), "
            "or set restore to false to make a new image.",
        )
    image = current.trashed[0]
    return RestoreImage(index, request.name, request.spec, image.facts, image.deleted)


def _clone(index: int, request: ImageRequest, current: ImageCurrent) -> MakeImage:
    what = f"clone {request.parent} to {request.spec}"
    image, size = _require_parent(what, request, current.parent)
    features = image.features & DECLARABLE_MASK if request.features is None else request.features
    if not features & FEATURES["layering"]:
        raise RbdError(what, "a clone needs the feature layering", "Add layering to features.")
    # A clone takes object size and stripes from its parent, but not the data pool.
    layout = replace(image.layout, data_pool=_defaults(current).layout.data_pool)
    facts = _new(request, ImageDefaults(features, layout), size)
    # librbd copies the metadata of the parent, its overrides included (CloneRequest.cc, copy_metadata()).
    inherited = replace(facts, parent=request.parent, config=image.config or {}, metadata=image.metadata or {})
    return CloneImage(index, request.name, request.spec, _marked(inherited, current.parent))


def _marked(clone: ImageFacts, parent: ParentFacts | None) -> ImageFacts:
    """A clone of version 2 is marked as one by a feature."""
    op_features = 0 if parent is None or parent.must_be_protected else CLONE_CHILD
    return replace(clone, op_features=op_features, features=with_operations(clone.features, op_features))


def _require_parent(what: str, request: ImageRequest, parent: ParentFacts | None) -> tuple[ImageFacts, int]:
    """The parent's image and the size of its snapshot."""
    wanted = request.parent
    if parent is None or wanted is None or parent.image is None:
        raise RbdError(what, f"there is no image {wanted.head if wanted else ''}", "Check the parent's name.")
    if parent.size is None:
        known = ", ".join(parent.image.snapshots) or "none"
        raise RbdError(
            what,
            f"{wanted.head} has no snapshot {wanted.snap!r} (it has: {known})",
            "Check the name, or create it (rbd_snapshot).",
        )
    if parent.must_be_protected:
        _require_version_1(what, request.spec, wanted, parent.image)
    return parent.image, parent.size


_VERSION_2 = "let the cluster make clones of version 2: ceph osd set-require-min-compat-client mimic."


def _require_version_1(what: str, spec: ImageSpec, parent: ImageSpec, image: ImageFacts) -> None:
    """Clones of version 1 are made of protected snapshots, in the parent's namespace."""
    if parent.snap not in image.protected:
        raise RbdError(
            what,
            f"the snapshot {parent} is not protected, and this cluster clones only protected ones",
            f"Protect it (rbd_snapshot, protected: true), or {_VERSION_2}",
        )
    if parent.namespace != spec.namespace:
        raise RbdError(
            what,
            "this cluster makes clones only within a namespace",
            f"Use the namespace of the parent, or {_VERSION_2}",
        )


def _import(index: int, request: ImageRequest, current: ImageCurrent) -> MakeImage:
    source = current.source
    if source is None:
        raise RbdError(f"import into {request.spec}", "no source is given", "Give the file as source.")
    size = source.virtual_size if request.size is None else request.size
    if size < source.virtual_size:
        raise RbdError(
            f"import {source.path} into {request.spec}",
            f"it holds {format_size(source.virtual_size)}, more than the size of {format_size(size)} that is given",
            "Leave the size out, or give a larger one.",
        )
    return ImportImage(index, request.name, request.spec, _new(request, _defaults(current), size), source)


def _defaults(current: ImageCurrent) -> ImageDefaults:
    """They are read whenever something may be made; without a cluster to ask, librbd's own serve."""
    return current.defaults or ImageDefaults(DECLARABLE_MASK & ~FEATURES["journaling"], Layout())


def _new(request: ImageRequest, defaults: ImageDefaults, size: int) -> ImageFacts:
    """A new image as librbd will report it."""
    layout = _layout(request, defaults.layout)
    features = defaults.features if request.features is None else request.features
    if (layout.stripe_unit, layout.stripe_count) != (layout.object_size, 1):
        features |= FEATURES["striping"]
    if layout.data_pool is not None:
        features |= FEATURES["data-pool"]
    return ImageFacts(image_id="", size=size, features=features, layout=layout, config={}, metadata={})


def _layout(request: ImageRequest, defaults: Layout) -> Layout:
    """The layout of a new image, made of what is wished and of the defaults.

    :raises RbdError: librbd would refuse it.
    """
    what = f"create {request.spec}"
    wish = request.layout
    if (wish.stripe_unit is None) != (wish.stripe_count is None):
        raise RbdError(what, "of stripe_unit and stripe_count only one is given", "Give both, or none.")
    size = wish.object_size or defaults.object_size
    if wish.stripe_unit is not None and wish.stripe_count is not None:
        unit, count = wish.stripe_unit, wish.stripe_count
    elif (defaults.stripe_unit, defaults.stripe_count) == (defaults.object_size, 1):
        unit, count = size, 1
    else:
        unit, count = defaults.stripe_unit, defaults.stripe_count
    if unit > size or size % unit:
        raise RbdError(
            what,
            f"stripes of {format_size(unit)} do not divide objects of {format_size(size)}",
            "Give a stripe_unit that divides the object size.",
        )
    return Layout(size, unit, count, _data_pool(request, defaults))


def _data_pool(request: ImageRequest, defaults: Layout) -> str | None:
    pool = request.layout.data_pool or defaults.data_pool
    return None if pool == request.spec.pool else pool
