# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real files where something odd is in their place: what is kept, what is refused, and that nothing is left."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._system import directory_lock, replacement
from ansible_collections.cephclient.rbd.plugins.module_utils._system.files import HostFiles
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
files = HostFiles()

NOBODY = 2**32 - 1


def append(text: str) -> str:
    return text + "new\n"


def refused(path: Path, match: str, text: str = "new\n") -> str:
    """The error of an edit, which leaves the directory as it was."""
    before = sorted(found.name for found in path.parent.iterdir())
    with pytest.raises(RbdError, match=match) as error:
        files.edit(str(path), lambda old: old + text, 0o644)
    assert is_sentence(error.value)
    assert sorted(found.name for found in path.parent.iterdir()) == before
    return str(error.value)


@contextlib.contextmanager
def mounted(*argv: str | Path) -> Iterator[None]:
    """Something that is mounted within the block."""
    done = subprocess.run(["mount", *argv], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("cannot mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", argv[-1]], check=True)


@contextlib.contextmanager
def flagged(flag: str, path: Path) -> Iterator[None]:
    """A file or directory with one of chattr's flags."""
    if subprocess.run(["chattr", f"+{flag}", path], check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system has no such flags")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)


def access(named: int, group: int) -> bytes:
    """An access list: owner rw, user 12 and the group as given, mask as user 12, others none."""
    entries = [(1, 6, NOBODY), (2, named, 12), (4, group, NOBODY), (16, named, NOBODY), (32, 0, NOBODY)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class TestWhatIsNoFile:
    @pytest.mark.parametrize("kind", ["directory", "named pipe", "device"])
    def test_is_neither_read_nor_written(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "x"
        if kind == "directory":
            path.mkdir()
        elif kind == "named pipe":
            os.mkfifo(path)
        else:
            try:
                os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            except PermissionError:
                pytest.skip("cannot make a device here")
        # A pipe without a writer would keep a careless reader waiting for ever.
        with pytest.raises(RbdError, match=f"^Cannot read .*: it is a {kind}, not a file") as error:
            files.read(str(path))
        assert is_sentence(error.value)
        refused(path, f"it is a {kind}, not a file")

    def test_a_loop_of_links(self, tmp_path: Path) -> None:
        (tmp_path / "x").symlink_to("y")
        (tmp_path / "y").symlink_to("x")
        refused(tmp_path / "x", "Too many levels of symbolic links")

    def test_a_link_into_a_directory_that_does_not_exist(self, tmp_path: Path) -> None:
        (tmp_path / "x").symlink_to("none/x")
        assert f"Make the directory {tmp_path}/none first." in refused(tmp_path / "x", "No such file or directory")

    def test_a_directory_where_the_temporary_file_belongs(self, tmp_path: Path) -> None:
        (tmp_path / ".x.cephclient-rbd").mkdir()
        refused(tmp_path / "x", "Is a directory")


class TestLinks:
    @needs_root
    def test_a_link_into_another_file_system_is_written_through(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        with mounted("-t", "tmpfs", "tmpfs", tmp_path / "other"):
            (tmp_path / "other" / "real").write_text("old\n")
            (tmp_path / "x").symlink_to("other/real")
            files.edit(str(tmp_path / "x"), append, 0o644)
            assert (tmp_path / "x").readlink() == Path("other/real")
            assert (tmp_path / "other" / "real").read_text() == "old\nnew\n"
            assert [found.name for found in (tmp_path / "other").iterdir()] == ["real"]

    def test_another_name_of_the_file_keeps_the_old_content(self, tmp_path: Path) -> None:
        (tmp_path / "backup").write_text("old\n")
        (tmp_path / "x").hardlink_to(tmp_path / "backup")
        files.edit(str(tmp_path / "x"), append, 0o644)
        assert (tmp_path / "x").read_text() == "old\nnew\n"
        assert (tmp_path / "backup").read_text() == "old\n"

    def test_what_lies_at_the_place_of_the_temporary_file_is_not_written_through(self, tmp_path: Path) -> None:
        (tmp_path / "victim").write_text("old\n")
        (tmp_path / ".x.cephclient-rbd").symlink_to("victim")
        files.edit(str(tmp_path / "x"), append, 0o644)
        assert (tmp_path / "victim").read_text() == "old\n"
        assert sorted(found.name for found in tmp_path.iterdir()) == ["victim", "x"]


@needs_root
class TestRefusals:
    def test_a_file_that_is_a_mount_point(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("below\n")
        (tmp_path / "source").write_text("old\n")
        with mounted("--bind", tmp_path / "source", tmp_path / "x"):
            refused(tmp_path / "x", "it is a mount point itself, as in some containers")
            assert (tmp_path / "x").read_text() == "old\n"

    def test_a_read_only_bind_mount(self, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "x").write_text("old\n")
        with mounted("--bind", "-o", "ro", tmp_path / "etc", tmp_path / "etc"):
            refused(tmp_path / "etc" / "x", "Read-only file system")

    @pytest.mark.parametrize("flag", ["i", "a"])
    def test_an_immutable_file(self, tmp_path: Path, flag: str) -> None:
        (tmp_path / "x").write_text("old\n")
        with flagged(flag, tmp_path / "x"):
            assert f"lsattr -d {tmp_path} {tmp_path}/x" in refused(tmp_path / "x", "Operation not permitted")
            assert (tmp_path / "x").read_text() == "old\n"

    def test_an_immutable_directory(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("old\n")
        with flagged("i", tmp_path):
            assert "lsattr" in refused(tmp_path / "x", "Operation not permitted")

    def test_a_limit_on_the_size_of_files(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("old\n")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            refused(tmp_path / "x", "File too large", "x" * (2 << 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / "x").read_text() == "old\n"

    def test_a_user_without_the_right_to_it(self, tmp_path: Path) -> None:
        for above in (tmp_path, *tmp_path.parents[:3]):
            above.chmod(0o755)
        (tmp_path / "x").write_text("old\n")
        assert "Run as root." in as_nobody(tmp_path / "x", "Permission denied")
        # The directory is anybody's, the file is root's: what replaces it would be somebody else's.
        tmp_path.chmod(0o777)
        assert "Run as root." in as_nobody(tmp_path / "x", "Operation not permitted")
        assert [found.name for found in tmp_path.iterdir()] == ["x"]
        assert (tmp_path / "x").read_text() == "old\n"


def as_nobody(path: Path, match: str) -> str:
    """The error of an edit by another user."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(write, refused(path, match).encode())
        except BaseException as error:  # noqa: BLE001  # nothing may get back into the runner's copy
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as handle:
        return handle.read()


@needs_root
class TestRights:
    @pytest.mark.parametrize("mode", [0o444, 0o600, 0o2644, 0o4755, 0o000])
    def test_odd_modes_are_kept_with_the_owner(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "x"
        path.touch()
        os.chown(path, 12, 34)
        path.chmod(mode)
        files.edit(str(path), append, 0o640)
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, mode)

    @pytest.mark.parametrize("label", [b"system_u:object_r:etc_t:s0\0", None])
    def test_a_label_is_kept(self, tmp_path: Path, label: bytes | None) -> None:
        path = tmp_path / "x"
        path.touch()
        if label:
            attribute(path, "security.selinux", label)
        files.edit(str(path), append, 0o640)
        assert os.listxattr(path) == (["security.selinux"] if label else [])

    def test_an_access_list_of_the_directory_is_not_taken_for_the_files(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch(mode=0o640)
        attribute(tmp_path, "system.posix_acl_default", access(named=6, group=6))
        files.edit(str(path), append, 0o640)
        assert os.listxattr(path) == []
        assert path.stat().st_mode & 0o777 == 0o640

    def test_the_group_never_gets_the_rights_of_the_mask(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "x"
        path.touch()
        attribute(path, "system.posix_acl_access", access(named=6, group=0))
        seen = []

        def look(descriptor: int, mode: int) -> None:
            seen.append(os.listxattr(descriptor))
            os.chmod(descriptor, mode)

        # In the instant of chmod: without its access list, the file would be open to its group.
        monkeypatch.setattr(os, "fchmod", look)
        files.edit(str(path), append, 0o640)
        assert seen == [["system.posix_acl_access"]]
        assert os.getxattr(path, "system.posix_acl_access") == access(named=6, group=0)


def attribute(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        pytest.skip("this file system has no such attributes")


class TestContent:
    def test_a_file_without_a_newline_at_its_end(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"a\r\nb")
        files.edit(str(tmp_path / "x"), lambda text: text + "\nnew", 0o644)
        assert (tmp_path / "x").read_bytes() == b"a\r\nb\nnew"

    def test_a_file_of_ten_thousand_lines(self, tmp_path: Path) -> None:
        old = "".join(f"# line {number}\n" for number in range(10_000))
        (tmp_path / "x").write_text(old)
        files.edit(str(tmp_path / "x"), append, 0o644)
        assert (tmp_path / "x").read_text() == old + "new\n"


class TestOtherWriters:
    def test_a_foreign_change_in_the_middle_of_a_write_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_text("old\n")
        seen = []

        def change(text: str) -> str:
            seen.append(text)
            if len(seen) == 1:
                (tmp_path / "foreign").write_text(text + "foreign\n")
                (tmp_path / "foreign").rename(path)
            return append(text)

        files.edit(str(path), change, 0o644)
        assert seen == ["old\n", "old\nforeign\n"]
        assert path.read_text() == "old\nforeign\nnew\n"
        assert [found.name for found in tmp_path.iterdir()] == ["x"]

    def test_so_is_one_that_makes_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x"

        def change(text: str) -> str:
            if not path.exists():
                path.write_text("foreign\n")
            return append(text)

        files.edit(str(path), change, 0o644)
        assert path.read_text() == "foreign\nnew\n"

    def test_one_that_never_ends_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_text("")
        turns = []

        def change(text: str) -> str:
            turns.append(text)
            with path.open("a") as handle:
                handle.write("foreign\n")
            return append(text)

        assert "changed it 20 times" in refused_change(path, change)
        assert len(turns) == replacement.ATTEMPTS
        assert path.read_text() == "foreign\n" * len(turns)
        assert [found.name for found in tmp_path.iterdir()] == ["x"]

    def test_who_holds_the_lock_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory_lock, "LOCK_TIMEOUT", 0.2)
        hold = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print(); sys.stdin.read()"
        argv = [sys.executable, "-c", hold, tmp_path]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            shown = f" {holder.pid} " in Path("/proc/locks").read_text()
            said = refused(tmp_path / "x", "has held the lock of .* for 0.2 seconds")
            holder.communicate("")
        if not shown:
            pytest.skip("the kernel does not show the locks of this file system here")
        assert f"process {holder.pid} (python" in said

    def test_a_holder_that_the_kernel_does_not_show(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory_lock, "_LOCKS", str(tmp_path / "none"))
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            assert directory_lock._holder(descriptor) == "another process"
        finally:
            os.close(descriptor)


def refused_change(path: Path, change: object) -> str:
    with pytest.raises(RbdError) as error:
        files.edit(str(path), change, 0o644)  # type: ignore[arg-type]  # one that misbehaves
    assert is_sentence(error.value)
    return str(error.value)
