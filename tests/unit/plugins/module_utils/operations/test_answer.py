# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is given to the kernel that it could only wait with for a cluster that is away."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils import _errors
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.fstab import FstabOperation
from ansible_collections.cephclient.rbd.plugins.module_utils._operations.map import MapOperation
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations import test_fstab, test_map
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeHost
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.running import run
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import device, facts

SILENT = _errors.ClusterSilent("look at rbd/app", "the cluster did not answer within 30 seconds", "Check its health.")
REFUSALS = (
    _errors.PlaceMissing("look at rbd/app", "there is no pool rbd", "Check the pool's name."),
    _errors.ClusterUnprepared("reach the cluster", "there is no keyring for that user", "Place one, or set keyring."),
)


@pytest.fixture
def host() -> FakeHost:
    """A host with an image mounted, whose cluster is known by ceph.conf."""
    host = FakeHost()
    host.cluster.images = {"rbd/app": facts()}
    host.kernel.mapped = [device()]
    host.mounts.hold("/srv/app")
    return host


def ends_with(host: FakeHost, error: _errors.RbdError) -> None:
    def end(*_arguments: Any) -> NoReturn:
        raise error

    host.cluster.look_up = end  # type: ignore[method-assign]  # the cluster's answer, or its silence
    host.cluster.require_room = end  # type: ignore[method-assign]  # or its refusal to this user


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["unmounted", "absent", "mounted"])
def test_nothing_is_unmounted_or_looked_at_while_the_cluster_is_away(host: FakeHost, state: str, check: bool) -> None:
    ends_with(host, SILENT)
    end = run(FstabOperation, host, test_fstab.options(image="app", path="/srv/app", state=state), check)
    assert "did not answer within 30 seconds, and the kernel would wait for it without end" in end.result["msg"]
    assert (end.done, host.mounts.log, host.files.looked) == ([], [], [])


@pytest.mark.parametrize("state", ["unmapped", "absent"])
def test_nothing_is_unmapped_while_the_cluster_is_away(host: FakeHost, state: str) -> None:
    ends_with(host, SILENT)
    end = run(MapOperation, host, test_map.options(image="app", state=state))
    assert "Cannot unmap rbd/app: the cluster did not answer" in end.result["msg"]
    assert (end.done, len(host.kernel.mapped)) == ([], 1)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_an_answer_to_who_unmounts_and_unmaps(host: FakeHost, refusal: _errors.RbdError) -> None:
    ends_with(host, refusal)
    unmounted = run(FstabOperation, host, test_fstab.options(image="app", path="/srv/app", state="unmounted"))
    unmapped = run(MapOperation, host, test_map.options(image="app", state="unmapped"))
    assert (unmounted.done, unmapped.done) == ([("unmount", "/srv/app")], [("unmap", "rbd/app")])
    for end in (unmounted, unmapped):
        what = "ask whether rbd/app has room, without which the kernel waits"
        assert end.warnings == [str(_errors.RbdError(what, refusal.cause, refusal.advice))]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_an_answer_to_who_mounts_what_is_mapped(refusal: _errors.RbdError) -> None:
    host = FakeHost()
    host.kernel.mapped = [device()]
    ends_with(host, refusal)
    end = run(FstabOperation, host, test_fstab.options(image="app", path="/srv/app"))
    assert ("mount", "/srv/app") in end.done
    assert len(end.warnings) == 1
