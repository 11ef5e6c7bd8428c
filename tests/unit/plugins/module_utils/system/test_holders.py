# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses what is read from /proc and /sys: from trees like those, and from the machine's own with real processes."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._holders import Block, Handle
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount, holding
from ansible_collections.cephclient.rbd.plugins.module_utils._system import holders
from ansible_collections.cephclient.rbd.plugins.module_utils._system.holders import HostHolders
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, mount

OURS = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
THEIRS = "90 1 8:1 / / rw master:1 - ext4 /dev/sda1 rw\n"


class Tree:
    """A tree as /proc and /sys have it."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = root / "proc", root / "sys"
        self.write("proc/self/mountinfo", OURS)
        self.link("proc/self/ns/mnt", "mnt:[1]")

    def write(self, path: str, text: str) -> None:
        place = self.proc.parent / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def link(self, path: str, target: str | Path) -> None:
        place = self.proc.parent / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def process(self, pid: int, command: str = "app", *, space: str = "mnt:[1]", table: str = OURS) -> None:
        self.write(f"proc/{pid}/comm", f"{command}\n")
        self.write(f"proc/{pid}/mountinfo", table)
        self.write(f"proc/{pid}/maps", "")
        self.link(f"proc/{pid}/ns/mnt", space)
        self.link(f"proc/{pid}/root", "/")
        self.link(f"proc/{pid}/cwd", "/")
        (self.proc / str(pid) / "fd").mkdir()

    def opened(self, pid: int, number: int, target: str, mount_id: int) -> None:
        self.link(f"proc/{pid}/fd/{number}", target)
        self.write(f"proc/{pid}/fdinfo/{number}", f"pos:\t0\nflags:\t02\nmnt_id:\t{mount_id}\nino:\t7\n")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path)
    monkeypatch.setattr(holders, "PROC", str(tree.proc))
    monkeypatch.setattr(holders, "SYS", str(tree.sys))
    return tree


APP_MOUNT = mount("/srv/app")


class TestHandles:
    def test_files_are_told_apart_by_their_mount_and_not_by_their_path(self, tree: Tree) -> None:
        tree.process(10, "tail")
        tree.opened(10, 3, "/srv/app/log", 50)
        # Opened before the image was mounted over it.
        tree.opened(10, 4, "/srv/app/older", 20)
        tree.opened(10, 5, "pipe:[1]", 15)
        found = HostHolders().handles([APP_MOUNT], ())
        assert (found.found, found.unseen) == ((Handle(10, "tail", "open /srv/app/log", 50),), 0)

    def test_a_mapped_file_is_known_by_its_file_system(self, tree: Tree) -> None:
        tree.process(10, "db")
        tree.write(
            "proc/10/maps",
            "7f0-7f1 r--p 00000000 fc:00 5    /srv/app/a b\n"
            "7f1-7f2 r--p 00001000 fc:00 5    /srv/app/a b\n"
            "7f2-7f3 r--p 00000000 08:01 6    /srv/app/below\n"
            "7f3-7f4 rw-p 00000000 00:00 0 \n",
        )
        assert HostHolders().handles([APP_MOUNT], ()).found == (Handle(10, "db", "mapped /srv/app/a b", 50),)

    def test_of_two_mounts_of_one_file_system_it_is_the_one_with_its_path(self, tree: Tree) -> None:
        tree.process(10, "db")
        tree.write("proc/10/maps", "7f0-7f1 r--p 00000000 fc:00 5    /mnt/a\n")
        other = mount("/mnt", number=51)
        assert [handle.mount_id for handle in HostHolders().handles([APP_MOUNT, other], ()).found] == [51]
        assert HostHolders().handles([APP_MOUNT], ()).found == ()

    def test_a_process_that_ends_meanwhile_is_none(self, tree: Tree) -> None:
        tree.process(10)
        (tree.proc / "11").mkdir()
        tree.process(12)
        tree.link("proc/12/fd/3", "/srv/app/x")
        found = HostHolders().handles([APP_MOUNT], ())
        assert (found.found, found.unseen) == ((), 0)

    def test_a_file_that_is_closed_meanwhile_hides_no_other(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.process(10)
        tree.opened(10, 4, "/srv/app/x", 50)
        real = os.listdir
        monkeypatch.setattr(os, "listdir", lambda path: [*(["3"] if path.endswith("/fd") else []), *real(path)])
        assert [handle.pid for handle in HostHolders().handles([APP_MOUNT], ()).found] == [10]

    def test_what_was_seen_of_a_process_counts_even_if_the_rest_may_not_be_seen(self, tree: Tree) -> None:
        tree.process(10)
        tree.opened(10, 4, "/srv/app/x", 50)
        (tree.proc / "10/maps").unlink()
        (tree.proc / "10/maps").mkdir()
        found = HostHolders().handles([APP_MOUNT], ())
        assert ([handle.pid for handle in found.found], found.unseen) == ([10], 1)

    def test_one_that_may_not_be_looked_into_is_not_nobody(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.process(10)
        tree.process(11)
        tree.opened(11, 3, "/srv/app/x", 50)
        real = os.listdir

        def listdir(path: str) -> list[str]:
            if path.endswith("/10/fd"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "listdir", listdir)
        found = HostHolders().handles([APP_MOUNT], ())
        assert ([handle.pid for handle in found.found], found.unseen) == ([11], 1)

    def test_a_process_that_cannot_be_read_holds_nobody_up(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.process(10)
        tree.process(11)
        tree.opened(11, 3, "/srv/app/x", 50)
        # As the maps of a process that waits for a dead device: a read that does not return.
        (tree.proc / "10/maps").unlink()
        os.mkfifo(tree.proc / "10/maps")
        monkeypatch.setattr(holders, "SCAN_TIMEOUT", 0.3)
        began = time.monotonic()
        found = HostHolders().handles([APP_MOUNT], ())
        assert time.monotonic() - began < 3
        assert ([handle.pid for handle in found.found], found.unseen) == ([11], 1)

    def test_an_open_device_is_known_by_its_number(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        tree.process(10, "qemu")
        for number, name in enumerate(("/dev/rbd0", "/dev/null", "/dev/xvda", "/srv/x")):
            tree.opened(10, number, name, 3)
        numbers = {"0": (252, 0), "1": (1, 3), "2": (252, 0)}

        def stat(path: str) -> SimpleNamespace:
            major, minor = numbers[path.rpartition("/")[2]]
            return SimpleNamespace(st_rdev=os.makedev(major, minor), st_mode=0o060660 if major != 1 else 0o020666)

        monkeypatch.setattr(os, "stat", stat)
        found = HostHolders().handles((), {(252, 0), (1, 3)}).found
        assert sorted(handle.use for handle in found) == ["open /dev/rbd0", "open /dev/xvda"]


class TestSurroundings:
    def test_one_process_of_each_other_namespace(self, tree: Tree) -> None:
        tree.process(10)
        tree.process(30, "nginx", space="mnt:[2]", table=THEIRS)
        tree.process(31, "nginx", space="mnt:[2]", table=THEIRS)
        around = HostHolders().surroundings()
        assert [found.mount_id for found in around.own] == [20]
        assert [(space.pid, space.command, space.mounts[0].master) for space in around.others] == [(30, "nginx", 1)]

    def test_a_chrooted_process_shows_less_than_its_namespace_has(self, tree: Tree) -> None:
        tree.process(30, "jail", space="mnt:[2]", table=THEIRS)
        (tree.proc / "30/root").unlink()
        tree.link("proc/30/root", "/jail")
        tree.process(31, "nginx", space="mnt:[2]", table=THEIRS)
        assert [space.pid for space in HostHolders().surroundings().others] == [31]

    def test_a_namespace_whose_processes_end_is_none(self, tree: Tree) -> None:
        tree.process(30, space="mnt:[2]", table="")
        (tree.proc / "31").mkdir()
        around = HostHolders().surroundings()
        assert (around.others, around.unseen) == ((), 0)

    def test_swap_and_exports(self, tree: Tree) -> None:
        tree.write("proc/swaps", "Filename Type Size Used Priority\n/srv/app/s\\040x file 1 0 -2\n")
        tree.write(
            "proc/fs/nfsd/exports", "# Version 1.1\n# Path Client(Flags) # IPs\n/srv/app\\040x\t*(rw),10.0.0.1(ro)\n"
        )
        around = HostHolders().surroundings()
        assert around.swaps == ("/srv/app/s x",)
        assert around.exports == (("/srv/app x", "*"),)

    def test_block_devices_with_what_stands_on_them(self, tree: Tree) -> None:
        tree.write("sys/block/rbd0/dev", "252:0\n")
        tree.write("sys/block/rbd0/holders/dm-0", "")
        tree.write("sys/block/rbd0/rbd0p1/partition", "1\n")
        tree.write("sys/block/rbd0/rbd0p1/dev", "252:1\n")
        tree.write("sys/block/dm-0/dev", "253:0\n")
        tree.write("sys/block/dm-0/dm/name", "luks\n")
        tree.write("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-a-luks\n")
        tree.write("sys/block/loop0/dev", "7:0\n")
        tree.write("sys/block/loop0/loop/backing_file", "/srv/app/a b\n")
        assert HostHolders().surroundings().blocks == (
            Block("dm-0", (253, 0), (), "luks", "CRYPT-LUKS2-a-luks"),
            Block("loop0", (7, 0), backing="/srv/app/a b"),
            Block("rbd0p1", (252, 1)),
            Block("rbd0", (252, 0), ("rbd0p1", "dm-0")),
        )

    def test_file_systems_that_the_kernel_keeps(self, tree: Tree) -> None:
        tree.write("sys/fs/ext4/rbd0/x", "")
        tree.write("sys/fs/btrfs/1f2e/devices/rbd1/x", "")
        alive = HostHolders().surroundings().alive
        assert ("ext4", "rbd0") in alive
        assert ("btrfs", "rbd1") in alive

    def test_without_proc_there_is_no_answer(self, tree: Tree) -> None:
        (tree.proc / "self/mountinfo").unlink()
        with pytest.raises(RbdError, match=r"^Cannot read .*: there is no such file") as refused:
            HostHolders().surroundings()
        assert is_sentence(refused.value)


class TestThisMachine:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Mount:
        """The mount of a directory of ours, seen as if it lay at that directory: so only its files count."""
        found = holding(HostHolders().surroundings().own, str(tmp_path))
        assert found is not None
        return Mount(found.mount_id, 0, found.devno, "/", str(tmp_path), "", "", "", "")

    @pytest.fixture
    def child(self, tmp_path: Path) -> Iterator[int]:
        """A process that works in the directory, and has a file there open and another one mapped."""
        ready, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.chdir(tmp_path)
            opened = os.open("opened", os.O_CREAT | os.O_RDWR)
            with Path("mapped").open("wb+") as file:
                file.write(b"x" * mmap.PAGESIZE)
                file.flush()
                kept = mmap.mmap(file.fileno(), mmap.PAGESIZE)
            os.write(told, b"%d" % opened)
            time.sleep(60)
            kept.close()
            os._exit(0)
        os.read(ready, 1)
        yield pid
        os.kill(pid, 9)
        os.waitpid(pid, 0)

    def test_a_real_process(self, place: Mount, child: int) -> None:
        found = HostHolders().handles([place], ()).found
        uses = sorted(handle.use for handle in found if handle.pid == child)
        assert f"open {place.path}/opened" in uses
        assert f"working directory {place.path}" in uses
        if os.major(Path(place.path, "mapped").stat().st_dev) == place.devno[0]:
            assert f"mapped {place.path}/mapped" in uses

    def test_a_mount_that_only_lies_at_that_path_is_another_one(self, place: Mount, child: int) -> None:
        other = Mount(place.mount_id + 1_000_000, 0, (0, 9999), "/", place.path, "", "", "", "")
        assert child not in [handle.pid for handle in HostHolders().handles([other], ()).found]
