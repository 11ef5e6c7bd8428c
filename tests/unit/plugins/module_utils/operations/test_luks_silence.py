# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_luks asks the cluster before the kernel: whether it answers, and whether it takes what a close writes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.luks import LuksOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_answer import (
    REFUSALS,
    SILENT,
    ends_with,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.test_luks import Host, options
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

IMAGES = ({"image": "app"}, {"image": "log"})


@pytest.fixture
def host() -> Host:
    """A host with two images that are encrypted and not open."""
    host = Host()
    run(LuksOperation, host, options(*IMAGES, key=CANARY))
    run(LuksOperation, host, options(*IMAGES, state="closed"))
    return forgotten(host)


@pytest.fixture
def opened(host: Host) -> Host:
    run(LuksOperation, host, options(*IMAGES))
    return forgotten(host)


def forgotten(host: Host) -> Host:
    for log in (host.luks.log, host.luks.looked, host.devices.log, host.cluster.log):
        log.clear()
    return host


def silent(host: Host) -> list[str]:
    """Let the cluster be away; gives what it is asked."""
    asked: list[str] = []

    def end(*_arguments: Any) -> NoReturn:
        asked.append("look_up")
        raise SILENT

    host.cluster.look_up = end  # type: ignore[method-assign]  # the cluster's silence
    return asked


@pytest.mark.parametrize("check", [True, False])
def test_nothing_is_opened_while_the_cluster_is_away_and_one_image_is_waited_for(host: Host, check: bool) -> None:
    asked = silent(host)
    end = run(LuksOperation, host, options(*IMAGES), check)
    assert end.result["msg"].startswith("Cannot keep rbd/app opened: the cluster did not answer within 30 seconds, and")
    assert (asked, host.luks.log, host.devices.log) == (["look_up"], [], [])


@pytest.mark.parametrize("check", [True, False])
def test_nothing_that_is_open_is_looked_at_while_the_cluster_is_away(opened: Host, check: bool) -> None:
    asked = silent(opened)
    assert run(LuksOperation, opened, options(*IMAGES), check).failed
    assert (asked, opened.luks.looked, opened.devices.log) == (["look_up"], [], [])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["closed", "absent"])
def test_nothing_is_closed_while_the_cluster_is_away(opened: Host, state: str, check: bool) -> None:
    asked = silent(opened)
    end = run(LuksOperation, opened, options(*IMAGES, state=state), check)
    assert end.result["msg"].startswith("Cannot close rbd/app: the cluster did not answer within 30 seconds, and")
    assert (asked, opened.luks.log) == (["look_up"], [])


def test_what_is_not_open_is_absent_also_while_the_cluster_is_away(host: Host) -> None:
    asked = silent(host)
    assert not run(LuksOperation, host, options(*IMAGES, state="absent")).failed
    assert asked == []


@pytest.mark.parametrize("state", ["opened", "closed"])
def test_a_cluster_that_falls_silent_during_the_work_ends_it(host: Host, state: str) -> None:
    if state == "closed":
        run(LuksOperation, host, options(*IMAGES))
        forgotten(host)
    verb = {"opened": "open", "closed": "close"}[state]
    first = getattr(host.luks, verb)

    def then_silent(*given: Any) -> None:
        first(*given)
        silent(host)

    setattr(host.luks, verb, then_silent)
    end = run(LuksOperation, host, options(*IMAGES, state=state))
    assert end.result["msg"].startswith(f"Cannot {verb} rbd/log: the cluster did not answer")
    assert end.done == [(verb, "rbd/app")]
    assert not [line for line in host.luks.log if line.startswith(f"{verb} ") and "log" in line]


def test_a_look_that_has_no_answer_is_not_followed_by_another(opened: Host) -> None:
    opened.luks.silence = SILENT
    assert run(LuksOperation, opened, options(*IMAGES)).failed
    assert opened.luks.looked == [30]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("state", ["opened", "closed"])
def test_a_refusal_is_an_answer(opened: Host, state: str, refusal: RbdError) -> None:
    ends_with(opened, refusal)
    end = run(LuksOperation, opened, options(image="app", state=state))
    assert (end.failed, end.done) == (False, [] if state == "opened" else [("close", "rbd/app")])


@pytest.mark.parametrize("state", ["closed", "absent"])
def test_what_may_write_is_not_closed_on_a_full_cluster(opened: Host, state: str) -> None:
    opened.cluster.full = True
    end = run(LuksOperation, opened, options(image="app", state=state))
    assert end.result["msg"].startswith("Cannot close rbd/app: the pool rbd is full.")
    assert opened.luks.log == []
    opened.kernel.mapped[0] = replace(opened.kernel.mapped[0], read_only=True)
    assert not run(LuksOperation, opened, options(image="app", state=state)).failed


def test_what_is_open_stays_so_on_a_full_cluster(opened: Host) -> None:
    opened.cluster.full = True
    assert not run(LuksOperation, opened, options(*IMAGES)).failed
