# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_map beside other hosts that have an image open, and beside other runs on the same host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import NotBegun, Overtaken
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_use import ImageUse
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_map import OTHER, PATH, options
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    KERNEL,
    OTHER_FSID,
    device,
    facts,
    mount,
)

OWN = Watcher("10.0.0.1:0/1", KERNEL)


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts(image_id="a"), "rbd/log": facts(image_id="b")}
    return host


class TestSecondWriter:
    """What a run has mapped that ended before it could look once more."""

    @pytest.fixture(autouse=True)
    def mapped_on_both(self, host: FakeHost) -> None:
        host.kernel.mapped = [device(image_id="a", options="name=app,key=client.app")]
        host.cluster.images["rbd/app"] = facts(image_id="a", watchers=(OWN, OTHER))

    def test_is_refused_before_anything_is_mounted(self, host: FakeHost) -> None:
        end = run(MapOperation, host, options(image="app"))
        assert end.result["msg"].startswith("Cannot use rbd/app as it is mapped: it is in use by client.7 at 10.0.0.5")
        assert (end.done, len(host.kernel.mapped), host.files.texts) == ([], 1, {})

    def test_is_told_of_where_it_is_mounted(self, host: FakeHost) -> None:
        host.mounts.held.append(mount("/srv/app", host.kernel.mapped[0].devno))
        end = run(MapOperation, host, options(image="app"))
        assert not end.failed
        assert "rbd/app is in use on this host, and client.7 at 10.0.0.5:0/77 has it open for writing as well." in str(
            end.warnings
        )

    @pytest.mark.parametrize("wish", [{"shared": True}, {"read_only": True}])
    def test_may_be_meant(self, host: FakeHost, wish: dict[str, Any]) -> None:
        assert not run(MapOperation, host, options(image="app", **wish)).failed

    def test_is_not_this_host(self, host: FakeHost) -> None:
        host.cluster.images["rbd/app"] = facts(image_id="a", watchers=(OWN,))
        end = run(MapOperation, host, options(image="app"))
        assert (end.failed, "open for writing" in str(end.warnings)) == (False, False)


def test_the_number_of_a_client_is_its_own_in_one_cluster_only(host: FakeHost) -> None:
    host.kernel.mapped = [device(replace(APP, image="other"), fsid=OTHER_FSID)]
    host.cluster.uses = {"rbd/app": ImageUse((Watcher("10.0.0.5:0/77", KERNEL),))}
    assert f"in use by {KERNEL} at 10.0.0.5:0/77" in run(MapOperation, host, options(image="app")).result["msg"]


def test_what_another_run_is_mapping_for_too_long_is_not_undone(host: FakeHost) -> None:
    original = host.kernel.map

    def locked(*arguments: Any) -> str:
        original(*arguments)
        raise NotBegun("map rbd/app", "process 7 (rbd) has held the lock of the image for 30 seconds", "Wait.")

    host.kernel.map = locked  # type: ignore[method-assign]  # the other run's map, in the same moment
    end = run(MapOperation, host, options(image="app"))
    assert end.result["msg"].endswith("Wait.")
    assert len(host.kernel.mapped) == 1


class TestUnmap:
    @staticmethod
    def unmap(host: FakeHost, *then: Any) -> Run:
        """Unmap, where the kernel's mappings have become others since the plan was made."""
        host.kernel.mapped = [device(image_id="a")]
        original = host.kernel.devices
        looks = []

        def changing(*spec: Any) -> Any:
            looks.append(None)
            if len(looks) == 2:
                host.kernel.mapped = list(then)
            return original(*spec)

        host.kernel.devices = changing  # type: ignore[method-assign]  # as it would happen
        return run(MapOperation, host, options(image="app", state="unmapped"))

    def test_the_next_image_that_got_the_number_is_left(self, host: FakeHost) -> None:
        end = self.unmap(host, device(replace(APP, image="log"), image_id="b"))
        assert (end.failed, end.done) == (False, [])
        assert [mapped.image_id for mapped in host.kernel.mapped] == ["b"]

    def test_what_another_run_has_unmapped_is_done(self, host: FakeHost) -> None:
        end = self.unmap(host)
        assert (end.failed, end.done) == (False, [])


def test_that_nothing_was_changed_is_said_only_where_it_is_so(host: FakeHost) -> None:
    original = host.kernel.map
    host.cluster.images["rbd/third"] = facts(image_id="c")

    def overtaken(spec: Any, *arguments: Any) -> str:
        if spec.image == "app":
            return original(spec, *arguments)
        host.cluster.uses = {"rbd/third": ImageUse((OTHER,))}
        raise Overtaken("map rbd/log", "another run has mapped it in this very moment", "Run again.")

    images = [{"image": "app"}, {"image": "log"}, {"image": "third"}]
    host.kernel.map = overtaken  # type: ignore[method-assign, assignment]  # as it would happen
    end = run(MapOperation, host, options(*images))
    assert (end.done, end.failed) == ([("map", "rbd/app")], True)
    assert "in use by client.7" in end.result["msg"]
    assert "Nothing was changed" not in end.result["msg"]
    again = run(MapOperation, host, options(*images[1:]))
    assert again.result["msg"].endswith("Nothing was changed.")
    assert PATH not in host.files.texts
