# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a file system or a block device of this host: found among what was read, and told in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ._errors import RbdError
from ._krbd_device import KrbdDevice, mounts_of
from ._mountinfo import Mount, holding

# So many holders, and so many uses of each process, stand in an error.
TOLD = 5

# udev looks at a device after each change of it, and `rbd device unmap` waits for that to end.
PASSING = ("systemd-udevd", "udev-worker", "(udev-worker)")


@dataclass(frozen=True)
class MountSpace:
    """A mount namespace other than ours.

    :ivar pid: a process in it, by which it can be found.
    """

    pid: int
    command: str
    mounts: tuple[Mount, ...]


@dataclass(frozen=True)
class Block:
    """A block device.

    :ivar above: the names of those that stand on it: partitions, device-mapper, md.
    :ivar label: the name of a device-mapper device.
    :ivar uuid: of a device-mapper device; its beginning tells the kind, for example ``CRYPT-LUKS2-``.
    :ivar backing: what a loop device shows: the path of a file or of a device.
    """

    name: str
    devno: tuple[int, int]
    above: tuple[str, ...] = ()
    label: str = ""
    uuid: str = ""
    backing: str = ""

    @property
    def is_encryption(self) -> bool:
        return self.uuid.startswith("CRYPT-")


@dataclass(frozen=True)
class Surroundings:
    """What of this host may use a device or a file system, other than its processes.

    :ivar own: the mount table of our namespace.
    :ivar others: the further mount namespaces.
    :ivar swaps: the files and devices that are swap.
    :ivar exports: path and client of what the NFS server has handed out.
    :ivar alive: type and device of each file system that the kernel keeps, mounted or not.
    :ivar unseen: how many processes did not let us see their mount namespace.
    """

    own: tuple[Mount, ...]
    others: tuple[MountSpace, ...] = ()
    blocks: tuple[Block, ...] = ()
    swaps: tuple[str, ...] = ()
    exports: tuple[tuple[str, str], ...] = ()
    alive: tuple[tuple[str, str], ...] = ()
    unseen: int = 0


@dataclass(frozen=True)
class Handle:
    """One thing that a process uses.

    :ivar use: how, and its path, for example ``open /srv/app/log``.
    :ivar mount_id: the mount that a file lies on.
    :ivar devno: the device that it has open.
    """

    pid: int
    command: str
    use: str
    mount_id: int | None = None
    devno: tuple[int, int] | None = None


@dataclass(frozen=True)
class Handles:
    """What the processes use of what was asked for.

    :ivar unseen: how many processes could not be looked into. They may use it, too.
    """

    found: tuple[Handle, ...] = ()
    unseen: int = 0


@dataclass(frozen=True)
class Holder:
    """Something that keeps a file system or a device in use.

    :ivar release: what the reader can do about it: a sentence.
    """

    text: str
    release: str


def refusal(what: str, holders: Sequence[Holder]) -> RbdError:
    """The error for something that cannot be done because of its holders."""
    told = [holder.text for holder in holders[:TOLD]]
    if len(holders) > TOLD:
        told.append(f"{len(holders) - TOLD} more")
    releases = dict.fromkeys(holder.release for holder in holders[:TOLD])
    return RbdError(what, f"it is in use by {'; '.join(told)}", f"{' '.join(releases)} Then run again.")


def along_with(mount: Mount, around: Surroundings) -> list[Mount]:
    """The mounts in other namespaces that the kernel unmounts together with this one, because it propagates.

    Services with a view of their own (``PrivateTmp`` and the like of systemd) have such ones.
    """
    parent = _by_id(around.own).get(mount.parent_id)
    if parent is None or not parent.shared:
        return []
    reached = _reached(parent.shared, around)
    found = []
    for space in around.others:
        by_id = _by_id(space.mounts)
        for other in space.mounts:
            above = by_id.get(other.parent_id)
            if (
                above is not None
                and other.devno == mount.devno
                and not reached.isdisjoint((above.shared, above.master))
                and _place(above, other) == _place(parent, mount)
            ):
                found.append(other)
    return found


def _by_id(mounts: Iterable[Mount]) -> dict[int, Mount]:
    return {mount.mount_id: mount for mount in mounts}


def _reached(group: int, around: Surroundings) -> set[int]:
    """The peer groups that take part in what happens in this one."""
    mounts = [*around.own, *(mount for space in around.others for mount in space.mounts)]
    reached: set[int] = set()
    more = {group}
    while more:
        reached |= more
        more = {mount.shared for mount in mounts if mount.master in reached and mount.shared} - reached
    return reached


def _place(parent: Mount, mount: Mount) -> tuple[tuple[int, int], str]:
    """Where a mount lies, whatever the path to it: the directory in its parent's file system."""
    return parent.devno, parent.root.rstrip("/") + mount.path[len(parent.path.rstrip("/")) :]


def holders_of_mount(mount: Mount, going: Collection[Mount], around: Surroundings, handles: Handles) -> list[Holder]:
    """What keeps a mount from being unmounted, or its file system in use afterwards.

    :param going: the mounts that are unmounted in the same run, in whatever order, this one among them.
    """
    along = along_with(mount, around)
    ids = {mount.mount_id, *(other.mount_id for other in along)}
    gone = {one.mount_id for leaving in going for one in (leaving, *along_with(leaving, around))}
    return [
        *_processes(handle for handle in handles.found if handle.mount_id in ids),
        *_mounts_inside(ids, gone, around),
        *_mounts_elsewhere(mount, gone, around),
        *_users_of_files(mount, around),
    ]


def _processes(handles: Iterable[Handle]) -> list[Holder]:
    uses: dict[tuple[int, str], dict[str, None]] = {}
    for handle in handles:
        uses.setdefault((handle.pid, handle.command), {})[handle.use] = None
    return [
        Holder(f"process {pid} ({command}: {_listed(list(used))})", "Stop the processes.")
        for (pid, command), used in sorted(uses.items())
    ]


def _listed(uses: Sequence[str]) -> str:
    more = [f"{len(uses) - TOLD} more"] if len(uses) > TOLD else []
    return ", ".join([*uses[:TOLD], *more])


def _mounts_inside(ids: Collection[int], gone: Collection[int], around: Surroundings) -> list[Holder]:
    inside = [mount for mount in around.own if mount.parent_id in ids and mount.mount_id not in gone]
    held = [Holder(f"{mount.source}, mounted inside it at {mount.path}", f"Unmount {mount.path}.") for mount in inside]
    known = {mount.devno for mount in inside}
    for space in around.others:
        held += [
            _elsewhere(space, mount)
            for mount in space.mounts
            if mount.parent_id in ids and mount.mount_id not in gone and mount.devno not in known
        ]
    return held


def _mounts_elsewhere(mount: Mount, gone: Collection[int], around: Surroundings) -> list[Holder]:
    """The same file system in another namespace, where it would stay."""
    return [
        _elsewhere(space, other)
        for space in around.others
        for other in space.mounts
        if other.devno == mount.devno and other.mount_id not in gone
    ]


def _elsewhere(space: MountSpace, mount: Mount) -> Holder:
    return Holder(
        f"the mount at {mount.path} in the mount namespace of process {space.pid} ({space.command})",
        f"Stop the container or service of process {space.pid}.",
    )


def _users_of_files(mount: Mount, around: Surroundings) -> list[Holder]:
    """Loop devices, swap files and NFS exports on a mount."""

    def lies_on_it(path: str) -> bool:
        return path.startswith(mount.path) and holding(around.own, path) == mount

    return [
        *(_loop(block) for block in around.blocks if lies_on_it(block.backing)),
        *(_swap(path) for path in around.swaps if lies_on_it(path)),
        *(
            Holder(f"the NFS export of {path} to {client}", f"Run exportfs -u {client}:{path}.")
            for path, client in around.exports
            if lies_on_it(path)
        ),
    ]


def _loop(block: Block) -> Holder:
    return Holder(f"{block.name}, which shows {block.backing}", f"Run losetup -d /dev/{block.name}.")


def _swap(path: str) -> Holder:
    return Holder(f"swap on {path}", f"Run swapoff {path}.")


def devices_on(device: KrbdDevice, around: Surroundings, through_encryption: bool = True) -> tuple[Block, ...]:
    """The device itself and all that stands on it: partitions, device-mapper, md and loop devices, in their order.

    :param through_encryption: whether encryption of the device belongs to them.
    """
    by_name = {block.name: block for block in around.blocks}
    found = {f"rbd{device.number}": Block(f"rbd{device.number}", device.devno)}
    waiting = list(found)
    while waiting:
        name = waiting.pop(0)
        above = by_name[name].above if name in by_name else ()
        shown = [block.name for block in around.blocks if block.backing == f"/dev/{name}"]
        for block in (by_name[other] for other in (*above, *shown) if other in by_name and other not in found):
            if through_encryption or not block.is_encryption:
                found[block.name] = block
                waiting.append(block.name)
    return tuple(found.values())


def holders_of_device(
    device: KrbdDevice, around: Surroundings, handles: Handles, check_mode: bool = False
) -> list[Holder]:
    """What keeps a device from being unmapped.

    :param check_mode: what is mounted, and encryption, may be what an earlier task of the same run would have
        unmounted and closed.
    """
    stack = devices_on(device, around, through_encryption=not check_mode)
    numbers = {block.devno for block in stack}
    paths = {f"/dev/{block.name}" for block in stack}
    opened = (handle for handle in handles.found if handle.devno in numbers and handle.command not in PASSING)
    return [
        *_processes(opened),
        *(_standing(block) for block in stack[1:] if _holds(block)),
        *(_swap(path) for path in around.swaps if path in paths),
        *([] if check_mode else _file_systems(device, stack, around)),
    ]


def _holds(block: Block) -> bool:
    """A partition holds nothing by itself."""
    return bool(block.label or block.backing) or block.name.startswith("md")


def _standing(block: Block) -> Holder:
    if block.backing:
        return _loop(block)
    if not block.label:
        return Holder(block.name, f"Run mdadm --stop /dev/{block.name}.")
    if block.is_encryption:
        release = f"Run cryptsetup close {block.label}."
    elif block.uuid.startswith("LVM-"):
        release = "Deactivate its volume group (vgchange -an)."
    else:
        release = f"Run dmsetup remove {block.label}."
    return Holder(f"{block.name}, the device-mapper device {block.label}", release)


def _file_systems(device: KrbdDevice, stack: Sequence[Block], around: Surroundings) -> list[Holder]:
    """Where what is on the device is mounted, and file systems that live on without being mounted anywhere."""
    numbers = {block.devno for block in stack}
    held, mounted = [], False
    for mount in around.own:
        if mount.devno in numbers or mount in mounts_of(device, [mount]):
            mounted = True
            held.append(Holder(f"the mount at {mount.path}", f"Unmount {mount.path}."))
    for space in around.others:
        for mount in space.mounts:
            if mount.devno in numbers or mount in mounts_of(device, [mount]):
                mounted = True
                held.append(_elsewhere(space, mount))
    names = {block.name for block in stack}
    return held or [
        Holder(
            f"the file system ({fstype}) on {name}, which no mount table shows: it was unmounted lazily",
            "Stop the processes that still use it.",
        )
        for fstype, name in around.alive
        if name in names and not mounted
    ]
