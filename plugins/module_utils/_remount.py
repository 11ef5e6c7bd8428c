# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the change of a live mount's options, as far as it interrupts nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._errors import RbdError
from ._krbd_device import KrbdDevice, mounts_of
from ._mount import MountCurrent, MountRequest
from ._mount_options import Difference, FilesystemState, differences, fault, wants_writing
from ._mountinfo import Mount, at
from ._plan import Action

CHECK_IT = "Look at dmesg, unmount it, check it (fsck, xfs_repair), and mount it again."


@dataclass(frozen=True)
class Live:
    """A mount that is seen where it is declared.

    :ivar device: the mapping that it is on.
    :ivar others: the mount table.
    """

    mount: Mount
    device: KrbdDevice
    state: FilesystemState
    others: tuple[Mount, ...]

    def differences(self, request: MountRequest) -> tuple[Difference, ...]:
        """In what its options differ from the declared ones."""
        return differences(request.opts, self.mount, self.state, self.device.read_only)

    @property
    def fault(self) -> str | None:
        """Why it must be checked before it is written to, or None."""
        return fault(self.mount, self.others, self.state)


@dataclass(frozen=True)
class Remount(Action):
    """Change a live mount's options.

    :ivar differing: what shall change.
    """

    kind: ClassVar[str] = "remount"

    differing: tuple[Difference, ...]

    @property
    def opts(self) -> str:
        """What mount is told beside what the line in fstab says."""
        return ",".join(difference.wanted for difference in self.differing)

    def before(self) -> str:
        return ",".join(difference.actual for difference in self.differing)

    def after(self) -> str:
        return self.opts

    def result(self) -> dict[str, Any]:
        return {**super().result(), "opts": self.opts}


def seen(request: MountRequest, current: MountCurrent) -> tuple[Mount, KrbdDevice] | None:
    """The image's mount at its mount point with the mapping that it is on, or None."""
    if request.state != "mounted" or current.path is None:
        return None
    there = at(current.mounts, current.path.real)
    owners = [device for device in current.devices if there in mounts_of(device, current.mounts)]
    return (there, owners[0]) if there is not None and owners else None


def plan_remount(index: int, request: MountRequest, live: Live) -> list[Action]:
    """One remount for all that it can change; none of a file system that has to be checked first."""
    changing = tuple(difference for difference in live.differences(request) if difference.remountable)
    return [] if live.fault or not changing else [Remount(index, live.mount.path, changing)]


def remount_warnings(request: MountRequest, live: Live) -> Sequence[str]:
    """Sentences on what stays as it is, and why."""
    what = f"{request.spec} at {live.mount.path}"
    if live.fault:
        return [f"{what} is not remounted: {live.fault}. {CHECK_IT}"]
    later = [difference for difference in live.differences(request) if not difference.remountable]
    found = [
        f"{what} is mounted with {difference.actual}, not {difference.wanted}. That changes when it is mounted anew."
        for difference in later
    ]
    if live.device.read_only and wants_writing(request.opts):
        found.append(
            f"{what} is mounted read-only, since {live.device.path} is. "
            "Have ro among its options if that is meant, or map it for writing."
        )
    return found


def require_taken(action: Remount, mount: Mount, state: FilesystemState) -> None:
    """Refuse to report a change that the kernel has not made.

    :raises RbdError: something that was to change is as before.
    """
    left = [
        difference.actual for difference in differences(action.opts, mount, state, False) if _of(difference, action)
    ]
    if left:
        raise RbdError(
            f"remount {action.subject} with {action.opts}",
            f"the kernel has left {','.join(left)} as it was",
            "Unmount it and mount it again to have these options; dmesg may say more.",
        )


def _of(difference: Difference, action: Remount) -> bool:
    """Whether it is one that the action was to end."""
    return difference.wanted in {asked.wanted for asked in action.differing}
