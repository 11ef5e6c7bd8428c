# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbdmap_service from its parameters to its result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._operations.rbdmap_service import ServiceOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import (
    DROP_IN,
    DROP_IN_TEXT,
    PROGRAM,
    SERVICE,
    ServiceRequest,
    ServiceState,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._system.boot_program import program_texts
from ansible_collections.cephclient.rbd.plugins.module_utils._system.files import HostFiles
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import ritual, run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

ALL = [*PROGRAM, DROP_IN]
PLACED = {**program_texts(), DROP_IN: DROP_IN_TEXT}


def options(state: str = "present", *, self_heal: bool = True, assume_installed: bool = False) -> dict[str, Any]:
    return {"state": state, "self_heal": self_heal, "assume_installed": assume_installed}


def make(module: Any, _session: object, names: tuple[str, ...], ports: Any) -> ServiceOperation:
    given = {name: module.params[name] for name in names}
    given["assume_installed"] = given["assume_installed"] and module.check_mode
    return ServiceOperation(ServiceRequest(**given), module.check_mode, ports.files, ports.services, program_texts)


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.services.states[SERVICE] = ServiceState("disabled", "inactive")
    return host


def with_files(host: FakeHost) -> FakeHost:
    host.files.texts = dict(PLACED)
    host.files.paths = {path: PathFacts(path, "other", False, Ownership(0, 0, 0o644)) for path in ALL}
    return host


def service(enabled: str, active: str) -> dict[str, str]:
    return {"name": SERVICE, "enabled": enabled, "active": active}


def test_present_check_do_do_again_check_again(host: FakeHost) -> None:
    end = ritual(make, host, options())
    assert [kind for kind, _subject in end.done] == [*["edit_file"] * 3, "daemon_reload", "enable", "start"]
    assert host.files.texts == PLACED
    assert host.services.log == ["reload", f"enable {SERVICE}", f"start {SERVICE}"]
    made = [call for call in host.files.log if call.startswith(("make", "edit"))]
    assert made == [
        "make /usr/local/lib/cephclient.rbd 0755",
        f"edit {PROGRAM[0]} 0644",
        "make /usr/local/lib/cephclient.rbd 0755",
        f"edit {PROGRAM[1]} 0644",
        "make /etc/systemd/system/rbdmap.service.d 0755",
        f"edit {DROP_IN} 0644",
    ]
    assert (end.result["self_heal"], end.result["state"]) == (True, "present")
    assert end.result["service"] == service("enabled", "active")


def test_as_ceph_ships_it_check_do_do_again_check_again(host: FakeHost) -> None:
    end = ritual(make, with_files(host), options(self_heal=False))
    assert end.done == [
        ("remove_file", DROP_IN),
        ("daemon_reload", SERVICE),
        ("remove_file", PROGRAM[1]),
        ("remove_file", PROGRAM[0]),
        ("enable", SERVICE),
        ("start", SERVICE),
    ]
    assert host.files.texts == {}
    assert [entry["before"] for entry in end.result["diff"][:3]] == [PLACED[path] for path in reversed(ALL)]
    assert end.result["self_heal"] is False


def test_absent_check_do_do_again_check_again(host: FakeHost) -> None:
    end = ritual(make, with_files(host), options("absent"))
    assert host.files.texts == {}
    assert host.services.log == ["reload"]
    assert (end.result["self_heal"], end.result["service"]) == (False, service("disabled", "inactive"))


def test_a_second_run_only_reads(host: FakeHost) -> None:
    host.services.states[SERVICE] = ServiceState("enabled", "active")
    end = run(make, with_files(host), options())
    assert (end.done, end.result["service"]) == ([], service("enabled", "active"))
    assert host.services.log == []
    assert host.files.log == [f"read {path}" for path in ALL]


def test_check_mode_reports_the_service_as_it_would_be(host: FakeHost) -> None:
    end = run(make, host, options(), check=True)
    assert (end.result["self_heal"], end.result["service"]) == (True, service("enabled", "active"))
    assert host.files.texts == {}
    assert host.services.log == []


def test_a_service_that_waits_for_its_next_attempt_is_waited_for(host: FakeHost) -> None:
    host.services.states[SERVICE] = ServiceState("enabled", "activating")
    end = ritual(make, with_files(host), options())
    assert end.done == [("start", SERVICE)]


def test_a_unit_that_is_to_be_installed_is_assumed_in_check_mode_only(host: FakeHost) -> None:
    host.services.states[SERVICE] = ServiceState("", "inactive", "not-found")
    given = options(assume_installed=True)
    checked = run(make, host, given, check=True)
    assert [kind for kind, _subject in checked.done] == [*["edit_file"] * 3, "daemon_reload"]
    assert len(checked.warnings) == 1
    done = run(make, host, given)
    assert done.failed
    assert "there is no such unit" in done.result["msg"]
    assert host.files.texts == {}


@pytest.mark.parametrize(("verb", "done"), [("reload", 3), ("enable", 4), ("start", 5)])
def test_what_systemd_refuses_is_done_by_the_next_run(host: FakeHost, verb: str, done: int) -> None:
    host.services.states[SERVICE] = ServiceState("disabled", "inactive", outdated=True)
    host.services.refuses = verb
    end = run(make, host, options())
    assert (end.failed, len(end.done), end.result["changed"]) == (True, done, True)
    assert end.result["failures"][0]["item"] == SERVICE
    host.services.refuses = ""
    end = run(make, host, options())
    assert (end.failed, end.result["service"]) == (False, service("enabled", "active"))
    assert len(end.done) == 6 - done


class Rooted(HostFiles):
    """The real files, below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def read(self, path: str) -> str | None:
        return super().read(self.root + path)

    def edit(self, path: str, change: Callable[[str], str], mode: int) -> None:
        super().edit(self.root + path, change, mode)

    def remove(self, path: str) -> None:
        super().remove(self.root + path)

    def look(self, path: str) -> PathFacts:
        return super().look(self.root + path)

    def make_directory(self, path: str, mode: int) -> None:
        super().make_directory(self.root + path, mode)

    def set_ownership(self, path: str, ownership: Ownership) -> None:
        super().set_ownership(self.root + path, ownership)


@pytest.mark.skipif(os.geteuid() != 0, reason="the files are root's")
class TestRealFiles:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture
    def make_there(self, root: Path) -> Callable[..., ServiceOperation]:
        def make_it(module: Any, _session: object, names: tuple[str, ...], ports: Any) -> ServiceOperation:
            request = ServiceRequest(**{name: module.params[name] for name in names})
            return ServiceOperation(request, module.check_mode, Rooted(root), ports.services, program_texts)

        return make_it

    def files(self, root: Path) -> dict[str, str]:
        return {f"/{path.relative_to(root)}": path.read_text() for path in root.rglob("*") if path.is_file()}

    def test_they_are_placed_and_removed(
        self, host: FakeHost, root: Path, make_there: Callable[..., ServiceOperation]
    ) -> None:
        umask = os.umask(0o077)
        try:
            ritual(make_there, host, options())
        finally:
            os.umask(umask)
        assert self.files(root) == PLACED
        modes = {path.is_dir(): path.stat().st_mode & 0o7777 for path in root.rglob("*")}
        assert modes == {True: 0o755, False: 0o644}
        ritual(make_there, host, options(self_heal=False))
        assert self.files(root) == {}
        assert (root / DROP_IN[1:]).parent.is_dir()

    def test_a_group_that_directories_hand_down_is_not_kept(
        self, host: FakeHost, root: Path, make_there: Callable[..., ServiceOperation]
    ) -> None:
        local = root / "usr/local"
        local.mkdir(parents=True)
        os.chown(local, 0, 50)
        local.chmod(0o2775)
        ritual(make_there, host, options())
        assert {(root / path[1:]).stat().st_gid for path in ALL} == {0}

    def test_what_others_could_write_becomes_roots(
        self, host: FakeHost, root: Path, make_there: Callable[..., ServiceOperation]
    ) -> None:
        ritual(make_there, host, options())
        unit = root / PROGRAM[1][1:]
        unit.write_text("import os\n")
        unit.chmod(0o666)
        os.chown(unit, 1000, 1000)
        end = ritual(make_there, host, options())
        assert end.done == [("set_ownership", PROGRAM[1]), ("edit_file", PROGRAM[1])]
        assert self.files(root) == PLACED
        assert (unit.stat().st_uid, unit.stat().st_mode & 0o777) == (0, 0o644)

    def test_other_drop_ins_stay(self, host: FakeHost, root: Path, make_there: Callable[..., ServiceOperation]) -> None:
        other = (root / DROP_IN[1:]).with_name("override.conf")
        other.parent.mkdir(parents=True)
        other.write_text(CANARY)
        ritual(make_there, host, options())
        end = ritual(make_there, host, options("absent"))
        assert list(self.files(root).values()) == [CANARY]
        assert CANARY not in str(end.result)
