# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to images in the cluster."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Callable, Protocol

from .._errors import Overtaken, RbdError
from .._features import DECLARABLE_MASK
from .._image_facts import ImageFacts
from .._image_spec import ImageSpec
from .bindings import rbd
from .ceph_errors import NoImage
from .cluster import LibrbdSession
from .half_made import make_anew
from .images import require_unwatched
from .progress import OnProgress


class ImageChanges(Protocol):
    """Changes images. All methods raise RbdError; Overtaken where another run has been faster."""

    def create(self, spec: ImageSpec, facts: ImageFacts) -> None:
        """Create an empty image with the size, the features and the layout of ``facts``."""

    def create_filled(self, spec: ImageSpec, facts: ImageFacts, fill: Callable[[ImageSpec], None]) -> None:
        """Create an image with content, which is under its name only once it is whole.

        :param fill: writes the content into the empty image of that name.
        """

    def clone(self, spec: ImageSpec, facts: ImageFacts) -> None:
        """Clone the snapshot ``facts.parent``."""

    def restore(self, spec: ImageSpec, image_id: str) -> None:
        """Take an image out of the trash."""

    def rename(self, old: ImageSpec, new: ImageSpec) -> None:
        """Rename an image within its pool and namespace; Overtaken where another image has got the name."""

    def resize(self, spec: ImageSpec, size: int, shrink: bool) -> None:
        """Make an image larger, or with ``shrink`` smaller.

        :param size: bytes.
        """

    def change_features(self, spec: ImageSpec, enable: int, disable: int) -> None:
        """Enable and disable features, given as masks."""

    def rebuild_object_map(self, spec: ImageSpec) -> None:
        """Look at every object anew, so that the object map is valid."""

    def flatten(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        """Copy what is shared with the parent, and detach the image from it."""

    def set_config(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        """Set overrides of librbd's options; None removes one."""

    def set_metadata(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        """Set metadata; None removes a name."""

    def purge_snapshots(self, spec: ImageSpec, names: tuple[str, ...], protected: tuple[str, ...]) -> None:
        """Remove snapshots; those protected are unprotected first."""

    def remove(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        """Remove an image with all its data."""

    def trash(self, spec: ImageSpec, retention: int) -> None:
        """Move an image to the trash.

        :param retention: seconds for which it may not be removed from there.
        """


class LibrbdImageChanges:
    """The real images."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session

    def create(self, spec: ImageSpec, facts: ImageFacts) -> None:
        def make() -> None:
            with self._session.pool(spec, f"create {spec}") as ioctx:
                rbd.RBD().create(ioctx, spec.image, facts.size, old_format=False, **_options(facts))

        make_anew(self._session, spec, make)

    def create_filled(self, spec: ImageSpec, facts: ImageFacts, fill: Callable[[ImageSpec], None]) -> None:
        unfinished = replace(spec, image=unfinished_prefix(spec) + uuid.uuid4().hex[:8])
        self.create(unfinished, facts)
        try:
            fill(unfinished)
            self.rename(unfinished, spec)
        except BaseException:
            # What went wrong first is what has to be told. What stays is named by the next run.
            with contextlib.suppress(RbdError), self._session.pool(unfinished, f"remove {unfinished}") as ioctx:
                rbd.RBD().remove(ioctx, unfinished.image)
            raise

    def clone(self, spec: ImageSpec, facts: ImageFacts) -> None:
        parent = facts.parent or spec
        what = f"clone {parent} to {spec}"

        def make() -> None:
            with self._session.pool(parent, what) as source, self._session.pool(spec, what) as target:
                # By position: Ceph 20.2 has renamed the argument of the snapshot.
                rbd.RBD().clone(source, parent.image, parent.snap, target, spec.image, **_options(facts))

        make_anew(self._session, spec, make, clone=True)

    def restore(self, spec: ImageSpec, image_id: str) -> None:
        with self._session.pool(spec, f"restore {spec}") as ioctx:
            rbd.RBD().trash_restore(ioctx, image_id, spec.image)

    def rename(self, old: ImageSpec, new: ImageSpec) -> None:
        what = f"rename {old} to {new}"
        with self._session.open(old, what) as image:
            image_id = image.id()
        with self._session.pool(old, what) as ioctx:
            rbd.RBD().rename(ioctx, old.image, new.image)
        # librbd takes the error that the new name exists for the success of a request that was sent twice
        # (Operations<I>::rename() in src/librbd/Operations.cc), also where another image has got the name.
        with self._session.open(new, what) as image:
            if image.id() != image_id:
                raise Overtaken(what, f"another run made {new} concurrently", "Run again.")

    def resize(self, spec: ImageSpec, size: int, shrink: bool) -> None:
        what = f"{'shrink' if shrink else 'grow'} {spec}"
        with self._open(spec, what, alone=shrink) as image:
            # resize() shrinks by default.
            image.resize(size, allow_shrink=shrink)

    def change_features(self, spec: ImageSpec, enable: int, disable: int) -> None:
        with self._open(spec, f"change the features of {spec}", alone=True) as image:
            if disable:
                image.update_features(disable, False)
            if enable:
                image.update_features(enable, True)

    def rebuild_object_map(self, spec: ImageSpec) -> None:
        with self._open(spec, f"rebuild the object map of {spec}") as image:
            image.rebuild_object_map()

    def flatten(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        with self._open(spec, f"flatten {spec}") as image:
            image.flatten(on_progress=on_progress)

    def set_config(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        with self._open(spec, f"set the config of {spec}") as image:
            _set(values, image.config_set, image.config_remove)

    def set_metadata(self, spec: ImageSpec, values: Mapping[str, str | None]) -> None:
        with self._open(spec, f"set the metadata of {spec}") as image:
            _set(values, image.metadata_set, image.metadata_remove)

    def purge_snapshots(self, spec: ImageSpec, names: tuple[str, ...], protected: tuple[str, ...]) -> None:
        with self._open(spec, f"remove the snapshots of {spec}", alone=True) as image:
            for name in protected:
                image.unprotect_snap(name)
            for name in names:
                image.remove_snap(name)

    def remove(self, spec: ImageSpec, on_progress: OnProgress) -> None:
        what = f"remove {spec}"
        self._require_unwatched(spec, what)
        with self._leaving(spec, what) as ioctx:
            rbd.RBD().remove(ioctx, spec.image, on_progress=on_progress)

    def trash(self, spec: ImageSpec, retention: int) -> None:
        # trash_move() takes an image from under a client that has it open, if it lacks the exclusive lock.
        what = f"move {spec} to the trash"
        self._require_unwatched(spec, what)
        with self._leaving(spec, what) as ioctx:
            rbd.RBD().trash_move(ioctx, spec.image, retention)

    @contextlib.contextmanager
    def _open(self, spec: ImageSpec, what: str, alone: bool = False) -> Iterator[Any]:
        """An image open for writing.

        :param alone: refuse if it is open elsewhere: it may have been opened since the plan was made.
        """
        with self._session.open(spec, what, read_only=False) as image:
            if alone:
                require_unwatched(image, what, self._own())
            yield image

    def _require_unwatched(self, spec: ImageSpec, what: str) -> None:
        """Refuse if it is open elsewhere. Two clients that remove the same image can wait for each other for ever."""
        with self._session.open(spec, what) as image:
            require_unwatched(image, what, self._own())

    @contextlib.contextmanager
    def _leaving(self, spec: ImageSpec, what: str) -> Iterator[Any]:
        """The pool of an image that goes. Tells one that is gone already from one that librbd only says is.

        It removes an image by way of the trash. Where a pool is full no entry can be made there, and the
        error that comes back is that none was found (Trash<I>::move() in src/librbd/api/Trash.cc).
        """
        with self._session.pool(spec, what) as ioctx:
            try:
                yield ioctx
            except rbd.ImageNotFound:
                with contextlib.suppress(NoImage), self._session.open(spec, what):
                    raise RbdError(
                        what,
                        f"nothing can be written to {spec.pool_path}, not even that it is to go",
                        "Most likely it is full (ceph df): raise the full ratio for the removal, or add storage.",
                    ) from None
                raise

    def _own(self) -> int:
        """The id of this client in the cluster."""
        return int(self._session.connected().get_instance_id())


def unfinished_prefix(spec: ImageSpec) -> str:
    """How the name of an image begins while its content is being written."""
    return f"{spec.image}.unfinished-"


def _options(facts: ImageFacts) -> dict[str, Any]:
    """Features and layout as librbd takes them; what it derives from the layout is not for it to be told."""
    layout = facts.layout
    striped = (layout.stripe_unit, layout.stripe_count) != (layout.object_size, 1)
    return {
        "features": facts.features & DECLARABLE_MASK,
        "order": layout.object_size.bit_length() - 1,
        "stripe_unit": layout.stripe_unit if striped else None,
        "stripe_count": layout.stripe_count if striped else None,
        "data_pool": layout.data_pool,
    }


def _set(values: Mapping[str, str | None], change: Callable[[str, str], None], remove: Callable[[str], None]) -> None:
    for name, value in values.items():
        if value is not None:
            change(name, value)
            continue
        try:
            remove(name)
        except KeyError:
            raise Overtaken(f"remove {name}", "another run has removed it at this very moment", "Run again.") from None
