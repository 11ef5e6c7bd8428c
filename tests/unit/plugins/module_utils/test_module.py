# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boundary: what becomes of a plan, of an error, and of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils import _module
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    AlreadyDone,
    ItemErrors,
    ItemFailure,
    Overtaken,
    RbdError,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action, Plan
from ansible_collections.cephclient.rbd.plugins.module_utils._system import connection
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeModule, ModuleEnd


@dataclass(frozen=True)
class Step(Action):
    kind: ClassVar[str] = "step"


class Steps:
    """An operation of some steps, one of which may fail."""

    def __init__(self, *subjects: str, fails: str = "", report_fails: bool = False, extra: object = 1) -> None:
        self.steps = tuple(Step(index, subject) for index, subject in enumerate(subjects))
        self.fails = fails
        self.report_fails = report_fails
        self.extra = extra
        self.applied: list[str] = []

    def plan(self) -> Plan:
        return Plan(self.steps, ("careful \udcff",))

    def handlers(self) -> _module.Handlers:
        return {Step: self._apply}

    def report(self) -> dict[str, Any]:
        if self.report_fails:
            raise RbdError("report", "the host is gone")
        return {"extra": self.extra}

    def _apply(self, step: Step) -> None:
        if step.subject == self.fails:
            raise RbdError(f"do {step.subject}", "it is bad \udcff", "Mend it.")
        self.applied.append(step.subject)


def end_of(operation: _module.Operation, check_mode: bool = False) -> tuple[ModuleEnd, FakeModule]:
    module = FakeModule({}, check_mode)
    with pytest.raises(ModuleEnd) as end:
        _module.execute(cast(AnsibleModule, module), operation)
    return end.value, module


def test_what_is_planned_is_applied_and_told() -> None:
    operation = Steps("a", "b")
    end, module = end_of(operation)
    assert operation.applied == ["a", "b"]
    assert (end.failed, end.result["changed"], end.result["extra"]) == (False, True, 1)
    assert [action["subject"] for action in end.result["actions"]] == ["a", "b"]
    assert module.warnings == ["careful \\xff"]


def test_check_mode_tells_the_same_and_applies_nothing() -> None:
    operation = Steps("a", "b")
    assert end_of(operation, check_mode=True)[0].result == end_of(Steps("a", "b"))[0].result
    assert operation.applied == []


def test_an_empty_plan_changes_nothing() -> None:
    result = end_of(Steps())[0].result
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])


def test_a_failing_step_is_told_with_what_was_done_before_it() -> None:
    operation = Steps("a", "b", "c", fails="b")
    end = end_of(operation)[0]
    assert (end.failed, end.result["changed"], operation.applied) == (True, True, ["a"])
    assert end.result["actions"] == [{"action": "step", "subject": "a"}]
    assert end.result["failures"] == [{"index": 1, "item": "b", "msg": "Cannot do b: it is bad \\xff. Mend it."}]
    assert end.result["msg"] == end.result["failures"][0]["msg"]


def test_a_first_step_that_fails_has_changed_nothing() -> None:
    assert not end_of(Steps("a", fails="a"))[0].result["changed"]


def test_errors_of_items_are_told_one_by_one() -> None:
    class Refusing(Steps):
        def plan(self) -> Plan:
            raise ItemErrors(
                [ItemFailure(0, "a\udcff", RbdError("do a", "no")), ItemFailure(1, "b", RbdError("do b", "no"))], 2
            )

    result = end_of(Refusing())[0].result
    assert result["failures"] == [
        {"index": 0, "item": "a\\xff", "msg": "Cannot do a: no."},
        {"index": 1, "item": "b", "msg": "Cannot do b: no."},
    ]
    assert result["changed"] is False


def test_another_error_is_left_to_ansible() -> None:
    class Broken(Steps):
        def plan(self) -> Plan:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _module.execute(cast(AnsibleModule, FakeModule({})), Broken())


def test_a_failing_report_is_not_the_last_steps_failure() -> None:
    result = end_of(Steps("a", report_fails=True))[0].result
    assert result["actions"] == [{"action": "step", "subject": "a"}]
    assert result["failures"] == []


@pytest.mark.parametrize("fails", ["", "/srv/\udcff"])
def test_a_path_that_is_no_text_can_be_returned(fails: str) -> None:
    result = end_of(Steps("/srv/a\udcff", "/srv/\udcff", fails=fails))[0].result
    json.dumps(result, ensure_ascii=False).encode("utf-8")


def test_a_report_that_is_no_text_can_be_returned() -> None:
    report = {"images": [{"path": "/srv/\udcff", "size": 1}]}
    assert end_of(Steps(extra=report))[0].result["extra"] == {"images": [{"path": "/srv/\\xff", "size": 1}]}


def test_the_connection_options_as_a_value() -> None:
    params = {"conf": "/c", "cluster": "two", "user": "app", "keyring": None, "connect_timeout": 5}
    named = _module.connection_of(params)
    assert named == connection.Connection("/c", "two", "app", None, 5)
    assert named.keyring_path == "/etc/ceph/two.client.app.keyring"
    assert _module.connection_of({**params, "keyring": "/k"}).keyring_path == "/k"


class Racing(Steps):
    """An operation whose steps another run takes while this one is at work."""

    def __init__(self, *subjects: str, taken: tuple[str, ...], stubborn: bool = False) -> None:
        super().__init__(*subjects)
        self.taken = taken
        self.stubborn = stubborn
        self.plans = 0

    def plan(self) -> Plan:
        self.plans += 1
        gone = () if self.plans == 1 or self.stubborn else self.taken
        return Plan(tuple(step for step in self.steps if step.subject not in (*gone, *self.applied)), ("careful",))

    def _apply(self, step: Step) -> None:
        if step.subject in self.taken:
            raise Overtaken(f"do {step.subject}", "another run has done it")
        super()._apply(step)


def test_what_another_run_did_is_not_told_as_ones_own() -> None:
    operation = Racing("a", "b", "c", taken=("b",))
    end, module = end_of(operation)
    assert (end.failed, operation.applied, operation.plans) == (False, ["a", "c"], 2)
    assert [action["subject"] for action in end.result["actions"]] == ["a", "c"]
    assert "b" not in end.result["diff"][0]["before"]
    assert module.warnings == ["careful"]


def test_a_run_that_did_nothing_because_another_was_faster_is_unchanged() -> None:
    result = end_of(Racing("a", taken=("a",)))[0].result
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])


def test_a_step_that_is_taken_again_and_again_is_an_error_in_the_end() -> None:
    operation = Racing("a", "b", taken=("b",), stubborn=True)
    end = end_of(operation)[0]
    assert (end.failed, end.result["changed"], operation.plans) == (True, True, _module.LOOKS)
    assert end.result["failures"][0]["item"] == "b"


def test_any_number_of_steps_that_another_run_has_just_done_are_left_out_without_a_new_look() -> None:
    class Late(Racing):
        def _apply(self, step: Step) -> None:
            if step.subject in self.taken:
                raise AlreadyDone(f"do {step.subject}", "another run has done it")
            super()._apply(step)

    taken = tuple(f"step {number}" for number in range(2 * _module.LOOKS))
    operation = Late("a", *taken, "b", taken=taken)
    end = end_of(operation)[0]
    assert (end.failed, operation.applied, operation.plans) == (False, ["a", "b"], 1)
    assert [action["subject"] for action in end.result["actions"]] == ["a", "b"]
    assert "step" not in end.result["diff"][0]["before"]
