# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_user from its parameters to its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterUnprepared, Overtaken
from ansible_collections.cephclient.rbd.plugins.module_utils._module import Operation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.user import Stores, UserOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._user import UserFacts
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import running
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_monitors import (
    FakeNamespaces,
    FakeUsers,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeFiles, FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import Run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

PATH = "/etc/ceph/ceph.client.new.keyring"
READY = {"mon": "profile rbd", "mgr": "profile rbd pool=rbd", "osd": "profile rbd pool=rbd"}


class PrivateFiles(FakeFiles):
    """Files that root alone can read, once they are written."""

    def edit(self, path: str, change: Any, mode: int) -> None:
        super().edit(path, change, mode)
        self.paths.setdefault(path, PathFacts(path, "other", False, Ownership(0, 0, mode)))

    def set_ownership(self, path: str, ownership: Ownership) -> None:
        super().set_ownership(path, ownership)
        self.paths[path] = PathFacts(path, "other", False, ownership)


@dataclass
class Place:
    """A cluster and a host."""

    users: FakeUsers = field(default_factory=FakeUsers)
    namespaces: FakeNamespaces = field(default_factory=lambda: FakeNamespaces({"rbd": {"blue"}}))
    host: FakeHost = field(default_factory=FakeHost)
    secret: bool = False

    def __post_init__(self) -> None:
        self.files = PrivateFiles()

    def make(self, module: Any, _session: object, names: Any, ports: Any) -> Operation:
        module.no_log = self.secret
        object.__setattr__(ports, "files", self.files)
        return UserOperation(module, Stores(self.users, self.namespaces), names, ports)

    def run(self, wish: dict[str, Any], check: bool = False) -> Run:
        return running.run(self.make, self.host, {**wish, "user": "keeper"}, check)

    def ritual(self, wish: dict[str, Any]) -> Run:
        return running.ritual(self.make, self.host, {**wish, "user": "keeper"})


def options(*items: dict[str, Any], **top: Any) -> dict[str, Any]:
    given: list[dict[str, Any]] = [{"pools": None, "keyring_file": None, "state": None, **item} for item in items]
    pools = [{"pool": "rbd", "namespace": None, "profile": "rbd"}]
    return {"name": None, "pools": pools, "keyring_file": None, "state": "present", **top, "users": given or None}


def everything(end: Run) -> str:
    return f"{end.result} {end.warnings}"


def test_create_correct_and_remove_in_one_call() -> None:
    place = Place(FakeUsers({"drifted": UserFacts({"mds": "allow *"}, "k"), "old": UserFacts(READY, "k")}))
    done = place.ritual(options({"name": "new"}, {"name": "drifted"}, {"name": "old", "state": "absent"}))
    assert done.done == [("create", "client.new"), ("set_capabilities", "client.drifted"), ("remove", "client.old")]
    assert {name: user.capabilities for name, user in place.users.users.items()} == {"new": READY, "drifted": READY}
    assert done.result["users"] == [
        {"name": "new", "exists": True, "capabilities": READY},
        {"name": "drifted", "exists": True, "capabilities": READY},
        {"name": "old", "exists": False, "capabilities": {}},
    ]


def test_a_new_key_is_written_to_a_private_keyring_and_shown_nowhere() -> None:
    place = Place()
    done = place.ritual(options(name="new", keyring_file=PATH))
    assert done.done == [("create", "client.new"), ("set_key", PATH)]
    assert place.files.texts[PATH] == f"[client.new]\n\tkey = {CANARY}\n"
    assert f"edit {PATH} 0600" in place.files.log
    assert CANARY not in everything(done)


def test_an_existing_key_is_written_to_a_keyring_that_has_another_one() -> None:
    place = Place(FakeUsers({"new": UserFacts(READY, CANARY)}))
    place.files.texts[PATH] = "[client.new]\nkey = other\n[client.else]\nkey = theirs\n"
    place.files.paths[PATH] = PathFacts(PATH, "other", False, Ownership(0, 0, 0o644))
    done = place.ritual(options(name="new", keyring_file=PATH))
    assert done.done == [("make_private", PATH), ("set_key", PATH)]
    assert place.files.texts[PATH] == f"[client.new]\n\tkey = {CANARY}\n[client.else]\nkey = theirs\n"
    assert CANARY not in everything(done)


def test_a_keyring_that_others_can_read_is_made_private_before_a_new_key_enters_it() -> None:
    place = Place()
    place.files.texts[PATH] = ""
    place.files.paths[PATH] = PathFacts(PATH, "other", False, Ownership(0, 0, 0o644))
    done = place.ritual(options(name="new", keyring_file=PATH))
    assert done.done == [("create", "client.new"), ("make_private", PATH), ("set_key", PATH)]


def test_several_users_share_a_keyring() -> None:
    place = Place()
    place.ritual(options({"name": "a"}, {"name": "b"}, keyring_file=PATH))
    assert place.files.texts[PATH] == f"[client.a]\n\tkey = {CANARY}\n[client.b]\n\tkey = {CANARY}\n"


def test_a_keyring_outlives_its_user() -> None:
    place = Place(FakeUsers({"new": UserFacts(READY, CANARY)}))
    place.files.texts[PATH] = "as it is"
    assert place.ritual(options(name="new", keyring_file=PATH, state="absent")).done == [("remove", "client.new")]
    assert place.files.texts[PATH] == "as it is"


def test_the_key_is_returned_only_to_a_task_that_is_not_logged() -> None:
    place = Place(secret=True)
    assert "key" not in place.run(options(name="new"), check=True).result["users"][0]
    for _run in range(2):
        end = place.run(options(name="new"))
        assert end.result["users"][0]["key"] == CANARY
        assert CANARY not in f"{end.result['actions']} {end.result['diff']}"
    place.secret = False
    assert CANARY not in everything(place.run(options(name="new")))


def test_another_run_that_creates_the_user_with_other_capabilities_is_corrected() -> None:
    place = Place(FakeUsers(overtaken=Overtaken("create client.new", "another run has just created it")))
    end = place.run(options(name="new", keyring_file=PATH))
    assert (end.failed, end.done) == (False, [("set_capabilities", "client.new"), ("set_key", PATH)])
    assert place.users.users["new"].capabilities == READY


def test_a_place_that_is_missing() -> None:
    place = Place()
    wish = options(
        {"name": "a", "pools": [{"pool": "none", "namespace": None, "profile": "rbd"}]},
        {"name": "b", "pools": [{"pool": "rbd", "namespace": "red", "profile": "rbd"}]},
        {"name": "c"},
    )
    end = place.run(wish)
    assert [failure["index"] for failure in end.result["failures"]] == [0, 1]
    assert place.users.users == {}
    predicted = place.run(wish, check=True)
    assert len(predicted.done) == 3
    assert [warning.partition(" does not exist")[0] for warning in predicted.warnings] == [
        "pool none",
        "namespace rbd/red",
    ]


def test_each_pool_is_asked_for_once_and_only_for_users_that_shall_be_there() -> None:
    place = Place()
    pools = [{"pool": "rbd", "namespace": name, "profile": "rbd"} for name in (None, "blue")]
    place.run(options({"name": "a", "pools": pools}, {"name": "b"}))
    assert place.namespaces.log == ["names rbd"]
    place.namespaces.log.clear()
    place.run(options(name="a", state="absent"))
    assert place.namespaces.log == []


def test_check_mode_before_the_host_is_prepared_predicts_with_a_warning() -> None:
    place = Place(FakeUsers(refusal=ClusterUnprepared("reach the cluster", "there is no ceph.conf")))
    wish = options({"name": "new", "keyring_file": PATH}, {"name": "gone", "state": "absent"})
    end = place.run(wish, check=True)
    assert (end.failed, end.done) == (False, [("create", "client.new"), ("set_key", PATH)])
    assert "there is no ceph.conf" in end.warnings[0]
    assert place.run(wish).failed


def test_the_connecting_user_and_a_repeated_one_are_refused() -> None:
    assert "connects as" in Place().run(options(name="keeper")).result["msg"]
    end = Place().run(options({"name": "a"}, {"name": "a"}))
    assert "item 0 of the same list names it already" in end.result["msg"]
