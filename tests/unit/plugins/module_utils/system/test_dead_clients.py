# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a run waits for, and for how long."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Watcher
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._system import dead_clients
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import facts

APP = ImageSpec("rbd", "", "app")


class Silent:
    """A session whose images are watched by clients that never answer.

    :ivar asked: how long was waited for an answer, each time, in seconds.
    """

    class TimedOut(Exception):
        pass

    class ObjectNotFound(Exception):
        pass

    def __init__(self, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own = own
        self.now = 1000.0
        self.asked: list[float] = []
        monkeypatch.setattr(dead_clients, "rados", self)
        monkeypatch.setattr(dead_clients.time, "monotonic", lambda: self.now)

    def connected(self) -> Any:
        return SimpleNamespace(get_addrs=lambda: self.own)

    @contextlib.contextmanager
    def pool(self, _spec: ImageSpec, _what: str) -> Iterator[Any]:
        yield self

    def notify(self, _header: str, _message: str, milliseconds: int) -> None:
        self.asked.append(milliseconds / 1000)
        self.now += milliseconds / 1000
        raise self.TimedOut


def await_all(session: Silent, *addresses: str, images: int = 1) -> list[bool]:
    """Whether it was worth looking again, for each image."""
    clients: Any = dead_clients.DeadClients(session)  # type: ignore[arg-type]  # as much of a session as it needs
    watched = facts(watchers=tuple(Watcher(address, "client.7") for address in addresses))
    return [clients.await_forgotten(APP, watched) for _image in range(images)]


def test_the_dead_of_many_images_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Silent("192.0.2.1:0/77", monkeypatch)
    assert await_all(session, "192.0.2.1:0/5", images=3) == [True, False, False]
    assert session.asked == [dead_clients.FORGETTING]


@pytest.mark.parametrize("own", ["v2:[2001:db8::1]:0/77", "[2001:db8::1]:0/77"])
def test_a_host_is_known_by_its_address(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Silent(own, monkeypatch)
    assert await_all(session, "[2001:db8::1]:0/5") == [True]
    assert session.asked != []


@pytest.mark.parametrize("others", [["192.0.2.10:0/5"], ["192.0.2.1:0/5", "192.0.2.2:0/5"], ["odd"]])
def test_who_may_be_cut_off_is_not_waited_for(others: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    session = Silent("192.0.2.1:0/77", monkeypatch)
    assert await_all(session, *others) == [False]
    assert session.asked == []
