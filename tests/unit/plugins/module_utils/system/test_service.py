# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd is asked for no more than is meant, and what it says is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError, TimedOut
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import ServiceState
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed
from ansible_collections.cephclient.rbd.plugins.module_utils._system.service import HostServices
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

UNIT = "rbdmap.service"
DONE = Completed(0, "", "")
FAILED = Completed(1, "", "Job for rbdmap.service failed because the control process exited with error code.\n")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (
            Completed(0, "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n", ""),
            ServiceState("enabled", "active"),
        ),
        (
            Completed(
                0, "LoadState=loaded\nActiveState=activating\nUnitFileState=disabled\nNeedDaemonReload=yes\n", ""
            ),
            ServiceState("disabled", "activating", outdated=True),
        ),
        # Not installed.
        (
            Completed(0, "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n", ""),
            ServiceState("", "inactive", "not-found"),
        ),
        # A chroot, or a container without systemd.
        (Completed(1, "", "System has not been booted with systemd as init system.\n"), ServiceState("", "", "")),
    ],
)
def test_the_state_is_in_systemds_words(answer: Completed, state: ServiceState) -> None:
    commands = FakeCommands(answer)
    assert HostServices(commands).state(UNIT) == state
    asked = "LoadState,UnitFileState,ActiveState,NeedDaemonReload"
    assert commands.ran == [("systemctl", "show", "--property", asked, UNIT)]


@pytest.mark.parametrize(
    ("said", "release"),
    [
        ("systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT\n", 252),
        ("systemd 257 (257-9.el10)\n", 257),
        ("systemd 243\n", 243),
        ("systemd 259~rc1 (259~rc1-1)\n", 259),
    ],
)
def test_the_release(said: str, release: int) -> None:
    assert HostServices(FakeCommands(Completed(0, said, ""))).release() == release


@pytest.mark.parametrize("answer", [Completed(0, "elogind 252\n", ""), FAILED])
def test_a_release_that_nobody_understands_is_an_error(answer: Completed) -> None:
    with pytest.raises(RbdError, match=r"^Cannot learn the release of systemd: ") as refused:
        HostServices(FakeCommands(answer)).release()
    assert is_sentence(refused.value)


VERBS: list[tuple[Callable[[HostServices], None], tuple[str, ...]]] = [
    (lambda services: services.reload(), ("daemon-reload",)),
    (lambda services: services.enable(UNIT), ("enable", UNIT)),
    (lambda services: services.start(UNIT), ("start", UNIT)),
]


@pytest.mark.parametrize(("do", "words"), VERBS)
def test_each_verb_is_one_command(do: Callable[[HostServices], None], words: tuple[str, ...]) -> None:
    commands = FakeCommands(DONE)
    do(HostServices(commands))
    assert commands.ran == [("systemctl", *words)]


@pytest.mark.parametrize("do", [do for do, _words in VERBS])
def test_a_refusal_has_systemds_own_words(do: Callable[[HostServices], None]) -> None:
    with pytest.raises(RbdError, match="the control process exited with error code") as refused:
        do(HostServices(FakeCommands(FAILED)))
    assert is_sentence(refused.value)


@pytest.mark.parametrize(("do", "words"), VERBS)
def test_what_takes_too_long_is_named(do: Callable[[HostServices], None], words: tuple[str, ...]) -> None:
    class Slow(FakeCommands):
        def run(self, *_given: object) -> Completed:
            raise TimedOut("run systemctl", "it did not end", "Look at the cluster's health.")

    seconds = 3600 if words[0] == "start" else 300
    with pytest.raises(RbdError, match=f": systemd is still at work after {seconds} seconds. [LR]") as refused:
        do(HostServices(Slow()))
    assert is_sentence(refused.value)
