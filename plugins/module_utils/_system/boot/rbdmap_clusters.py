# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters of rbdmap's lines, asked in bounded time who has an image open for writing, or has locked it."""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, TimeoutError as Unfinished
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

try:
    import rados
    import rbd
except ImportError:
    rados = rbd = None

# Seconds that a cluster has to answer.
ANSWER = 15
# Images that may time out, one by one, before the rest is left to the next attempt: of all of them in the one that the
# boot waits for, and of each pool in those after it, so that no pool is left for ever because of another one.
SILENCES_AT_BOOT = 2
SILENCES = 8

# OSDs that were cut off for longer than osd_client_watch_timeout (30 s) have forgotten who watches an image: one in use
# looks unused until the kernels there are connected again. They try at least every 30 s (CEPH_MONC_HUNT_MAX_MULT), and
# 15 s (MAX_DELAY_INTERVAL). So many seconds after a cluster began to answer,
COMEBACK = 60  # who holds the lock of an image watches it again, or is dead;
SETTLED = 10  # somebody watches an image that has no locks. Each boot waits for that.

# How the cookies of locks begin that librbd and the kernel take by themselves (librbd/ManagedLock.cc, krbd).
_AUTOMATIC = "auto "
DEVICES = Path("/sys/bus/rbd/devices")
_ADDRESS = re.compile(r"(?:v[12]:)?\[?([0-9A-Fa-f.:]+?)\]?:\d+/\d+")


def have_bindings() -> bool:
    """Whether the clusters can be asked at all."""
    return rados is not None


class Refused(Exception):
    """An image is not mapped or mounted, and the reason is no silence of the cluster."""


class Silent(Exception):
    """The cluster does not answer in time."""


class Unasked(Silent):
    """Others did not answer, so this one was not asked for."""


@dataclass(frozen=True)
class Use:
    """Who uses an image: client and address of each.

    :ivar cluster: the fsid; the number of a client is its own in one cluster only.
    :ivar watchers: who has it open for writing, as far as the OSDs know now.
    :ivar owners: who holds its lock, whether they watch it (still, or again) or not.
    :ivar locking: whether who writes to it holds its lock.
    """

    cluster: str
    watchers: tuple[tuple[str, str], ...]
    owners: tuple[tuple[str, str], ...]
    locking: bool


class Clusters:
    """The clusters of the lines, asked in bounded time over one connection for each user; by several threads."""

    def __init__(self, *, at_boot: bool) -> None:
        self._handles: dict[tuple[str, ...], Any] = {}
        self._away: set[tuple[str, str]] = set()
        self._at_boot = at_boot
        self._silences: Counter[tuple[str, ...]] = Counter()
        self._connecting = threading.Lock()
        # Whatever time-outs it is given, librbd may wait for ever. So main() does not wait for these threads.
        self._threads = ThreadPoolExecutor(max_workers=32)

    def use(self, spec: str, words: Sequence[str]) -> Use:
        """Who uses the image. To look is not to watch.

        :raises Refused: it cannot be looked at.
        :raises Silent: no answer in time.
        """
        with self._connecting:
            handle = self._handle(_without_map_options(words))
        place = () if self._at_boot else (*_cluster(words), spec.split("/", maxsplit=1)[0])
        most = SILENCES_AT_BOOT if self._at_boot else SILENCES
        if self._silences[place] >= most:
            raise Unasked(f"{most} images have not answered, so the others are left to the next attempt")
        try:
            found: Use = self._in_time(_look, handle, spec, _value(words, "--namespace"))
        except Silent:
            self._silences[place] += 1
            raise Silent(f"no OSD has answered within {ANSWER} seconds") from None
        return found

    def _in_time(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._threads.submit(ask, *arguments).result(ANSWER)
        except Unfinished as error:
            raise Silent("unfinished") from error
        except (rados.Error, rbd.Error) as error:
            if getattr(error, "errno", None) == errno.ETIMEDOUT:
                raise Silent(str(error)) from error
            raise Refused(str(error)) from error

    def _handle(self, words: tuple[str, ...]) -> Any:
        cluster = _cluster(words)
        if cluster not in self._away and words not in self._handles:
            try:
                self._handles[words] = self._in_time(_connect, words)
            except Silent:
                self._away.add(cluster)
        if cluster in self._away:
            raise Silent(f"no monitor has answered within {ANSWER} seconds")
        return self._handles[words]


def _connect(words: Sequence[str]) -> Any:
    user = _value(words, "--id") or _value(words, "--user") or "admin"
    name = _value(words, "--name") or f"client.{user}"
    handle = rados.Rados(name=name, clustername=_value(words, "--cluster") or None, conffile=_value(words, "--conf"))
    handle.conf_parse_env()
    handle.conf_parse_argv(list(words))
    for option in ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout"):
        handle.conf_set(option, str(ANSWER))
    handle.connect()
    return handle


def _look(handle: Any, spec: str, namespace: str) -> Use:
    pool, *middle = spec.split("@", maxsplit=1)[0].split("/")
    with handle.open_ioctx(pool) as ioctx:
        ioctx.set_namespace(middle[0] if len(middle) > 1 else namespace)
        with rbd.Image(ioctx, middle[-1], read_only=True) as image:
            watchers = tuple((f"client.{seen['id']}", str(seen["addr"])) for seen in image.watchers_list())
            # An empty list stands for no lock at all. One that is taken by hand says nothing of who writes.
            lockers = dict(image.list_lockers() or {}).get("lockers", ())
            owners = tuple((client, str(place)) for client, cookie, place in lockers if cookie.startswith(_AUTOMATIC))
            locking = bool(image.features() & rbd.RBD_FEATURE_EXCLUSIVE_LOCK)
            return Use(str(handle.get_fsid()), watchers, owners, locking)


def _without_map_options(words: Sequence[str]) -> tuple[str, ...]:
    """The parameters of a connection."""
    return tuple(word for word, last in zip(words, ["", *words]) if "--options" not in (word, last))


def _cluster(words: Sequence[str]) -> tuple[str, str]:
    return _value(words, "--conf"), _value(words, "--cluster")


def _value(words: Sequence[str], name: str) -> str:
    """The last value of a parameter, or an empty text."""
    return next((value for word, value in reversed([*zip(words, words[1:])]) if word == name), "")


def others(use: Use, note: Path) -> tuple[Sequence[tuple[str, str]], str]:
    """Who else has the image open, and why that, or that nobody has, may be a mistake; empty if it is none.

    :param note: the file that keeps since when the cluster answers for this image.
    """
    own = kernel_clients(use.cluster)
    watchers = [watcher for watcher in use.watchers if watcher[0] not in own]
    if watchers:
        # What this host itself had open before a crash: the cluster forgets it within 30 seconds.
        return watchers, "a crash" if all(is_local(address) for _client, address in watchers) else ""
    return [], doubt(use, own, time.monotonic() - answering_since(note))


def doubt(use: Use, own: set[str], seconds: float) -> str:
    """Why an image that no other client watches may be in use all the same; empty if it is not.

    :param own: what this host's kernel is to the cluster.
    :param seconds: for how long the cluster has answered.
    """
    holders = [owner for owner in use.owners if owner[0] not in own and not is_local(owner[1])]
    if holders and seconds < COMEBACK:
        return (
            f"it was left locked by {names(holders)}, which may be cut off from the cluster and come back. It is tried "
            f"again, and mapped if that client is not back {COMEBACK} seconds after the cluster has begun to answer"
        )
    if not use.locking and seconds < SETTLED:
        return "the cluster may not know yet who has it open. It is tried again"
    return ""


def answering_since(note: Path) -> float:
    """When the cluster began to answer for an image, on the clock of this boot: what an attempt noted in this file."""
    try:
        return float(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        now = time.monotonic()
        note.write_text(str(now), encoding="ascii")
        return now


def names(clients: Sequence[tuple[str, str]]) -> str:
    """Clients and their addresses, for a sentence."""
    return ", ".join(f"{client} at {address}" for client, address in clients)


def kernel_clients(cluster: str) -> set[str]:
    """The clients that this host's kernel is to a cluster."""
    found = set()
    for device in DEVICES.glob("*"):
        # It may be unmapped at this very moment.
        with suppress(OSError):
            if (device / "cluster_fsid").read_text(encoding="ascii").strip() == cluster:
                # The kernel writes client4123, the cluster client.4123.
                client = (device / "client_id").read_text(encoding="ascii").strip()
                found.add(client.replace("client", "client.", 1))
    return found


def is_local(address: str) -> bool:
    """Whether an address of a watcher, as ``10.0.0.1:0/123``, is one of this host."""
    found = _ADDRESS.fullmatch(address)
    host = found.group(1) if found else ""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Sends nothing. Only to itself does a host speak from the address that it speaks to; to bind to a foreign
            # one may be allowed as well (net.ipv4.ip_nonlocal_bind).
            probe.connect((host, 9))
            return bool(host) and probe.getsockname()[0] == host
    except OSError:
        return False
