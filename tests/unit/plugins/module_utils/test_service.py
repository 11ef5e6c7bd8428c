# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of rbdmap.service: the program, then the drop-in, then the service; and never a stop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, TextFile
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import EditFile, Plan, RemoveFile
from ansible_collections.cephclient.rbd.plugins.module_utils._service import heals, plan_service, predicted
from ansible_collections.cephclient.rbd.plugins.module_utils._service_actions import (
    OWNED,
    EnableService,
    OwnFile,
    ReloadSystemd,
    StartService,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import (
    DROP_IN,
    DROP_IN_TEXT,
    PROGRAM,
    SERVICE,
    ServiceCurrent,
    ServiceRequest,
    ServiceState,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

TEXTS = {path: f"# {path}\n" for path in PROGRAM}
PLACED = {path: TextFile(text, OWNED) for path, text in {**TEXTS, DROP_IN: DROP_IN_TEXT}.items()}
CLUSTERS, UNIT = PROGRAM
THEIRS = Ownership(1000, 1000, 0o664)

HEALING = ServiceRequest("present", self_heal=True, assume_installed=False)
SHIPPED = replace(HEALING, self_heal=False)
ABSENT = replace(HEALING, state="absent")
ASSUMING = replace(HEALING, assume_installed=True)

RUNNING = ServiceState("enabled", "active")
MISSING = ServiceState("", "inactive", "not-found")
# Where nothing is booted by systemd.
SILENT = ServiceState("", "", "")


def steps(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.subject) for action in plan.actions]


def edits(*paths: str) -> list[tuple[str, str]]:
    return [("edit_file", path) for path in paths]


def removals(*paths: str) -> list[tuple[str, str]]:
    return [("remove_file", path) for path in paths]


RELOAD = ("daemon_reload", SERVICE)
ENABLE = ("enable", SERVICE)
START = ("start", SERVICE)


@pytest.mark.parametrize(
    ("request_", "service", "files", "expected"),
    [
        (HEALING, RUNNING, PLACED, []),
        (HEALING, RUNNING, {}, [*edits(CLUSTERS, UNIT, DROP_IN), RELOAD]),
        (HEALING, ServiceState("disabled", "inactive"), {}, [*edits(CLUSTERS, UNIT, DROP_IN), RELOAD, ENABLE, START]),
        # What systemd does not read is no reason for it to read anything.
        (HEALING, RUNNING, {**PLACED, UNIT: TextFile("old\n", OWNED)}, edits(UNIT)),
        (HEALING, RUNNING, {**PLACED, DROP_IN: TextFile("old\n", OWNED)}, [*edits(DROP_IN), RELOAD]),
        (HEALING, RUNNING, {**PLACED, UNIT: TextFile("", OWNED)}, edits(UNIT)),
        # Nobody else may write what root runs, at no time.
        (HEALING, RUNNING, {**PLACED, UNIT: TextFile(TEXTS[UNIT], THEIRS)}, [("set_ownership", UNIT)]),
        (HEALING, RUNNING, {**PLACED, UNIT: TextFile("old\n", THEIRS)}, [("set_ownership", UNIT), *edits(UNIT)]),
        # What a run has left that was killed before it let systemd read the drop-in.
        (HEALING, replace(RUNNING, outdated=True), PLACED, [RELOAD]),
        (HEALING, ServiceState("disabled", "active"), PLACED, [ENABLE]),
        (HEALING, ServiceState("enabled-runtime", "active"), PLACED, [ENABLE]),
        (HEALING, ServiceState("static", "active"), PLACED, []),
        (HEALING, ServiceState("enabled", "inactive"), PLACED, [START]),
        (HEALING, ServiceState("enabled", "failed"), PLACED, [START]),
        # It makes an attempt, or waits for the next one.
        (HEALING, ServiceState("enabled", "activating"), PLACED, [START]),
        (HEALING, ServiceState("enabled", "reloading"), PLACED, []),
        # A drop-in may have made the unit unusable: this one is placed over it.
        (
            HEALING,
            ServiceState("enabled", "inactive", "bad-setting"),
            {**PLACED, DROP_IN: TextFile("[Service]\nRestart=always\n", OWNED)},
            [*edits(DROP_IN), RELOAD, START],
        ),
        (SHIPPED, RUNNING, {}, []),
        (SHIPPED, RUNNING, PLACED, [*removals(DROP_IN), RELOAD, *removals(UNIT, CLUSTERS)]),
        (SHIPPED, RUNNING, {UNIT: PLACED[UNIT]}, removals(UNIT)),
        (SHIPPED, ServiceState("disabled", "inactive"), {}, [ENABLE, START]),
        (SHIPPED, ServiceState("enabled", "activating"), {}, [START]),
        (ABSENT, RUNNING, {}, []),
        (ABSENT, RUNNING, PLACED, [*removals(DROP_IN), RELOAD, *removals(UNIT, CLUSTERS)]),
        (ABSENT, ServiceState("disabled", "failed"), {}, []),
        (ABSENT, ServiceState("enabled", "activating"), {}, []),
        (ABSENT, ServiceState("masked", "inactive", "masked"), {UNIT: PLACED[UNIT]}, removals(UNIT)),
        (ABSENT, replace(RUNNING, outdated=True), {}, [RELOAD]),
        (ABSENT, MISSING, {}, []),
        (ABSENT, SILENT, PLACED, removals(DROP_IN, UNIT, CLUSTERS)),
        (ASSUMING, MISSING, {}, [*edits(CLUSTERS, UNIT, DROP_IN), RELOAD]),
        (replace(ASSUMING, self_heal=False), MISSING, {}, []),
        (ASSUMING, ServiceState("disabled", "inactive"), PLACED, [ENABLE, START]),
    ],
)  # fmt: skip
def test_the_plan(
    request_: ServiceRequest, service: ServiceState, files: dict[str, TextFile], expected: list[tuple[str, str]]
) -> None:
    assert steps(plan_service(request_, TEXTS, ServiceCurrent(service, files, 252))) == expected


@pytest.mark.parametrize(
    ("request_", "service", "message"),
    [
        (HEALING, MISSING, "there is no such unit on this host. Install the package ceph-common."),
        (SHIPPED, MISSING, "there is no such unit on this host. Install the package ceph-common."),
        (HEALING, SILENT, "systemd does not answer. Look at: systemctl status. The host must run under systemd."),
        (ASSUMING, SILENT, "systemd does not answer. Look at: systemctl status. The host must run under systemd."),
        (HEALING, ServiceState("masked", "inactive", "masked"), "it is masked. Run: systemctl unmask rbdmap.service."),
        (HEALING, ServiceState("masked-runtime", "inactive"), "it is masked. Run: systemctl unmask rbdmap.service."),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_placed(
    request_: ServiceRequest, service: ServiceState, message: str
) -> None:
    error = outcome(lambda: plan_service(request_, TEXTS, ServiceCurrent(service, {}, 252)))
    assert isinstance(error, RbdError)
    assert str(error) == f"Cannot use rbdmap.service: {message}"
    assert is_sentence(error)


@pytest.mark.parametrize("files", [{}, PLACED])
def test_an_old_systemd_keeps_the_service_as_it_is(files: dict[str, TextFile]) -> None:
    current = ServiceCurrent(ServiceState("disabled", "active"), files, 243)
    plan = plan_service(HEALING, TEXTS, current)
    assert steps(plan) == [ENABLE]
    assert heals(current, plan) is bool(files)
    cause = "systemd 243 cannot start a service of its type again; that takes systemd 244"
    assert plan.warnings == (f"rbdmap.service is left as Ceph ships it: {cause}.",)
    assert plan_service(SHIPPED, TEXTS, replace(current, release=None)).warnings == ()


def test_what_is_assumed_is_a_warning() -> None:
    plan = plan_service(ASSUMING, TEXTS, ServiceCurrent(MISSING, {}, 252))
    assert [warning.split(";")[0] for warning in plan.warnings] == ["rbdmap.service does not exist"]
    assert plan_service(ASSUMING, TEXTS, ServiceCurrent(RUNNING, PLACED, 252)).warnings == ()


def test_the_difference_has_the_files_as_they_are_and_as_they_will_be() -> None:
    files = {**PLACED, UNIT: TextFile("old\n", THEIRS)}
    assert plan_service(HEALING, TEXTS, ServiceCurrent(ServiceState("disabled", "failed"), files, 252)).diff() == [
        {"before_header": UNIT, "after_header": UNIT, "before": "old\n", "after": TEXTS[UNIT]},
        {
            "before": f"{UNIT}: owner 1000, group 1000, mode 0664\n{SERVICE}: disabled\n{SERVICE}: failed\n",
            "after": f"{UNIT}: owner 0, group 0, mode 0644\n{SERVICE}: enabled\n{SERVICE}: active\n",
        },
    ]
    removed = plan_service(ABSENT, TEXTS, ServiceCurrent(RUNNING, {DROP_IN: PLACED[DROP_IN]})).diff()
    assert removed[0] == {
        "before_header": DROP_IN,
        "after_header": f"{DROP_IN} (absent)",
        "before": DROP_IN_TEXT,
        "after": "",
    }


def apply(plan: Plan, current: ServiceCurrent) -> ServiceCurrent:
    """What the host is after a plan."""
    service, files = current.service, dict(current.files)
    for action in plan.actions:
        if isinstance(action, RemoveFile):
            del files[action.subject]
        elif isinstance(action, EditFile):
            files[action.subject] = TextFile(action.new, OWNED)
        elif isinstance(action, OwnFile):
            files[action.subject] = replace(files[action.subject], ownership=OWNED)
        elif isinstance(action, ReloadSystemd):
            service = replace(service, outdated=False)
        else:
            assert isinstance(action, (EnableService, StartService))
    return replace(current, service=predicted(service, plan), files=files)


found = st.builds(
    TextFile, st.sampled_from(["", "old\n", DROP_IN_TEXT, *TEXTS.values()]), st.sampled_from([OWNED, THEIRS])
)
currents = st.builds(
    ServiceCurrent,
    service=st.builds(
        ServiceState,
        enabled=st.sampled_from(["enabled", "disabled", "enabled-runtime", "masked", "static", "linked", ""]),
        active=st.sampled_from(["active", "inactive", "failed", "activating", "deactivating", "reloading", ""]),
        loaded=st.sampled_from(["loaded", "not-found", "masked", "bad-setting", "error", ""]),
        outdated=st.booleans(),
    ),
    files=st.dictionaries(st.sampled_from([*PROGRAM, DROP_IN]), found),
    release=st.sampled_from([243, 244, 252]),
)
requests = st.builds(ServiceRequest, st.sampled_from(["present", "absent"]), st.booleans(), st.booleans())


@given(requests, currents)
def test_a_request_is_planned_or_refused_and_is_done_after_one_run(
    request_: ServiceRequest, current: ServiceCurrent
) -> None:
    plan = outcome(lambda: plan_service(request_, TEXTS, current))
    if isinstance(plan, RbdError):
        assert is_sentence(plan)
        return
    after = apply(plan, current)
    assert not plan_service(request_, TEXTS, after)
    assert heals(current, plan) == (DROP_IN in after.files)


@given(requests, currents)
def test_the_drop_in_never_runs_what_is_not_there(request_: ServiceRequest, current: ServiceCurrent) -> None:
    """However many of the steps are done when the power fails."""
    plan = outcome(lambda: plan_service(request_, TEXTS, current))
    if isinstance(plan, RbdError) or (DROP_IN in current.files and not set(PROGRAM) <= set(current.files)):
        return
    for number in range(len(plan.actions)):
        files = apply(Plan(plan.actions[:number]), current).files
        assert DROP_IN not in files or set(PROGRAM) <= set(files)
