# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the cluster: what the plan of rbd_image depends on."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .._errors import RbdError
from .._image_facts import Child, ImageFacts, Layout, TrashedImage
from .._image_spec import ImageSpec
from .._image_wish import ImageDefaults, ParentFacts
from .bindings import rados, rbd
from .ceph_errors import NoImage
from .cluster import LibrbdSession, user_snapshots
from .dead_clients import FORGETTING, DeadClients
from .half_made import MAKING, is_half_made
from .image_use import read_watchers
from .open_image import clones_of, layout_of, parent_of, settings_of, snapshots_of

# The first release of Ceph that knows clones of unprotected snapshots (version 2).
_CLONE_V2_RELEASE = "mimic"


class Images(Protocol):
    """Reads images. All methods raise RbdError."""

    def fsid(self) -> str:
        """The cluster's identity."""

    def read(
        self, spec: ImageSpec, children: bool = False, settings: bool = False, clone: bool = False
    ) -> ImageFacts | None:
        """The image's facts, or None without such an image.

        :param children: read its clones, too.
        :param settings: read its overrides and metadata, too.
        :param clone: whether it shall have a parent; one that another run is just making is waited for.
        """

    def trashed(self, spec: ImageSpec) -> tuple[TrashedImage, ...]:
        """What a user has moved to the trash under that name."""

    def unfinished(self, spec: ImageSpec, prefix: str) -> tuple[str, ...]:
        """The names in the pool that begin so, and that nobody has open."""

    def defaults(self, spec: ImageSpec) -> ImageDefaults:
        """What a new image of that pool gets."""

    def obstacle(self, pools: Iterable[str]) -> tuple[str, str] | None:
        """Why nothing can be written to one of these pools, as cause and advice; None if nothing is in the way."""

    def parent(self, spec: ImageSpec) -> ParentFacts:
        """The snapshot that a clone shall be made of."""

    def config_faults(self, spec: ImageSpec, config: Mapping[str, str | None]) -> dict[str, str]:
        """The overrides that librbd would refuse, each with the reason."""

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        """Wait for the cluster to forget clients of this host that have died with the image open.

        :param spec: of the image, or of one beside it.
        :returns: whether it is worth looking again.
        """


class LibrbdImages:
    """The real images."""

    def __init__(self, session: LibrbdSession) -> None:
        self._session = session
        self._dead_clients = DeadClients(session)
        self._waits_since = 0.0

    def fsid(self) -> str:
        return self._session.fsid()

    def read(
        self, spec: ImageSpec, children: bool = False, settings: bool = False, clone: bool = False
    ) -> ImageFacts | None:
        facts = self._read(spec, children, settings)
        while clone and facts is not None and facts.parent is None:
            if not self._may_become_a_clone(facts):
                return None if is_half_made(self._session, spec, clone) else facts
            facts = self._read(spec, children, settings)
        return facts

    def trashed(self, spec: ImageSpec) -> tuple[TrashedImage, ...]:
        with self._session.pool(spec, f"look into the trash of {spec.pool_path}") as ioctx:
            entries = [entry for entry in rbd.RBD().trash_list(ioctx) if entry["name"] == spec.image]
        return tuple(self._trashed(spec, entry) for entry in entries if entry["source"] == "USER")

    def unfinished(self, spec: ImageSpec, prefix: str) -> tuple[str, ...]:
        with self._session.pool(spec, f"list the images of {spec.pool_path}") as ioctx:
            names = [str(name) for name in rbd.RBD().list(ioctx) if str(name).startswith(prefix)]
        found = [(name, self.read(ImageSpec(spec.pool, spec.namespace, name))) for name in names]
        return tuple(name for name, facts in found if facts is not None and not facts.watchers)

    def defaults(self, spec: ImageSpec) -> ImageDefaults:
        values = self._pool_config(spec)
        size = 1 << int(values["rbd_default_order"])
        unit = int(values["rbd_default_stripe_unit"]) or size
        count = int(values["rbd_default_stripe_count"]) or 1
        layout = Layout(size, unit, count, values["rbd_default_data_pool"] or None)
        return ImageDefaults(int(values["rbd_default_features"]), layout)

    def obstacle(self, pools: Iterable[str]) -> tuple[str, str] | None:
        return self._session.obstacle(pools)

    def parent(self, spec: ImageSpec) -> ParentFacts:
        try:
            with self._session.open(spec.head, f"look at {spec}") as image:
                sizes = {str(snap["name"]): int(snap["size"]) for snap in image.list_snaps()}
                return ParentFacts(
                    self._facts(image, spec, False, True), sizes.get(spec.snap or ""), self._clones_protected(spec)
                )
        except NoImage:
            return ParentFacts(None, None, False)

    def config_faults(self, spec: ImageSpec, config: Mapping[str, str | None]) -> dict[str, str]:
        known = self._pool_config(spec)
        scratch = rados.Rados()
        faults = {}
        for name, value in config.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                faults[name] = "librbd has no such option for an image" + (f" (but {close[0]})" if close else "")
            elif value is not None:
                try:
                    scratch.conf_set(name, value)
                except rados.Error:
                    faults[name] = f"librbd does not take the value {value!r} for it"
        return faults

    def await_forgotten(self, spec: ImageSpec, facts: ImageFacts) -> bool:
        return self._dead_clients.await_forgotten(spec, facts)

    def _read(self, spec: ImageSpec, children: bool, settings: bool) -> ImageFacts | None:
        try:
            with self._session.open(spec, f"look at {spec}") as image:
                return self._facts(image, spec, children, settings)
        except NoImage:
            return None

    def _may_become_a_clone(self, facts: ImageFacts) -> bool:
        """Wait a moment for an image to get its parent; False once that has been long enough for all of them."""
        self._waits_since = self._waits_since or time.monotonic()
        time.sleep(0.2)
        return time.monotonic() < self._waits_since + (FORGETTING if facts.watchers else MAKING)

    def _facts(self, image: Any, spec: ImageSpec, children: bool, settings: bool) -> ImageFacts:
        snapshots = user_snapshots(image)
        config, metadata = self._settings(image, spec) if settings else (None, None)
        return ImageFacts(
            image_id=image.id(),
            size=int(image.size()),
            features=int(image.features()),
            snapshots=snapshots,
            watchers=read_watchers(image),
            flags=int(image.flags()),
            op_features=int(image.op_features()),
            layout=layout_of(image, self._pool_name),
            parent=parent_of(image),
            protected=tuple(name for name in snapshots if image.is_protected_snap(name)),
            hidden_snapshots=len(list(image.list_snaps())) - len(snapshots),
            children=self._children(image, spec.namespace) if children else (),
            config=config,
            metadata=metadata,
        )

    def _settings(self, image: Any, spec: ImageSpec) -> tuple[dict[str, str], dict[str, str]]:
        with self._session.pool(spec, f"read the settings of {spec}") as ioctx:
            return settings_of(ioctx, image)

    def _children(self, image: Any, namespace: str) -> tuple[Child, ...] | None:
        clones = clones_of(image, snapshots_of(image, namespace, self._pool_name))
        return None if clones is None else tuple(clone.child for clone in clones)

    def _pool_name(self, number: int) -> str:
        return str(self._session.connected().pool_reverse_lookup(number))

    def _trashed(self, spec: ImageSpec, entry: Mapping[str, Any]) -> TrashedImage:
        with self._session.open(spec, f"look at {spec} in the trash", image_id=entry["id"]) as image:
            facts = self._facts(image, spec, False, True)
        deleted = entry["deletion_time"].isoformat() + "Z"
        return TrashedImage(str(entry["id"]), str(entry["name"]), facts, deleted)

    def _pool_config(self, spec: ImageSpec) -> dict[str, str]:
        """Librbd's options in force for images of that pool."""
        with self._session.pool(spec, f"read the options of pool {spec.pool}") as ioctx:
            return {str(option["name"]): str(option["value"]) for option in rbd.RBD().config_list(ioctx)}

    def _clones_protected(self, spec: ImageSpec) -> bool:
        """Whether clones are of version 1, which need protected snapshots.

        As in CloneRequest<I>::validate_options() of src/librbd/image/CloneRequest.cc.
        """
        wanted = self._pool_config(spec)["rbd_default_clone_format"]
        if wanted in ("1", "2"):
            return wanted == "1"
        release = str(self._session.osdmap()["require_min_compat_client"])
        # The names of the releases follow the alphabet.
        return release < _CLONE_V2_RELEASE


def require_unwatched(image: Any, what: str, own: int) -> None:
    """Refuse if somebody else has an image open that is open for writing here.

    :param own: the id of this client in the cluster.
    """
    others = [watcher for watcher in read_watchers(image) if watcher.client != f"client.{own}"]
    if others:
        users = ", ".join(str(watcher) for watcher in others)
        raise RbdError(what, f"it is in use by {users}", "Unmap or close it there first.")
