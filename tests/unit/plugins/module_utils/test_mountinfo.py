# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of /proc/self/mountinfo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount, at, holding, parse

MOUNTINFO = Path("/proc/self/mountinfo")

TABLE = """\
26 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
25 26 0:24 / /proc rw,nosuid shared:14 master:2 propagate_from:3 - proc proc rw
90 26 252:0 / /srv/a\\040b rw,noatime - xfs /dev/rbd0 rw,attr2
91 90 252:16 / /srv/a\\040b ro - ext4 /dev/rbd1 ro
92 26 252:32 / /srv/h rw - xfs /dev/rbd2 rw
93 92 252:48 /sub /srv/h/deep rw - xfs /dev/rbd3 rw
94 26 252:0 /dir /mnt/bind rw - xfs /dev/rbd0 rw,attr2
"""


def table(*rows: tuple[int, int, str]) -> tuple[Mount, ...]:
    return tuple(Mount(own, parent, (0, own), "/", path, "rw", "tmpfs", "t", "rw") for own, parent, path in rows)


def id_at(mounts: tuple[Mount, ...], path: str) -> int | None:
    mount = at(mounts, path)
    return mount.mount_id if mount else None


class TestParsing:
    def test_every_field(self) -> None:
        assert parse(TABLE)[2] == Mount(
            90, 26, (252, 0), "/", "/srv/a b", "rw,noatime", "xfs", "/dev/rbd0", "rw,attr2"
        )  # fmt: skip

    @pytest.mark.parametrize(
        "optional", ["", "shared:1 ", "shared:1 master:2 propagate_from:3 ", "unbindable ", "new:-1 "]
    )
    def test_any_number_of_optional_fields(self, optional: str) -> None:
        (mount,) = parse(f"1 2 0:3 / /m rw {optional}- xfs /dev/x rw\n")
        assert (mount.path, mount.opts, mount.fstype, mount.source) == ("/m", "rw", "xfs", "/dev/x")

    @pytest.mark.parametrize(
        ("optional", "groups"),
        [
            ("", (0, 0)),
            ("shared:12 ", (12, 0)),
            ("master:3 ", (0, 3)),
            ("shared:12 master:3 propagate_from:4 ", (12, 3)),
            ("unbindable ", (0, 0)),
        ],
    )
    def test_peer_groups(self, optional: str, groups: tuple[int, int]) -> None:
        (mount,) = parse(f"1 2 0:3 / /m rw {optional}- xfs /dev/x rw\n")
        assert (mount.shared, mount.master) == groups

    def test_escapes(self) -> None:
        (mount,) = parse(r"1 2 0:3 /r\040r /m\011\012\134040\303\251 rw - fuse.a\043 \043s\040s rw,x=\134")
        assert (mount.root, mount.path, mount.fstype, mount.source, mount.super_opts) == (
            "/r r",
            "/m\t\n\\040é",
            "fuse.a#",
            "#s s",
            "rw,x=\\",
        )

    def test_names_that_look_like_separators(self) -> None:
        (mount,) = parse("1 2 0:3 /- /- - - - - rw - x\n")
        assert (mount.root, mount.path, mount.opts, mount.fstype, mount.source) == ("/-", "/-", "-", "-", "-")
        assert mount.super_opts == "rw - x"

    def test_an_empty_source(self) -> None:
        (mount,) = parse("1 2 0:3 / /m rw - tmpfs  rw,size=1k\n")
        assert (mount.fstype, mount.source, mount.super_opts) == ("tmpfs", "", "rw,size=1k")

    def test_bytes_that_are_not_utf8(self) -> None:
        (mount,) = parse(b"1 2 0:3 / /m\xe9 rw - xfs /dev/x rw\n".decode("utf-8", "surrogateescape"))
        assert os.fsencode(mount.path) == b"/m\xe9"

    def test_other_line_ends_belong_to_a_name(self) -> None:
        (mount,) = parse("1 2 0:3 / /m\r\x0b\u2028 rw - xfs /dev/x rw\n")
        assert mount.path == "/m\r\x0b\u2028"

    def test_an_empty_table(self) -> None:
        assert parse("") == ()

    @pytest.mark.parametrize(
        "line",
        [
            "x",
            "1 2 0:3 / /m rw xfs /dev/x rw",
            "1 2 3 / /m rw - xfs /dev/x rw",
            "1 2 0:3 / /m rw - xfs /dev/x",
            "a 2 0:3 / /m rw - a b c",
        ],
    )
    def test_a_line_that_is_none(self, line: str) -> None:
        with pytest.raises(RbdError, match="Cannot read the mount table: line 2 of mountinfo is"):
            parse(f"1 2 0:3 / /m rw - xfs /dev/x rw\n{line}\n")

    @settings(deadline=None, max_examples=100, database=None)
    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            parse(text)
        except RbdError:
            return
        assert text.strip("\n") == ""


class TestAt:
    MOUNTS = parse(TABLE)

    @pytest.mark.parametrize(
        ("path", "mount_id"),
        [
            ("/", 26),
            ("/proc", 25),
            ("/proc/", 25),
            ("//proc", 25),
            ("/srv/a b", 91),
            ("/srv/h/deep", 93),
            ("/mnt/bind", 94),
        ],
    )
    def test_exactly_this_path(self, path: str, mount_id: int) -> None:
        assert id_at(self.MOUNTS, path) == mount_id

    @pytest.mark.parametrize("path", ["/srv", "/srv/a", "/srv/h/deep/er", "/pro", "proc", ""])
    def test_nothing_is_mounted_there(self, path: str) -> None:
        assert at(self.MOUNTS, path) is None

    def test_the_last_one_mounted_covers_the_others(self) -> None:
        assert id_at(table((1, 0, "/"), (2, 1, "/m"), (3, 2, "/m"), (4, 3, "/m")), "/m") == 4
        assert id_at(table((1, 0, "/"), (2, 1, "/m"), (3, 1, "/m")), "/m") == 3

    def test_the_order_of_the_table_does_not_matter(self) -> None:
        assert id_at(table((4, 3, "/m"), (3, 2, "/m"), (2, 1, "/m"), (1, 0, "/")), "/m") == 4

    def test_a_mount_below_a_covered_directory_is_not_seen(self) -> None:
        mounts = table((1, 0, "/"), (2, 1, "/a/b"), (3, 1, "/a"))
        assert id_at(mounts, "/a") == 3
        assert id_at(mounts, "/a/b") is None
        assert id_at((*mounts, *table((4, 3, "/a/b"))), "/a/b") == 4

    def test_a_mount_on_a_covered_mount_is_not_seen(self) -> None:
        mounts = table((1, 0, "/"), (2, 1, "/a"), (3, 2, "/a/b"), (4, 2, "/a"))
        assert (id_at(mounts, "/a"), id_at(mounts, "/a/b")) == (4, None)

    def test_a_root_that_is_its_own_parent(self) -> None:
        assert id_at(table((1, 1, "/"), (2, 1, "/"), (3, 2, "/m")), "/m") == 3
        assert id_at(table((1, 1, "/"), (2, 1, "/"), (3, 2, "/m")), "/") == 2
        assert id_at(table((2, 1, "/"), (1, 1, "/"), (3, 2, "/m")), "/m") == 3

    def test_a_chroot_whose_root_is_no_mount(self) -> None:
        mounts = table((7, 5, "/proc"), (8, 5, "/m"), (9, 8, "/m/n"))
        assert (id_at(mounts, "/"), id_at(mounts, "/m"), id_at(mounts, "/m/n")) == (None, 8, 9)

    def test_a_mad_table_ends(self) -> None:
        assert id_at(table((1, 0, "/"), (2, 1, "/m"), (2, 2, "/m"), (3, 2, "/m"), (2, 3, "/m")), "/m") is not None


@pytest.mark.skipif(not MOUNTINFO.exists(), reason="there is no /proc/self/mountinfo on this machine")
@pytest.mark.skipif(not shutil.which("findmnt"), reason="findmnt (util-linux) is not installed")
def test_findmnt_reads_this_machine_alike() -> None:
    argv = [
        "findmnt",
        "--kernel",
        "--list",
        "--json",
        "--nofsroot",
        "--output",
        "ID,PARENT,MAJ:MIN,FSROOT,TARGET,FSTYPE",
    ]
    rows = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)["filesystems"]
    mounts = parse(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))
    # findmnt also lists swap areas in some versions; both may see a mount come or go.
    theirs = {
        int(row["id"]): (row["parent"], row["maj:min"], row["fsroot"], row["target"], row["fstype"]) for row in rows
    }
    ours = {
        mount.mount_id: (mount.parent_id, f"{mount.devno[0]}:{mount.devno[1]}", mount.root, mount.path, mount.fstype)
        for mount in mounts
    }
    assert ours == theirs


SCENE = """
set -e
cd "$1"
mount -t tmpfs base .; cd "$1"
mkdir stack 'a b' over over/hidden
mount -t tmpfs one stack; mount -t tmpfs two stack; mount -t tmpfs three stack
mount -t tmpfs blank 'a b'
mount -t tmpfs hidden over/hidden; mount -t tmpfs cover over
mkdir over/plain
for path in . stack 'a b' over over/hidden over/plain; do
  stat -c '%d' "$path" 2>/dev/null || echo -
done
cat /proc/self/mountinfo
"""


def test_the_kernel_shows_at_a_path_what_is_seen_there(tmp_path: Path) -> None:
    argv = ["unshare", "--mount", "--map-root-user", "sh", "-c", SCENE, "sh", str(tmp_path)]
    if not shutil.which("unshare"):
        pytest.skip("unshare (util-linux) is not installed")
    shown = subprocess.run(argv, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip(f"this machine allows no mount namespace: {shown.stderr.decode(errors='replace').strip()}")
    *devices, text = shown.stdout.decode("utf-8", "surrogateescape").split("\n", 6)
    mounts = parse(text)
    paths = [tmp_path, tmp_path / "stack", tmp_path / "a b", tmp_path / "over"]
    found = [at(mounts, str(path)) for path in paths]
    assert [mount and os.makedev(*mount.devno) for mount in found] == [int(device) for device in devices[:4]]
    assert [mount and mount.source for mount in found] == ["base", "three", "blank", "cover"]
    # One is hidden, and the other a plain directory.
    assert devices[4] == "-"
    assert at(mounts, str(tmp_path / "over/hidden")) is None
    assert at(mounts, str(tmp_path / "over/plain")) is None


@pytest.mark.parametrize(
    ("path", "expected"), [("/srv/h/x", 92), ("/srv/h", 92), ("/srv/h/deep/x/y", 93), ("/srv/hx", 26), ("/", 26)]
)
def test_a_path_lies_on_the_deepest_mount_above_it(path: str, expected: int) -> None:
    found = holding(parse(TABLE), path)
    assert found is not None
    assert found.mount_id == expected
