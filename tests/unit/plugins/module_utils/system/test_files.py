# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real files: what an edit keeps, what it refuses, and what it leaves behind."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import NO_OWNERSHIP, Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._system.directory_lock import locked
from ansible_collections.cephclient.rbd.plugins.module_utils._system.files import HostFiles
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
files = HostFiles()

# The id in an entry of an access list that names nobody.
NOBODY = 2**32 - 1


def append(text: str) -> str:
    return text + "new\n"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few blocks."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False)
    if done.returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


class TestRead:
    def test_a_missing_file_is_none(self, tmp_path: Path) -> None:
        assert files.read(str(tmp_path / "x")) is None

    def test_an_empty_file_is_empty(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        assert files.read(str(tmp_path / "x")) == ""

    @settings(max_examples=50)
    @given(st.binary())
    def test_every_byte_survives(self, raw: bytes) -> None:
        path = Path(os.environ.get("TMPDIR", "/tmp"), f"files-{os.getpid()}")
        try:
            path.write_bytes(raw)
            files.edit(str(path), lambda text: text + "é", 0o600)
            assert path.read_bytes() == raw + "é".encode()
        finally:
            path.unlink()

    @pytest.mark.parametrize("name", [".", "loop", "x" * 300])
    def test_what_cannot_be_read_is_an_error(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(RbdError, match=r"^Cannot read") as refused:
            files.read(str(tmp_path / name))
        assert is_sentence(refused.value)


class TestEdit:
    def test_a_new_file_has_the_mode_that_is_asked_for(self, tmp_path: Path) -> None:
        files.edit(str(tmp_path / "x"), append, 0o640)
        assert (tmp_path / "x").read_text() == "new\n"
        assert (tmp_path / "x").stat().st_mode & 0o7777 == 0o640

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
    def test_the_mode_is_kept(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "x"
        path.touch()
        path.chmod(mode)
        files.edit(str(path), append, 0o640)
        assert path.stat().st_mode & 0o7777 == mode

    @needs_root
    def test_the_owner_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch()
        os.chown(path, 12, 34)
        files.edit(str(path), append, 0o640)
        assert (path.stat().st_uid, path.stat().st_gid) == (12, 34)

    @needs_root
    def test_the_group_is_kept_where_the_directory_gives_its_own(self, tmp_path: Path) -> None:
        os.chown(tmp_path, 0, 34)
        path = tmp_path / "x"
        path.touch()
        tmp_path.chmod(0o2775)
        files.edit(str(path), append, 0o640)
        assert path.stat().st_gid == os.getegid()

    def test_extended_attributes_are_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch()
        try:
            os.setxattr(path, "user.note", b"mine")
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            pytest.skip("this file system has no attributes")
        files.edit(str(path), append, 0o640)
        assert os.getxattr(path, "user.note") == b"mine"

    @needs_root
    def test_an_access_list_is_kept_and_what_belongs_to_the_old_content_is_not(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch()
        # Version 2, then entries of tag, permissions and id: owner rw, user 12 r, group r, mask r, others none.
        entries = [(1, 6, NOBODY), (2, 4, 12), (4, 4, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY)]
        access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(path, "system.posix_acl_access", access)
            os.setxattr(path, "trusted.digest", b"of the old content")
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
            pytest.skip("this file system has no such attributes")
        files.edit(str(path), append, 0o600)
        assert os.listxattr(path) == ["system.posix_acl_access"]
        assert os.getxattr(path, "system.posix_acl_access") == access

    @pytest.mark.parametrize("target", ["real", "sub/real", "missing"])
    def test_a_symbolic_link_is_written_through(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "sub").mkdir()
        link = tmp_path / "x"
        link.symlink_to(target)
        files.edit(str(link), append, 0o640)
        assert link.is_symlink()
        assert (tmp_path / target).read_text() == "new\n"

    def test_what_does_not_change_is_not_written(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_text("a\n")
        before = path.stat()
        files.edit(str(path), lambda text: text, 0o640)
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_the_change_is_made_to_what_the_file_holds_now(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_text("planned\n")
        files.read(str(path))
        path.write_text("meanwhile\n")
        files.edit(str(path), append, 0o640)
        assert path.read_text() == "meanwhile\nnew\n"

    def test_a_refused_change_leaves_everything_as_it_was(self, tmp_path: Path) -> None:
        def refuse(_text: str) -> str:
            raise RbdError("write it", "no")

        (tmp_path / "x").write_text("old\n")
        with pytest.raises(RbdError, match="Cannot write it"):
            files.edit(str(tmp_path / "x"), refuse, 0o640)
        assert [path.name for path in tmp_path.iterdir()] == ["x"]
        assert (tmp_path / "x").read_text() == "old\n"

    def test_a_missing_directory_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(RbdError, match=r"^Cannot write .*/none/x: No such file") as refused:
            files.edit(str(tmp_path / "none" / "x"), append, 0o640)
        assert is_sentence(refused.value)

    @needs_root
    def test_a_full_disk_leaves_the_old_file_and_nothing_else(self, small: Path) -> None:
        path = small / "x"
        path.write_text("old\n")
        with pytest.raises(RbdError, match=r"No space left on device.*The file is as it was") as refused:
            files.edit(str(path), lambda text: text + "x" * 100_000, 0o640)
        assert is_sentence(refused.value)
        assert [(found.name, found.read_text()) for found in small.iterdir()] == [("x", "old\n")]

    @needs_root
    def test_an_unwritable_directory_leaves_the_old_file(self, small: Path) -> None:
        (small / "x").write_text("old\n")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(RbdError, match="Read-only file system"):
            files.edit(str(small / "x"), append, 0o640)
        assert [(found.name, found.read_text()) for found in small.iterdir()] == [("x", "old\n")]

    def test_a_lock_that_is_never_released_is_an_error_in_bounded_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(f"{locked.__module__}.LOCK_TIMEOUT", 0.2)
        holder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            with pytest.raises(RbdError, match=r"held the lock of .* for 0\.2 seconds"):
                files.edit(str(tmp_path / "x"), append, 0o640)
        finally:
            os.close(holder)
        files.edit(str(tmp_path / "x"), append, 0o640)


class TestRemove:
    def test_a_file_goes_and_one_that_is_gone_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        for _time in range(2):
            files.remove(str(tmp_path / "x"))
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_be_removed_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(RbdError, match=f"^Cannot remove {tmp_path}: "):
            files.remove(str(tmp_path))


class TestLook:
    def test_each_kind(self, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "file").touch()
        (tmp_path / "empty").mkdir()
        seen = {
            name: files.look(str(tmp_path / name)) for name in ("full", "empty", "full/file", "none", "full/file/x")
        }
        assert {name: (facts.kind, facts.empty) for name, facts in seen.items()} == {
            "full": ("directory", False),
            "empty": ("directory", True),
            "full/file": ("other", False),
            "none": ("absent", True),
            "full/file/x": ("other", False),
        }

    @pytest.mark.parametrize("target", ["real", "missing"])
    def test_the_way_through_a_symbolic_link_is_told(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(target)
        assert files.look(str(tmp_path / "link")).real == str(tmp_path / target)

    @pytest.mark.parametrize("target", ["real", "missing"])
    def test_where_a_path_leads_without_a_look_at_it(self, tmp_path: Path, target: str) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(target)
        found = files.resolve(str(tmp_path / "link"))
        assert found == PathFacts(str(tmp_path / target), "unknown", False, NO_OWNERSHIP)

    def test_ownership(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o2751)
        assert files.look(str(tmp_path)).ownership == Ownership(os.geteuid(), tmp_path.stat().st_gid, 0o2751)

    @needs_root
    def test_a_directory_that_cannot_be_listed_is_an_error_of_ours(self, tmp_path: Path) -> None:
        for above in (tmp_path, *tmp_path.parents[:3]):
            above.chmod(0o755)
        (tmp_path / "closed").mkdir(mode=0o700)
        program = (
            "import importlib.util, sys\n"
            "spec = importlib.util.spec_from_file_location('conftest', sys.argv[1])\n"
            "spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
            f"from {HostFiles.__module__} import HostFiles\n"
            f"from {RbdError.__module__} import RbdError\n"
            "import os\n"
            "os.setuid(65534)\n"
            "try:\n    HostFiles().look(sys.argv[2])\nexcept RbdError:\n    print('refused')\n"
        )
        conftest = Path(__file__).resolve().parents[3] / "conftest.py"
        done = subprocess.run(
            [sys.executable, "-c", program, conftest, tmp_path / "closed"], capture_output=True, text=True, check=False
        )
        assert done.stdout == "refused\n"


class TestMountPoint:
    def test_is_made_with_what_is_above_it(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b"
        files.make_directory(str(path), 0o755)
        files.make_directory(str(path), 0o755)
        assert path.is_dir()

    @pytest.mark.parametrize("umask", [0o077, 0o000])
    def test_the_umask_does_not_decide_on_its_mode(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            files.make_directory(str(tmp_path / "a"), 0o755)
        finally:
            os.umask(before)
        assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o755

    def test_a_file_in_the_way_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(RbdError, match=r"^Cannot make the directory") as refused:
            files.make_directory(str(tmp_path / "a" / "b"), 0o755)
        assert is_sentence(refused.value)

    @needs_root
    def test_ownership_as_far_as_it_is_given(self, tmp_path: Path) -> None:
        files.set_ownership(str(tmp_path), Ownership(uid=12))
        files.set_ownership(str(tmp_path), Ownership(gid=34, mode=0o2750))
        assert files.look(str(tmp_path)).ownership == Ownership(12, 34, 0o2750)

    def test_what_is_not_there_has_no_owner(self, tmp_path: Path) -> None:
        with pytest.raises(RbdError, match=r"^Cannot set mode 0700 on") as refused:
            files.set_ownership(str(tmp_path / "x"), Ownership(mode=0o700))
        assert is_sentence(refused.value)
