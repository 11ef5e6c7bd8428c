# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an operation on a fake host as its module would."""

from __future__ import annotations

from typing import Any, Callable, cast

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils import _module
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import (
    FakeHost,
    FakeModule,
    ModuleEnd,
)

CONNECTION = {"conf": "/etc/ceph/ceph.conf", "cluster": "ceph", "user": "app", "keyring": None, "connect_timeout": 30}


class Run:
    """How a module ended."""

    def __init__(self, end: ModuleEnd, module: FakeModule) -> None:
        self.failed = end.failed
        self.result = end.result
        self.warnings = module.warnings

    @property
    def done(self) -> list[tuple[str, str]]:
        return [(action["action"], action["subject"]) for action in self.result["actions"]]


def run(make: Callable[..., _module.Operation], host: FakeHost, options: dict[str, Any], check: bool = False) -> Run:
    """Run once; the operation's constructor takes module, session, options of an item, and ports."""
    params = {**CONNECTION, **options}
    module = FakeModule(params, check)
    real = cast(AnsibleModule, module)
    try:
        _module.execute(real, make(real, host.cluster, tuple(options), host.ports))
    except ModuleEnd as end:
        return Run(end, module)
    raise AssertionError("the module did not end")


def ritual(make: Callable[..., _module.Operation], host: FakeHost, options: dict[str, Any]) -> Run:
    """Check, do, do again, check again; all of the four must agree."""
    checked = run(make, host, options, check=True)
    done = run(make, host, options)
    assert not done.failed, done.result
    assert [checked.result[key] for key in ("changed", "actions", "diff")] == [
        done.result[key] for key in ("changed", "actions", "diff")
    ]
    for check in (False, True):
        again = run(make, host, options, check=check)
        assert (again.failed, again.result["changed"], again.done, again.result["diff"]) == (False, False, [], [])
    return done
