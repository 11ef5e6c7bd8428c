# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever uses a mount or a device is found among what was read of the host, and told in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._holders import (
    Block,
    Handle,
    Handles,
    Holder,
    MountSpace,
    Surroundings,
    along_with,
    devices_on,
    holders_of_device,
    holders_of_mount,
    refusal,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    btrfs,
    device,
    is_sentence,
    mount,
    root_mount,
)

ROOT = replace(root_mount(), shared=1)
APP_MOUNT = mount("/srv/app")
OWN = (ROOT, APP_MOUNT)
# A service of systemd with a view of its own, which takes part in what is mounted and unmounted.
SLAVE_ROOT = replace(ROOT, mount_id=200, parent_id=199, shared=0, master=1)
SLAVE_APP = replace(APP_MOUNT, mount_id=201, parent_id=200)


def around(*others: tuple[Mount, ...], own: tuple[Mount, ...] = OWN, **further: object) -> Surroundings:
    spaces = tuple(MountSpace(700 + index, "svc", mounts) for index, mounts in enumerate(others))
    return replace(Surroundings(own, spaces), **further)  # type: ignore[arg-type]  # a test's own fields


def texts(holders: list[Holder]) -> list[str]:
    return [holder.text for holder in holders]


def of_mount(found: Surroundings, *handles: Handle, going: tuple[Mount, ...] = (APP_MOUNT,)) -> list[str]:
    return texts(holders_of_mount(APP_MOUNT, going, found, Handles(handles)))


def of_device(found: Surroundings, *handles: Handle, check_mode: bool = False) -> list[str]:
    return texts(holders_of_device(device(), found, Handles(handles), check_mode))


class TestAMount:
    def test_nobody_uses_it(self) -> None:
        assert of_mount(around()) == []

    def test_processes_are_told_one_by_one_with_all_that_they_use(self) -> None:
        handles = [
            Handle(30, "tail", "open /srv/app/log", 50),
            Handle(4, "bash", "working directory /srv/app", 50),
            Handle(30, "tail", "mapped /srv/app/lib", 50),
            Handle(30, "tail", "open /srv/app/log", 50),
            Handle(5, "elsewhere", "open /srv/app/hidden-below", 1),
        ]
        assert of_mount(around(), *handles) == [
            "process 4 (bash: working directory /srv/app)",
            "process 30 (tail: open /srv/app/log, mapped /srv/app/lib)",
        ]

    def test_a_mount_inside_it(self) -> None:
        inside = mount("/srv/app/sub", (8, 17), 51, 50)
        assert of_mount(around(own=(*OWN, inside))) == ["/dev/sdb1, mounted inside it at /srv/app/sub"]
        assert of_mount(around(own=(*OWN, inside)), going=(APP_MOUNT, inside)) == []

    def test_a_swap_file_a_loop_device_and_an_nfs_export_on_it(self) -> None:
        found = around(
            swaps=("/srv/app/swap", "/srv/app2/swap"),
            blocks=(Block("loop0", (7, 0), backing="/srv/app/disk"), Block("loop1", (7, 1), backing="/srv/disk")),
            exports=(("/srv/app/x", "10.0.0.0/8"), ("/srv/x", "*")),
        )
        assert of_mount(found) == [
            "loop0, which shows /srv/app/disk",
            "swap on /srv/app/swap",
            "the NFS export of /srv/app/x to 10.0.0.0/8",
        ]

    def test_a_file_of_a_mount_inside_it_is_not_on_it(self) -> None:
        inside = mount("/srv/app/sub", (8, 17), 51, 50)
        found = around(own=(*OWN, inside), swaps=("/srv/app/sub/swap",))
        assert of_mount(found, going=(APP_MOUNT, inside)) == []


class TestOtherNamespaces:
    def test_what_takes_part_is_unmounted_as_well(self) -> None:
        found = around((SLAVE_ROOT, SLAVE_APP))
        assert along_with(APP_MOUNT, found) == [SLAVE_APP]
        assert of_mount(found) == []

    def test_a_process_there_holds_ours(self) -> None:
        found = around((SLAVE_ROOT, SLAVE_APP))
        assert of_mount(found, Handle(701, "svc", "open /srv/app/x", 201)) == ["process 701 (svc: open /srv/app/x)"]

    def test_so_does_a_mount_inside_it_there(self) -> None:
        inside = mount("/srv/app/own", (0, 99), 202, 201)
        assert of_mount(around((SLAVE_ROOT, SLAVE_APP, inside))) == [
            "the mount at /srv/app/own in the mount namespace of process 700 (svc)"
        ]

    @pytest.mark.parametrize("root", [replace(SLAVE_ROOT, master=0), replace(SLAVE_ROOT, master=9)])
    def test_what_takes_no_part_keeps_it(self, root: Mount) -> None:
        assert of_mount(around((root, SLAVE_APP))) == [
            "the mount at /srv/app in the mount namespace of process 700 (svc)"
        ]

    def test_nothing_takes_part_in_what_is_private(self) -> None:
        private = (replace(ROOT, shared=0), APP_MOUNT)
        assert of_mount(around((replace(SLAVE_ROOT, master=0), SLAVE_APP), own=private)) != []

    def test_a_bind_mount_of_a_container_keeps_it(self) -> None:
        # Its parent takes part, but it lies in another place than ours.
        volume = replace(SLAVE_APP, path="/var/volume", root="/part")
        assert of_mount(around((SLAVE_ROOT, volume))) == [
            "the mount at /var/volume in the mount namespace of process 700 (svc)"
        ]

    def test_a_chain_of_peer_groups(self) -> None:
        middle = replace(SLAVE_ROOT, shared=7)
        last = replace(SLAVE_ROOT, mount_id=300, master=7)
        far = replace(SLAVE_APP, mount_id=301, parent_id=300)
        assert along_with(APP_MOUNT, around((middle, SLAVE_APP), (last, far))) == [SLAVE_APP, far]


CRYPT = Block("dm-0", (253, 0), label="luks", uuid="CRYPT-LUKS2-aa-luks")
LVM = Block("dm-1", (253, 1), label="vg-data", uuid="LVM-abc")


class TestADevice:
    def test_nobody_uses_it(self) -> None:
        assert of_device(around(own=(ROOT,))) == []

    def test_a_process_that_has_it_open(self) -> None:
        handle = Handle(12, "qemu", "open /dev/rbd0", devno=(252, 0))
        found = around(own=(ROOT,))
        assert of_device(found, handle) == of_device(found, handle, check_mode=True)
        assert of_device(found, handle) == ["process 12 (qemu: open /dev/rbd0)"]

    @pytest.mark.parametrize("command", ["systemd-udevd", "(udev-worker)"])
    def test_udev_that_looks_at_it_is_waited_for(self, command: str) -> None:
        assert of_device(around(own=(ROOT,)), Handle(12, command, "open /dev/rbd0", devno=(252, 0))) == []

    def test_all_that_stands_on_it_and_on_its_partitions(self) -> None:
        blocks = (
            Block("rbd0", (252, 0), ("rbd0p1", "md0")),
            Block("rbd0p1", (252, 1), ("dm-1",)),
            Block("dm-1", (253, 1), label="vg-data", uuid="LVM-abc"),
            Block("dm-2", (253, 2), label="plain"),
            Block("md0", (9, 0), ("dm-2",)),
            Block("loop3", (7, 3), backing="/dev/rbd0p1"),
            Block("loop4", (7, 4), backing="/dev/rbd10"),
        )
        found = around(own=(ROOT,), blocks=blocks, swaps=("/dev/rbd0p1", "/dev/rbd1"))
        assert [block.name for block in devices_on(device(), found)] == [
            *("rbd0", "rbd0p1", "md0", "dm-1", "loop3", "dm-2"),
        ]
        assert of_device(found, Handle(3, "qemu", "open /dev/dm-1", devno=(253, 1))) == [
            "process 3 (qemu: open /dev/dm-1)",
            "md0",
            "dm-1, the device-mapper device vg-data",
            "loop3, which shows /dev/rbd0p1",
            "dm-2, the device-mapper device plain",
            "swap on /dev/rbd0p1",
        ]

    @pytest.mark.parametrize(
        ("block", "release"),
        [
            (CRYPT, "Run cryptsetup close luks."),
            (LVM, "Deactivate its volume group (vgchange -an)."),
            (Block("dm-2", (253, 2), label="x"), "Run dmsetup remove x."),
            (Block("md0", (9, 0)), "Run mdadm --stop /dev/md0."),
            (Block("loop0", (7, 0), backing="/dev/rbd0"), "Run losetup -d /dev/loop0."),
        ],
    )
    def test_each_kind_with_what_releases_it(self, block: Block, release: str) -> None:
        found = around(own=(ROOT,), blocks=(Block("rbd0", (252, 0), (block.name,)), block))
        (holder,) = holders_of_device(device(), found, Handles())
        assert holder.release == release

    def test_a_mount_in_another_namespace(self) -> None:
        assert of_device(around((SLAVE_ROOT, SLAVE_APP), own=(ROOT,))) == [
            "the mount at /srv/app in the mount namespace of process 700 (svc)"
        ]

    def test_a_mount_of_what_stands_on_it(self) -> None:
        blocks = (Block("rbd0", (252, 0), ("dm-1",)), LVM)
        assert of_device(around(own=(ROOT, mount("/srv/lv", (253, 1))), blocks=blocks)) == [
            "dm-1, the device-mapper device vg-data",
            "the mount at /srv/lv",
        ]

    def test_a_btrfs_in_another_namespace_is_known_by_its_source(self) -> None:
        assert of_device(around((SLAVE_ROOT, btrfs("/x")), own=(ROOT,))) != []

    def test_a_file_system_that_was_unmounted_lazily(self) -> None:
        found = around(own=(ROOT,), alive=(("ext4", "rbd0"), ("xfs", "rbd1"), ("ext4", "features")))
        assert of_device(found) == [
            "the file system (ext4) on rbd0, which no mount table shows: it was unmounted lazily"
        ]

    def test_in_check_mode_an_earlier_task_may_unmount_and_close(self) -> None:
        blocks = (Block("rbd0", (252, 0), ("dm-0",)), CRYPT)
        found = around(own=(ROOT, mount("/srv/app", (253, 0))), blocks=blocks, alive=(("ext4", "dm-0"),))
        assert of_device(found, check_mode=True) == []
        assert of_device(found) == ["dm-0, the device-mapper device luks", "the mount at /srv/app"]

    def test_in_check_mode_lvm_stays(self) -> None:
        found = around(own=(ROOT,), blocks=(Block("rbd0", (252, 0), ("dm-1",)), LVM))
        assert of_device(found, check_mode=True) == ["dm-1, the device-mapper device vg-data"]


class TestTheSentence:
    def test_names_the_holders_and_what_to_do(self) -> None:
        error = refusal("unmount rbd/app from /srv/app", [Holder("swap on /x", "Run swapoff /x.")])
        assert str(error) == (
            "Cannot unmount rbd/app from /srv/app: it is in use by swap on /x. Run swapoff /x. Then run again."
        )
        assert is_sentence(error)

    def test_does_not_grow_without_end(self) -> None:
        many = [Holder(f"process {number}", "Stop the processes.") for number in range(2000)]
        error = refusal("unmap rbd/app", many)
        assert error.cause.endswith("process 4; 1995 more")
        assert error.advice == "Stop the processes. Then run again."

    def test_nor_does_one_process(self) -> None:
        handles = [Handle(1, "db", f"open /srv/app/{number}", 50) for number in range(1000)]
        (told,) = of_mount(around(), *handles)
        assert told.endswith("open /srv/app/4, 995 more)")
