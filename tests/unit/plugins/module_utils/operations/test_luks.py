# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_luks from its parameters to its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnprepared
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import Content, Signature
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._luks_hook import MARK
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.luks import LuksOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_luks import OFFSET, FakeLuks
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    CANARY,
    OTHER_FSID,
    device,
    facts,
)

LOG = ImageSpec("rbd", "", "log")
KEY_FILE = "/etc/ceph/luks/rbd-rbd-app.key"
PRIVATE = Ownership(0, 0, 0o600)
HOOK = "/etc/ceph/rbd.d/rbd/app"
ITEM = {
    "state": "opened",
    "key_file": None,
    "key": None,
    "format_options": None,
    "size": None,
    "overwrite": None,
}


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given = [{**dict.fromkeys(ITEM), **item} for item in items]
    return {**ITEM, "image": None, **top, "images": given or None}


class Host(FakeHost):
    """A host that has cryptsetup as well."""

    def __init__(self) -> None:
        super().__init__()
        self.luks = FakeLuks(self.kernel, self.devices, self.files)
        self.ports = replace(self.ports, luks=self.luks)
        self.cluster.images = {"rbd/app": facts(), "rbd/log": facts(image_id="b")}
        self.kernel.mapped = [device(), device(LOG, 1, image_id="b")]

    def encrypted(self, key: str = CANARY) -> None:
        """rbd/app as an earlier run or another host has left it."""
        self.devices.contents["/dev/rbd0"] = Content(fstype="crypto_LUKS")
        self.luks.keys["/dev/rbd0"] = key

    def place(self, path: str, text: str, ownership: Ownership) -> None:
        self.files.texts[path] = text
        self.files.paths[path] = PathFacts(path, "other", False, ownership)

    def with_key(self, key: str = CANARY, ownership: Ownership = PRIVATE) -> None:
        self.place(KEY_FILE, key, ownership)


@pytest.fixture
def host() -> Host:
    return Host()


def everything(end: Run) -> str:
    return f"{end.result} {end.warnings}"


class TestOpened:
    def test_check_do_do_again_check_again(self, host: Host) -> None:
        images = [{"image": "app", "format_options": ["--label=app"]}, {"image": "log"}]
        end = ritual(LuksOperation, host, options(*images, key=CANARY))
        assert [kind for kind, _subject in end.done] == ["place_key", "luks_format", "open", "edit_file"] * 2
        assert host.luks.log[:2] == ["format /dev/rbd0 --label=app", "open /dev/rbd0 rbd-rbd-app"]
        assert host.files.texts[KEY_FILE] == CANARY
        assert f"make /etc/ceph/luks 0700\nedit {KEY_FILE} 0600" in "\n".join(host.files.log)
        assert f"make /etc/ceph/rbd.d/rbd 0755\nedit {HOOK} 0755" in "\n".join(host.files.log)
        assert CANARY not in everything(end)

    def test_an_encrypted_image_is_opened_and_not_formatted(self, host: Host) -> None:
        host.encrypted()
        host.with_key()
        end = ritual(LuksOperation, host, options(image="app"))
        assert end.done == [("open", "rbd/app"), ("edit_file", HOOK)]
        assert "first_written rbd/app" not in host.cluster.log

    @pytest.mark.parametrize(
        ("content", "written", "cause"),
        [
            (Content(fstype="ext4", signatures=(Signature("ext4", "7"),)), Extent(0, 1), "it holds ext4 7"),
            (Content(ends_zero=True), Extent(4096, 1), "it holds data 1a2b"),
            (Content(ends_zero=False), None, "could not be read as zeros"),
            (Content(ends_zero=True, held=True), None, "is in use on this host"),
        ],
    )
    def test_what_is_not_proven_blank_is_never_formatted(
        self, host: Host, content: Content, written: Extent | None, cause: str
    ) -> None:
        host.devices.contents["/dev/rbd0"] = content
        host.cluster.written = {"rbd/app": written} if written else {}
        end = run(LuksOperation, host, options({"image": "log"}, {"image": "app"}, key=CANARY))
        assert cause in end.result["msg"]
        assert (host.luks.log, host.files.texts) == ([], {})

    def test_what_is_written_to_while_the_run_goes_on_is_not_formatted(self, host: Host) -> None:
        operation: list[LuksOperation] = []

        def make(*given: Any) -> LuksOperation:
            operation.append(LuksOperation(*given))
            planned = operation[0].plan

            def plan() -> Any:
                found = planned()
                host.cluster.written = {"rbd/app": Extent(0, 1)}
                return found

            operation[0].plan = plan  # type: ignore[method-assign]  # another host writes right after the look
            return operation[0]

        end = run(make, host, options(image="app", key=CANARY))
        assert "it holds data" in end.result["msg"]
        assert host.luks.log == []

    def test_what_the_entry_names_may_be_overwritten(self, host: Host) -> None:
        host.devices.contents["/dev/rbd0"] = Content(fstype="ext4", signatures=(Signature("ext4", "7"),))
        end = ritual(LuksOperation, host, options(image="app", key=CANARY, overwrite=["ext4 7"]))
        assert "erase /dev/rbd0" in host.devices.log
        assert end.result["actions"][1]["overwritten"] == ["ext4 7"]

    @pytest.mark.parametrize("change", [{"fsid": OTHER_FSID}, {"image_id": "other"}, {"size": 5}])
    def test_a_device_that_is_not_the_image_is_never_formatted(self, host: Host, change: dict[str, Any]) -> None:
        host.kernel.mapped = [replace(device(), **change)]
        assert run(LuksOperation, host, options(image="app", key=CANARY)).failed
        assert host.luks.log == []

    def test_an_image_that_is_not_mapped_is_refused_and_predicted(self, host: Host) -> None:
        host.kernel.mapped = []
        assert (
            "it is not mapped on this host" in run(LuksOperation, host, options(image="app", key=CANARY)).result["msg"]
        )
        checked = run(LuksOperation, host, options(image="app", key=CANARY), check=True)
        assert [kind for kind, _subject in checked.done] == ["place_key", "luks_format", "open", "edit_file"]

    def test_one_that_is_open_under_another_name_is_refused(self, host: Host) -> None:
        host.encrypted()
        host.with_key()
        host.kernel.mapped = [replace(device(), crypts=(CryptDevice("mine", (253, 9), 1 << 20),))]
        assert (
            "it is opened as /dev/mapper/mine already" in run(LuksOperation, host, options(image="app")).result["msg"]
        )
        assert host.luks.log == []

    def test_a_read_only_mapping_is_opened_so(self, host: Host) -> None:
        host.encrypted()
        host.with_key()
        host.kernel.mapped = [device(read_only=True)]
        run(LuksOperation, host, options(image="app"))
        assert "open /dev/rbd0 rbd-rbd-app read-only" in host.luks.log

    def test_a_host_without_a_configuration_is_predicted(self, host: Host) -> None:
        host.cluster.refusal = ClusterUnprepared("connect", "there is no ceph.conf", "Place it.")
        end = run(LuksOperation, host, options(image="app", key=CANARY), check=True)
        assert not end.failed
        assert run(LuksOperation, host, options(image="app", key=CANARY)).failed


class TestKey:
    def test_without_one_the_error_says_how_to_make_one(self, host: Host) -> None:
        end = run(LuksOperation, host, options(image="app"))
        assert end.result["msg"].startswith(
            f"Cannot encrypt rbd/app: there is no key file {KEY_FILE}, and no key is given. Make one"
        )
        assert host.luks.log == []
        checked = run(LuksOperation, host, options(image="app"), check=True)
        assert (checked.failed, len(checked.warnings)) == (False, 1)

    def test_a_wrong_one_is_found_before_anything_is_changed(self, host: Host) -> None:
        host.encrypted("the right one")
        for check in (True, False):
            end = run(LuksOperation, host, options({"image": "log"}, {"image": "app"}, key=CANARY), check=check)
            assert [failure["item"] for failure in end.result["failures"]] == ["rbd/app"]
            assert CANARY not in everything(end)
        assert (set(host.luks.log), host.files.texts) == ({"try /dev/rbd0"}, {})

    def test_a_wrong_one_in_the_key_file_is_found_before_anything_is_changed(self, host: Host) -> None:
        host.encrypted("the right one")
        host.with_key()
        assert run(LuksOperation, host, options(image="app")).failed
        assert (host.luks.log, list(host.files.texts)) == (["try /dev/rbd0"], [KEY_FILE])

    def test_another_one_in_the_key_file_is_never_replaced(self, host: Host) -> None:
        host.with_key("theirs")
        end = run(LuksOperation, host, options(image="app", key=CANARY))
        assert "holds another one" in end.result["msg"]
        assert (host.files.texts, host.luks.log) == ({KEY_FILE: "theirs"}, [])
        assert "theirs" not in everything(end)

    def test_one_that_another_run_has_just_placed_is_not_replaced(self, host: Host) -> None:
        make_directory = host.files.make_directory

        def meanwhile(path: str, mode: int) -> None:
            host.with_key("theirs")
            make_directory(path, mode)

        host.files.make_directory = meanwhile  # type: ignore[method-assign]  # the race, as it would happen
        end = run(LuksOperation, host, options(image="app", key=CANARY))
        assert "holds another one" in end.result["msg"]
        assert (host.files.texts[KEY_FILE], host.luks.log) == ("theirs", [])

    def test_an_empty_file_or_key_is_no_key(self, host: Host) -> None:
        assert "is empty" in run(LuksOperation, host, options(image="app", key="")).result["msg"]
        host.with_key("")
        assert "is empty" in run(LuksOperation, host, options(image="app")).result["msg"]
        assert host.luks.log == []

    @pytest.mark.parametrize("ownership", [Ownership(0, 0, 0o640), Ownership(1000, 0, 0o600)])
    def test_a_file_that_others_can_read_is_mended_or_told(self, host: Host, ownership: Ownership) -> None:
        host.with_key(ownership=ownership)
        end = run(LuksOperation, host, options(image="app", state="present"))
        assert end.warnings[0].endswith(f"Run: chown root: {KEY_FILE}; chmod 0600 {KEY_FILE}.")
        end = ritual(LuksOperation, host, options(image="app", state="present", key=CANARY))
        assert end.done == [("set_ownership", KEY_FILE)]
        assert end.warnings == []

    def test_a_path_of_its_own(self, host: Host) -> None:
        run(LuksOperation, host, options(image="app", key=CANARY, key_file="/k"))
        assert "key_file=/k\n" in host.files.texts[HOOK]
        assert "absolute" in run(LuksOperation, host, options(image="app", key_file="k")).result["msg"]


class TestGrowth:
    def grown(self, host: Host) -> None:
        run(LuksOperation, host, options(image="app", key=CANARY))
        host.cluster.images["rbd/app"] = facts(size=2 << 30)
        host.devices.sizes["/dev/rbd0"] = 2 << 30

    def test_the_opened_device_grows_with_the_image(self, host: Host) -> None:
        self.grown(host)
        host.kernel.mapped[0] = replace(host.kernel.mapped[0], size=2 << 30)
        end = ritual(LuksOperation, host, options(image="app"))
        assert end.done == [("resize", "rbd/app")]
        assert host.kernel.mapped[0].crypts[0].size == (2 << 30) - OFFSET

    def test_it_waits_until_the_kernel_knows(self, host: Host) -> None:
        self.grown(host)
        end = run(LuksOperation, host, options(image="app", size="2G"))
        assert end.done == [("resize", "rbd/app")]
        assert f"await_size /dev/rbd0 {2 << 30}" in host.devices.log

    def test_an_image_that_was_shrunk_while_it_was_open_is_told(self, host: Host) -> None:
        run(LuksOperation, host, options(image="app", key=CANARY))
        host.kernel.mapped[0] = replace(host.kernel.mapped[0], size=1 << 29)
        assert "The image was shrunk while it was open" in run(LuksOperation, host, options(image="app")).result["msg"]


class TestHook:
    def test_one_of_others_is_never_overwritten(self, host: Host) -> None:
        host.place(HOOK, "#!/bin/sh\n", Ownership(0, 0, 0o755))
        end = run(LuksOperation, host, options(image="app", key=CANARY))
        assert "there is one already that this collection has not made" in end.result["msg"]
        assert (host.files.texts, host.luks.log) == ({HOOK: "#!/bin/sh\n"}, [])
        run(LuksOperation, host, options(image="app", state="absent"))
        assert host.files.texts == {HOOK: "#!/bin/sh\n"}

    def test_an_older_one_of_ours_is_renewed_and_made_executable(self, host: Host) -> None:
        host.with_key()
        host.place(HOOK, f"#!/bin/sh\n{MARK}\n", Ownership(0, 0, 0o666))
        end = ritual(LuksOperation, host, options(image="app", state="present"))
        assert end.done == [("edit_file", HOOK), ("set_ownership", HOOK)]

    def test_present_asks_neither_the_kernel_nor_the_cluster_about_the_image(self, host: Host) -> None:
        ritual(LuksOperation, host, options(image="app", state="present", key=CANARY))
        assert (host.cluster.log, host.luks.log, host.devices.log) == ([], [], [])


class TestClosed:
    @pytest.fixture
    def opened(self, host: Host) -> Host:
        run(LuksOperation, host, options(image="app", key=CANARY))
        host.luks.log.clear()
        return host

    def test_closed_keeps_the_hook(self, opened: Host) -> None:
        assert ritual(LuksOperation, opened, options(image="app", state="closed")).done == [("close", "rbd/app")]
        assert HOOK in opened.files.texts

    def test_absent_keeps_the_key(self, opened: Host) -> None:
        end = ritual(LuksOperation, opened, options(image="app", state="absent"))
        assert end.done == [("close", "rbd/app"), ("remove_file", HOOK)]
        assert list(opened.files.texts) == [KEY_FILE]

    def test_what_is_mounted_is_not_closed(self, opened: Host) -> None:
        opened.mounts.hold("/srv/app", (253, 0))
        end = run(LuksOperation, opened, options(image="app", state="absent"))
        assert "/dev/mapper/rbd-rbd-app is mounted at /srv/app" in end.result["msg"]
        assert opened.luks.log == []
        # An earlier task of the same run is what would have unmounted it.
        assert not run(LuksOperation, opened, options(image="app", state="absent"), check=True).failed

    def test_another_clusters_image_of_the_name_is_left_open(self, opened: Host) -> None:
        opened.kernel.mapped[0] = replace(opened.kernel.mapped[0], fsid=OTHER_FSID)
        assert run(LuksOperation, opened, options(image="app", state="closed")).done == []

    def test_what_is_not_mapped_needs_no_cluster(self, host: Host) -> None:
        ritual(LuksOperation, host, options(image="app", state="absent"))
        assert host.cluster.log == []


@pytest.mark.parametrize("word", ["--key-file=x", "-c", "/dev/sdb", "--header=h", "--label=/dev/sdb", "--label"])
def test_an_option_that_says_more_than_how_to_format_is_refused(host: Host, word: str) -> None:
    end = run(LuksOperation, host, options(image="app", key=CANARY, format_options=[word]))
    assert "is none of the options for a format" in end.result["msg"]
    assert host.luks.log == []


def test_the_report_says_where_everything_is(host: Host) -> None:
    assert run(LuksOperation, host, options(image="app", key=CANARY)).result["images"] == [
        {"image": "rbd/app", "device": "/dev/mapper/rbd-rbd-app", "key_file": KEY_FILE, "hook": HOOK}
    ]
