# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_fstab from its parameters to its result."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._mount_options import FilesystemState
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.fstab import FstabOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import OTHER_FSID, device

PATH = "/etc/fstab"
LINE = "/dev/rbd/rbd/app\t/srv/app\txfs\tnoauto,_netdev\t0\t0\n"
LOG = ImageSpec("rbd", "", "log")
ITEM = {
    "path": None,
    "state": "mounted",
    "fstype": "xfs",
    "opts": "noauto,_netdev",
    "dump": 0,
    "passno": 0,
    "owner": None,
    "group": None,
    "mode": None,
    "encrypted": False,
}


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given = [{**dict.fromkeys(ITEM), **item} for item in items]
    return {**ITEM, "image": None, "fstab": PATH, **top, "mounts": given or None}


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.kernel.mapped = [device(), device(LOG, 1)]
    return host


@pytest.mark.parametrize("state", ["mounted", "present", "unmounted", "absent"])
@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("text", [None, "# mine\n" + LINE])
def test_check_do_do_again_check_again(host: FakeHost, state: str, mounted: bool, text: str | None) -> None:
    if mounted:
        host.mounts.hold("/srv/app")
    host.files.texts = {} if text is None else {PATH: text}
    ritual(FstabOperation, host, options(image="app", path="/srv/app/", state=state))
    wants_line = state in ("mounted", "present") or (state == "unmounted" and text is not None)
    assert (LINE in host.files.texts.get(PATH, "")) == wants_line
    assert (len(host.mounts.held) == 2) == (state == "mounted" or (state == "present" and mounted))


def test_many_mounts_with_one_write_and_one_reload_before_the_first_mount(host: FakeHost) -> None:
    end = run(FstabOperation, host, options({"image": "app", "path": "/srv/app"}, {"image": "log", "path": "/srv/log"}))
    assert [kind for kind, _subject in end.done] == ["edit_file", "make_directory", "mount", "make_directory", "mount"]
    assert host.files.log == [f"read {PATH}", f"edit {PATH} 0644", "make /srv/app 0755", "make /srv/log 0755"]
    assert host.mounts.log == [f"reload {PATH}", "mount /srv/app", "mount /srv/log"]


def test_systemd_knows_the_line_even_if_another_run_wrote_it(host: FakeHost) -> None:
    host.files.texts = {PATH: LINE}
    run(FstabOperation, host, options(image="app", path="/srv/app"))
    assert host.mounts.log == [f"reload {PATH}", "mount /srv/app"]


def test_ownership_is_that_of_the_mounted_file_system(host: FakeHost) -> None:
    run(FstabOperation, host, options(image="app", path="/srv/app", owner="12", group="34", mode="0750"))
    assert host.files.log[-1] == "own /srv/app owner 12, group 34, mode 0750"


def test_names_of_owner_and_group_are_looked_up(host: FakeHost) -> None:
    run(FstabOperation, host, options(image="app", path="/srv/app", owner="root", group="root"))
    assert host.files.log[-1] == "own /srv/app owner 0, group 0"


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ({"owner": "no-such-user"}, "no such user"),
        ({"group": "no-such-group"}, "no such group"),
        ({"owner": "²"}, "no such user"),
        ({"group": "²"}, "no such group"),
        ({"mode": 488}, "not a string of octal digits"),
        ({"mode": "u=rwx"}, "not a string of octal digits"),
        ({"path": "srv"}, "not an absolute path"),
        ({"path": None}, "no path is given"),
        ({"image": "a/b/c/d"}, "not an image-spec"),
        ({"image": "rbd/a b"}, "udev or rbdmap would change"),
        ({"opts": ""}, "its opts is empty"),
        ({"path": "/srv/a\nb"}, "control character"),
    ],
)
def test_bad_input_is_refused_before_anything_is_read(host: FakeHost, wrong: dict[str, Any], cause: str) -> None:
    good = {"image": "app", "path": "/srv/app"}
    end = run(FstabOperation, host, options({"image": "log", "path": "/srv/log"}, {**good, **wrong}))
    assert end.failed
    assert [failure["index"] for failure in end.result["failures"]] == [1]
    assert cause in end.result["failures"][0]["msg"]
    assert (host.files.log, host.mounts.log) == ([], [])


@pytest.mark.parametrize(
    "items",
    [
        [{"image": "app", "path": "/srv/app"}, {"image": "log", "path": "/srv/app/"}],
        [{"image": "app", "path": "/srv/app"}, {"image": "app", "path": "/srv/log"}],
        [{"image": "app", "path": "/srv/app"}, {"image": "rbd/app", "path": "//srv/app"}],
    ],
)
def test_a_list_that_contradicts_itself_is_refused(host: FakeHost, items: list[dict[str, Any]]) -> None:
    end = run(FstabOperation, host, options(*items))
    assert (end.failed, end.result["changed"], host.files.texts) == (True, False, {})


def test_every_mount_point_that_is_taken_is_reported_and_nothing_is_done(host: FakeHost) -> None:
    for path in ("/srv/app", "/srv/log"):
        host.files.paths[path] = PathFacts(path, "directory", False, Ownership(0, 0, 0o755))
    end = run(FstabOperation, host, options({"image": "app", "path": "/srv/app"}, {"image": "log", "path": "/srv/log"}))
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
    assert (host.files.texts, len(host.mounts.held)) == ({}, 1)


def test_another_clusters_image_is_not_mounted(host: FakeHost) -> None:
    host.kernel.mapped = [device(fsid=OTHER_FSID)]
    end = run(FstabOperation, host, options(image="app", path="/srv/app"))
    assert f"an image of the same name in another cluster ({OTHER_FSID})" in end.result["msg"]
    assert (host.files.texts, len(host.mounts.held)) == ({}, 1)


@pytest.mark.parametrize("state", ["unmounted", "absent"])
@pytest.mark.parametrize("path", ["/srv/app", None])
def test_another_clusters_image_is_not_unmounted(host: FakeHost, state: str, path: str | None) -> None:
    host.kernel.mapped = [device(fsid=OTHER_FSID)]
    host.mounts.hold("/srv/app")
    end = run(FstabOperation, host, options(image="app", path=path, state=state))
    assert (end.failed, end.done, host.mounts.log) == (False, [], [])
    assert len(host.mounts.held) == 2


def test_another_clusters_image_is_reported_with_its_index(host: FakeHost) -> None:
    host.kernel.mapped = [device(fsid=OTHER_FSID), device(LOG, 1, fsid=OTHER_FSID)]
    end = run(FstabOperation, host, options({"image": "app", "path": "/srv/app"}, {"image": "log", "path": "/srv/log"}))
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]


@pytest.mark.parametrize("mapped", [True, False])
def test_present_needs_neither_cluster_nor_kernel_nor_image(host: FakeHost, mapped: bool) -> None:
    host.kernel.mapped = [device(fsid=OTHER_FSID)] if mapped else []
    end = run(FstabOperation, host, options(image="app", path="/srv/app", state="present"))
    assert (end.done, host.cluster.log, host.kernel.log) == ([("edit_file", PATH)], [], [])
    assert host.files.looked == []


def test_a_failure_in_the_middle_tells_what_was_done_and_which_item_failed(host: FakeHost) -> None:
    host.mounts.refuses = "/srv/log"
    end = run(FstabOperation, host, options({"image": "app", "path": "/srv/app"}, {"image": "log", "path": "/srv/log"}))
    assert (end.failed, end.result["changed"]) == (True, True)
    assert [kind for kind, _subject in end.done] == ["edit_file", "make_directory", "mount", "make_directory"]
    assert end.result["failures"] == [
        {"index": 1, "item": "/srv/log", "msg": "Cannot mount /srv/log: wrong fs type. Check it."}
    ]


@pytest.mark.parametrize("state", ["mounted", "absent"])
def test_mount_points_inside_each_other(host: FakeHost, state: str) -> None:
    items = [{"image": "log", "path": "/srv/app/log"}, {"image": "app", "path": "/srv/app"}]
    if state == "absent":
        items.reverse()
        host.mounts.hold("/srv/app")
        host.mounts.hold("/srv/app/log", (252, 16))
    end = ritual(FstabOperation, host, options(*items, state=state))
    order = [subject for kind, subject in end.done if kind in ("mount", "unmount")]
    assert order == (["/srv/app", "/srv/app/log"] if state == "mounted" else ["/srv/app/log", "/srv/app"])


def test_a_line_that_cannot_be_read_is_a_warning(host: FakeHost) -> None:
    host.files.texts = {PATH: "broken\n"}
    end = run(FstabOperation, host, options(image="app", path="/srv/app", state="present"))
    assert end.warnings[0].startswith(f"{PATH}:1: ")
    assert host.files.texts[PATH] == "broken\n" + LINE


@pytest.mark.parametrize("state", ["unmounted", "absent"])
class TestRemoval:
    def test_takes_no_look_into_what_is_mounted(self, host: FakeHost, state: str) -> None:
        host.mounts.hold("/srv/app")
        run(FstabOperation, host, options(image="app", path="/srv/app", state=state))
        assert (host.mounts.log[0], host.files.looked) == ("unmount /srv/app", [])

    def test_finds_a_mapping_that_has_no_link(self, host: FakeHost, state: str) -> None:
        host.kernel.links = False
        host.mounts.hold("/srv/app")
        ritual(FstabOperation, host, options(image="app", path="/srv/app", state=state))
        assert len(host.mounts.held) == 1

    def test_finds_every_mapping_of_the_image(self, host: FakeHost, state: str) -> None:
        host.kernel.mapped = [device(), device(number=1)]
        host.mounts.hold("/srv/app")
        host.mounts.hold("/srv/other", (252, 16))
        ritual(FstabOperation, host, options(image="app", path=None, state=state))
        assert len(host.mounts.held) == 1

    def test_leaves_what_is_mounted_over_the_image(self, host: FakeHost, state: str) -> None:
        host.files.texts = {PATH: LINE}
        host.mounts.hold("/srv/app")
        host.mounts.hold("/srv/app", (8, 2))
        end = run(FstabOperation, host, options(image="app", path="/srv/app", state=state))
        assert [failure["index"] for failure in end.result["failures"]] == [0]
        assert "/dev/sdb1 is mounted over it" in end.result["msg"]
        assert (end.done, len(host.mounts.held), host.files.texts) == ([], 3, {PATH: LINE})

    def test_follows_a_symbolic_link_to_the_mount(self, host: FakeHost, state: str) -> None:
        host.files.paths["/srv/app"] = PathFacts("/data/app", "directory", False, Ownership())
        host.mounts.hold("/data/app")
        run(FstabOperation, host, options(image="app", path="/srv/app", state=state))
        assert host.mounts.log[0] == "unmount /data/app"

    def test_asks_no_cluster_where_nothing_is_mapped(self, host: FakeHost, state: str) -> None:
        host.kernel.mapped = []
        run(FstabOperation, host, options(image="app", path="/srv/app", state=state))
        assert host.cluster.log == []

    def test_takes_a_name_that_could_not_be_mapped(self, host: FakeHost, state: str) -> None:
        line = LINE.replace("app", "a~b")
        host.files.texts = {PATH: "# mine\n" + line}
        end = run(FstabOperation, host, options(image="a~b", path="/srv/a~b", state=state))
        assert not end.failed
        assert host.files.texts == {PATH: "# mine\n" + (line if state == "unmounted" else "")}


def test_a_mapping_that_has_no_link_is_not_mounted(host: FakeHost) -> None:
    host.kernel.links = False
    end = run(FstabOperation, host, options(image="app", path="/srv/app"))
    assert "rbd/app is not mapped on this host" in end.result["msg"]
    assert host.files.texts == {}


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("state", ["unmounted", "absent"])
def test_mounted_here_and_gone_from_everywhere_contradict_each_other(host: FakeHost, turn: int, state: str) -> None:
    # Else each run would undo what the one before it did.
    host.files.texts = {PATH: LINE}
    host.mounts.hold("/srv/app")
    items = [{"image": "app", "path": "/srv/app"}, {"image": "app", "state": state}][::turn]
    end = run(FstabOperation, host, options(*items))
    assert (end.failed, end.done) == (True, [])


class TestRemount:
    """What a remount changes without an interruption is changed; the rest is told."""

    @pytest.fixture
    def mounted(self, host: FakeHost) -> FakeHost:
        host.files.texts = {PATH: LINE}
        host.mounts.hold("/srv/app")
        return host

    def show(self, host: FakeHost, **changed: str) -> None:
        host.mounts.held[-1] = replace(host.mounts.held[-1], **changed)

    def test_options_that_differ_are_remounted(self, mounted: FakeHost) -> None:
        opts = "noauto,_netdev,noatime,nosuid"
        mounted.files.texts = {PATH: LINE.replace("noauto,_netdev", opts)}
        end = ritual(FstabOperation, mounted, options(image="app", path="/srv/app", opts=opts))
        assert end.result["actions"] == [{"action": "remount", "subject": "/srv/app", "opts": "nosuid,noatime"}]
        assert end.result["diff"] == [
            {"before": "/srv/app: suid,relatime\n", "after": "/srv/app: nosuid,noatime\n"},
        ]
        assert mounted.mounts.log == [f"remount /srv/app nosuid,noatime {PATH}"]

    def test_after_the_line_that_says_so(self, mounted: FakeHost) -> None:
        end = ritual(FstabOperation, mounted, options(image="app", path="/srv/app", opts="noauto,_netdev,noexec"))
        assert [kind for kind, _subject in end.done] == ["edit_file", "remount"]

    def test_a_remount_by_hand_is_undone_before_the_ownership_is_set(self, mounted: FakeHost) -> None:
        self.show(mounted, opts="ro,relatime", super_opts="ro")
        mounted.files.paths["/srv/app"] = PathFacts("/srv/app", "directory", False, Ownership(0, 0, 0o755))
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app", owner="12"))
        assert [kind for kind, _subject in end.done] == ["remount", "set_ownership"]
        assert mounted.mounts.held[-1].super_opts == "rw"

    @pytest.mark.parametrize("state", ["present", "unmounted", "absent"])
    def test_no_other_state_remounts(self, mounted: FakeHost, state: str) -> None:
        self.show(mounted, opts="ro,relatime", super_opts="ro")
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app", state=state))
        assert "remount" not in [kind for kind, _subject in end.done]

    @pytest.mark.parametrize(
        ("shown", "state"),
        [
            ({"super_opts": "ro"}, FilesystemState()),
            ({"opts": "ro,relatime", "super_opts": "ro", "fstype": "ext4"}, FilesystemState(errors=1)),
            ({"opts": "rw,noatime"}, FilesystemState(shut_down=True)),
        ],
    )
    def test_a_file_system_with_an_error_is_left_alone(
        self, mounted: FakeHost, shown: dict[str, str], state: FilesystemState
    ) -> None:
        self.show(mounted, **shown)
        mounted.mounts.states["/srv/app"] = state
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app"))
        assert (end.failed, end.done, mounted.mounts.log) == (False, [], [])
        (warning,) = end.warnings
        assert re.fullmatch(r"rbd/app at /srv/app is not remounted: .*\. Look at dmesg, .*\.", warning)

    def test_one_on_a_read_only_device_is_not_remounted_for_writing(self, mounted: FakeHost) -> None:
        mounted.kernel.mapped = [device(read_only=True)]
        self.show(mounted, opts="ro,relatime", super_opts="ro")
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app"))
        assert (end.done, mounted.mounts.log) == ([], [])
        (warning,) = end.warnings
        assert warning.startswith("rbd/app at /srv/app is mounted read-only, since /dev/rbd0 is. Have ro among its")

    def test_read_only_on_a_read_only_device_is_nothing_to_tell(self, mounted: FakeHost) -> None:
        mounted.kernel.mapped = [device(read_only=True)]
        self.show(mounted, opts="ro,relatime", super_opts="ro")
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app", opts="noauto,_netdev,ro"))
        assert end.warnings == []

    def test_what_only_a_mount_changes_is_told(self, mounted: FakeHost) -> None:
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app", opts="noauto,_netdev,discard"))
        assert [kind for kind, _subject in end.done] == ["edit_file"]
        assert end.warnings == [
            "rbd/app at /srv/app is mounted with nodiscard, not discard. That changes when it is mounted anew."
        ]

    def test_a_remount_that_the_kernel_passes_over_is_an_error(self, mounted: FakeHost) -> None:
        mounted.mounts.ignores = "noexec"
        end = run(FstabOperation, mounted, options(image="app", path="/srv/app", opts="noauto,_netdev,noexec,nodev"))
        assert end.failed
        assert end.result["msg"].startswith(
            "Cannot remount /srv/app with nodev,noexec: the kernel has left exec as it was."
        )

    def test_a_bind_mount_is_nobodys_business(self, mounted: FakeHost) -> None:
        mounted.mounts.hold("/var/lib/pod")
        self.show(mounted, opts="ro,noexec,relatime")
        assert run(FstabOperation, mounted, options(image="app", path="/srv/app")).done == []
