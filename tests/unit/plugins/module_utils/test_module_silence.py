# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boundary where the cluster falls silent: a run in a call that does not return is told and ended all the same."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, cast

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils import _module
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action, Plan
from ansible_collections.cephclient.rbd.plugins.module_utils._system.cluster import LibrbdSession
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeModule

PARAMS = {"conf": "/none", "cluster": "ceph", "user": "app", "keyring": None, "connect_timeout": 7}
LONG = 5.0


class Returned(Exception):
    """The call has returned after all: the end of a test, never of a run."""


@dataclass(frozen=True)
class Step(Action):
    kind: ClassVar[str] = "step"


class SpeakingModule(FakeModule):
    """Says its answer as the real one does, and then ends the thread."""

    def __init__(self) -> None:
        super().__init__(dict(PARAMS))
        self.said: list[dict[str, Any]] = []

    def fail_json(self, **result: Any) -> NoReturn:
        self.said.append(result)
        sys.exit(1)


class Stuck:
    """An operation whose second step is in a call for as long as the process lives."""

    def __init__(self, session: LibrbdSession, left: threading.Event) -> None:
        self._session = session
        self._left = left

    def plan(self) -> Plan:
        return Plan((Step(0, "rbd/a"), Step(1, "rbd/b")))

    def handlers(self) -> _module.Handlers:
        return {Step: self._apply}

    def report(self) -> dict[str, Any]:
        return {}

    def _apply(self, step: Step) -> None:
        if step.subject == "rbd/b":
            tell = self._session.heartbeat.on_silence
            assert tell is not None
            for _turn in range(2):
                threading.Thread(target=tell, args=["grow rbd/b"]).start()
            assert self._left.wait(LONG)
            raise Returned


def test_the_answer_is_given_once_with_what_was_done_and_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, left = [], threading.Event()

    def leave(code: object) -> None:
        codes.append(code)
        left.set()

    monkeypatch.setattr(_module, "_leave", leave)
    module = SpeakingModule()
    session = LibrbdSession(_module.connection_of(PARAMS))
    with pytest.raises(Returned):
        _module.execute(cast(AnsibleModule, module), Stuck(session, left), session=session)

    assert codes == [1]
    (said,) = module.said
    assert said["msg"].startswith("Cannot grow rbd/b: the cluster did not answer within 7 seconds. ")
    assert said["changed"] is True
    assert [action["subject"] for action in said["actions"]] == ["rbd/a"]
    assert said["failures"] == [{"index": 1, "item": "rbd/b", "msg": said["msg"]}]


@pytest.mark.parametrize("closes", [True, False])
def test_a_connection_that_cannot_be_ended_ends_with_the_process(monkeypatch: pytest.MonkeyPatch, closes: bool) -> None:
    codes: list[object] = []
    monkeypatch.setattr(_module, "_leave", codes.append)
    monkeypatch.setattr(LibrbdSession, "close", lambda _session: closes)
    with pytest.raises(SystemExit), _module.cluster_session(cast(AnsibleModule, FakeModule(dict(PARAMS)))):
        sys.exit(3)
    assert codes == ([] if closes else [3])
