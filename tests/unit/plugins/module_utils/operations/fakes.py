# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports as small things in memory. Each records what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Callable, NoReturn

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import NoRoom, RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent, ImageFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._image_use import ImageUse
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice, mapped_as
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount, at
from ansible_collections.cephclient.rbd.plugins.module_utils._operations._ports import Ports
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import ServiceState
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_devices import (
    FakeDevices,
    FakeFileSystems,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_holders import FakeHolders

# Flags of a mount of which it has one each.
ONE_OF = {"ro", "rw"}


class FakeCommands:
    """Answers each command with the next of the given ends."""

    def __init__(self, *answers: Completed) -> None:
        self.answers = list(answers)
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        assert timeout > 0
        self.ran.append(tuple(argv))
        return self.answers.pop(0)

    def follow(
        self, argv: Sequence[str], hear: Callable[[str], None], silence: float, descriptors: Sequence[int] = ()
    ) -> Completed:
        assert all(f"/dev/fd/{descriptor}" in " ".join(argv) for descriptor in descriptors)
        done = self.run(argv, silence)
        for line in done.stdout.splitlines():
            hear(line)
        return done


@dataclass
class FakeCluster:
    """A session with a cluster of some images."""

    images: dict[str, ImageFacts] = field(default_factory=dict)
    written: dict[str, Extent] = field(default_factory=dict)
    uses: dict[str, ImageUse] = field(default_factory=dict)
    lacking: RbdError | None = None
    full: bool = False
    refusal: RbdError | None = None
    log: list[str] = field(default_factory=list)

    def fsid(self) -> str:
        self.answer("fsid")
        return support.FSID

    def look_up(self, spec: ImageSpec) -> ImageFacts | None:
        self.answer(f"look_up {spec}")
        return self.images.get(str(spec.head))

    def use_of(self, spec: ImageSpec) -> ImageUse:
        self.answer(f"use_of {spec}")
        return self.uses.get(str(spec.head), ImageUse())

    def require_takeover(self, spec: ImageSpec, facts: ImageFacts) -> None:
        self.answer(f"require_takeover {spec} {facts.image_id}")
        if self.lacking is not None:
            raise self.lacking

    def require_room(self, what: str, spec: ImageSpec) -> None:
        self.answer(f"require_room {spec}")
        if self.full:
            raise NoRoom(what, f"the pool {spec.pool} is full", "Add storage.")

    def disable_features(self, spec: ImageSpec, mask: int) -> None:
        self.answer(f"disable_features {spec}")
        self.images[str(spec)] = replace(self.images[str(spec)], features=self.images[str(spec)].features & ~mask)

    def first_written(self, spec: ImageSpec, map_kept: bool = True, start: int = 0) -> Extent | None:
        self.answer(f"first_written {spec}" + ("" if map_kept else " without its object map"))
        extent = self.written.get(str(spec))
        return extent if extent and extent.offset + extent.length > start else None

    def answer(self, call: str) -> None:
        """Note what was asked; a cluster that is away answers nothing."""
        self.log.append(call)
        if self.refusal is not None:
            raise self.refusal


@dataclass
class FakeKernel:
    """Maps what the cluster has.

    :ivar links: whether udev has made its links.
    """

    cluster: FakeCluster
    mapped: list[KrbdDevice] = field(default_factory=list)
    supported: int | None = support.KRBD_FEATURES
    argv: list[tuple[str, ...]] = field(default_factory=list)
    refuses: str = ""
    links: bool = True
    log: list[str] = field(default_factory=list)

    def devices(self, spec: ImageSpec | None = None) -> tuple[KrbdDevice, ...]:
        self.log.append("devices")
        return tuple(self.mapped) if spec is None else mapped_as(self.mapped, spec)

    def linked(self, spec: ImageSpec) -> KrbdDevice | None:
        self.log.append(f"linked {spec}")
        return next(reversed(mapped_as(self.mapped, spec)), None) if self.links else None

    def supported_features(self) -> int | None:
        self.log.append("supported_features")
        return self.supported

    def map(self, spec: ImageSpec, argv: Sequence[str], timeout: float) -> str:
        assert timeout > 0
        self.argv.append(tuple(argv))
        if str(spec) == self.refuses:
            raise RbdError(f"map {spec}", "the kernel said no", "Look at dmesg.")
        image = self.cluster.images[str(spec.head)]
        made = support.device(spec, len(self.mapped), image_id=image.image_id, read_only=spec.snap is not None)
        self.mapped.append(replace(made, size=image.size))
        return made.path

    def unmap(self, device: KrbdDevice, timeout: float) -> None:
        assert timeout > 0
        self.mapped.remove(device)


@dataclass
class FakeFiles:
    """Text files and directories by path."""

    texts: dict[str, str] = field(default_factory=dict)
    paths: dict[str, PathFacts] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)

    def read(self, path: str) -> str | None:
        self.log.append(f"read {path}")
        return self.texts.get(path)

    def edit(self, path: str, change: Callable[[str], str], mode: int) -> None:
        self.log.append(f"edit {path} {mode:04o}")
        self.texts[path] = change(self.texts.get(path, ""))
        self.paths.setdefault(path, PathFacts(path, "other", False, Ownership(0, 0, mode)))

    def remove(self, path: str) -> None:
        self.log.append(f"remove {path}")
        self.texts.pop(path, None)
        self.paths.pop(path, None)

    def look(self, path: str) -> PathFacts:
        self.looked.append(path)
        return self.paths.get(path, PathFacts(path, "absent", True, Ownership()))

    def resolve(self, path: str) -> PathFacts:
        real = self.paths[path].real if path in self.paths else path
        return PathFacts(real, "unknown", False, Ownership())

    def make_directory(self, path: str, mode: int) -> None:
        self.log.append(f"make {path} {mode:04o}")
        self.paths[path] = PathFacts(path, "directory", True, Ownership(0, 0, mode))

    def set_ownership(self, path: str, ownership: Ownership) -> None:
        self.log.append(f"own {path} {ownership}")
        if path in self.texts:
            self.paths[path] = replace(self.paths[path], ownership=ownership)


@dataclass
class FakeMounts:
    """A mount table, each mount on top of those that are there already.

    :ivar ignores: an option that a remount passes over, as some file systems do.
    """

    kernel: FakeKernel
    files: FakeFiles
    held: list[Mount] = field(default_factory=lambda: [support.root_mount()])
    log: list[str] = field(default_factory=list)
    refuses: str = ""
    states: dict[str, FilesystemState] = field(default_factory=dict)
    ignores: str = ""

    def table(self) -> tuple[Mount, ...]:
        return tuple(self.held)

    def reload(self, fstab: str) -> None:
        self.log.append(f"reload {fstab}")

    def mount(self, path: str, fstab: str) -> None:
        self.log.append(f"mount {path}")
        if path == self.refuses:
            raise RbdError(f"mount {path}", "wrong fs type", "Check it.")
        lines = [line.split() for line in self.files.texts.get(fstab, "").splitlines()]
        sources = [line[0] for line in lines if line[1:2] == [path]]
        if not sources:
            raise RbdError(f"mount {path}", f"it is not in {fstab}", "Add it.")
        device = next(device for device in self.kernel.mapped if device.spec.device == sources[0])
        self.hold(path, device.devno)

    def hold(self, path: str, devno: tuple[int, int] = (252, 0)) -> None:
        """As mount(2) does: what is seen there or above it is the parent."""
        above = [at(self.held, str(place)) for place in (PurePosixPath(path), *PurePosixPath(path).parents)]
        parent = next(mount for mount in above if mount is not None)
        self.held.append(support.mount(path, devno, 50 + len(self.held), parent.mount_id))

    def inspect(self, mount: Mount) -> FilesystemState:
        return self.states.get(mount.path, FilesystemState())

    def remount(self, path: str, opts: str, fstab: str) -> None:
        self.log.append(f"remount {path} {opts} {fstab}")
        seen = at(self.held, path)
        assert seen is not None, "nothing is seen there"
        flags = seen.opts.split(",")
        for word in opts.split(","):
            if word != self.ignores:
                flags = [flag for flag in flags if not {flag, word} <= ONE_OF and flag.removeprefix("no") != word]
                flags += [word] if word.startswith("no") or word in ONE_OF else []
        access = "ro" if "ro" in flags else "rw"
        self.held[self.held.index(seen)] = replace(seen, opts=",".join(flags), super_opts=access)

    def unmount(self, path: str) -> None:
        self.log.append(f"unmount {path}")
        seen = at(self.held, path)
        assert seen is not None, "nothing is seen there"
        if any(mount.parent_id == seen.mount_id for mount in self.held):
            raise RbdError(f"unmount {path}", "the target is busy", "Stop what uses it.")
        self.held.remove(seen)


@dataclass
class FakeServices:
    """Units and their states. Nothing stops or restarts one.

    :ivar refuses: the verb that systemd refuses.
    """

    states: dict[str, ServiceState] = field(
        default_factory=lambda: {"rbdmap.service": ServiceState("enabled", "active")}
    )
    number: int = 252
    refuses: str = ""
    log: list[str] = field(default_factory=list)

    def state(self, unit: str) -> ServiceState:
        return self.states[unit]

    def release(self) -> int:
        return self.number

    def reload(self) -> None:
        self._do("reload")
        self.states = {unit: replace(state, outdated=False) for unit, state in self.states.items()}

    def enable(self, unit: str) -> None:
        self._do(f"enable {unit}")
        self.states[unit] = replace(self.states[unit], enabled="enabled")

    def start(self, unit: str) -> None:
        self._do(f"start {unit}")
        self.states[unit] = replace(self.states[unit], active="active")

    def _do(self, call: str) -> None:
        self.log.append(call)
        if call.split(maxsplit=1)[0] == self.refuses:
            raise RbdError(call, "systemd said no", "Look at the journal.")


class FakeHost:
    """All the ports of one host."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.kernel = FakeKernel(self.cluster)
        self.files = FakeFiles()
        self.mounts = FakeMounts(self.kernel, self.files)
        self.devices = FakeDevices()
        self.filesystems = FakeFileSystems()
        self.services = FakeServices()
        self.holders = FakeHolders(self.mounts.table)
        self.ports = Ports(
            kernel=self.kernel,
            mounts=self.mounts,
            files=self.files,
            devices=self.devices,
            services=self.services,
            need_bindings=lambda: None,
            filesystems=self.filesystems,
            holders=self.holders,
        )


class ModuleEnd(Exception):
    """A module's last word."""

    def __init__(self, failed: bool, result: dict[str, Any]) -> None:
        self.failed = failed
        self.result = result
        super().__init__(str(result))


class FakeModule:
    """As much of AnsibleModule as the boundary uses."""

    def __init__(self, params: dict[str, Any], check_mode: bool = False) -> None:
        self.params = params
        self.check_mode = check_mode
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def exit_json(self, **result: Any) -> NoReturn:
        raise ModuleEnd(False, result)

    def fail_json(self, **result: Any) -> NoReturn:
        raise ModuleEnd(True, result)
