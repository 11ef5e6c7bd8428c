# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit of the rbdmap file that a bulk request asks for."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._mapping import MapRequest, plan_rbdmap_file, rbdmap_faults
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import EditFile, Plan
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapEntry, RbdmapFile
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP, CANARY

PATH = "/etc/ceph/rbdmap"
LOG = ImageSpec("rbd", "", "log")


def request(state: str, spec: ImageSpec = APP) -> MapRequest:
    return MapRequest(state, RbdmapEntry.of(spec, user="app", keyring="/etc/ceph/app.keyring"))


lists = st.lists(
    st.builds(request, st.sampled_from(["mapped", "present", "unmapped", "absent"]), st.sampled_from([APP, LOG])),
    max_size=2,
    unique_by=lambda wish: wish.name,
)
LINES = ["# mine\n", "\n", "rbd/app id=app\n", "rbd/log id=other # log\n", "log\n", "broken/a/b/c/d x\n", "rbd/else"]
files = st.none() | st.lists(st.sampled_from(LINES), max_size=5).map("".join)


@given(lists, files)
def test_one_edit_does_it_all_and_a_second_run_finds_nothing_to_do(wishes: list[MapRequest], text: str | None) -> None:
    actions = plan_rbdmap_file(PATH, text, wishes)
    assert len(actions) <= 1
    for action in actions:
        assert isinstance(action, EditFile)
        assert action.edit(text or "") == action.new != (text or "")
        assert plan_rbdmap_file(PATH, action.new, wishes) == []


@given(lists, files)
def test_each_state_has_its_line_or_none(wishes: list[MapRequest], text: str | None) -> None:
    edits = [action.new for action in plan_rbdmap_file(PATH, text, wishes) if isinstance(action, EditFile)]
    before, after = RbdmapFile.decode(text or ""), RbdmapFile.decode((edits or [text or ""])[0])
    for wish in wishes:
        lines = after.find(wish.spec)
        if wish.state == "unmapped":
            assert [line.text.rstrip("\n") for line in lines] == [
                line.text.rstrip("\n") for line in before.find(wish.spec)
            ]
        elif wish.state == "absent":
            assert lines == ()
        else:
            assert [line.effective for line in lines] == [True]


@given(lists)
def test_another_writers_line_survives_the_edit(wishes: list[MapRequest]) -> None:
    for action in plan_rbdmap_file(PATH, "", wishes):
        assert isinstance(action, EditFile)
        assert "rbd/late id=late\n" in action.edit("rbd/late id=late\n")


def test_a_file_that_is_missing_is_made_only_for_a_line() -> None:
    assert plan_rbdmap_file(PATH, None, [request("absent"), request("unmapped", LOG)]) == []
    (action,) = plan_rbdmap_file(PATH, None, [request("present")])
    assert isinstance(action, EditFile)
    assert action.new == "rbd/app id=app,keyring=/etc/ceph/app.keyring\n"
    assert Plan((action,)).diff()[0]["before_header"] == "/etc/ceph/rbdmap (absent)"


def test_no_key_in_somebody_elses_line_is_shown() -> None:
    text = f"rbd/else id=x,key={CANARY}\n# {CANARY}\n"
    plan = Plan(tuple(plan_rbdmap_file(PATH, text, [request("present")])))
    assert plan
    assert CANARY not in str(plan.diff())
    assert CANARY not in str([action.result() for action in plan.actions])


def test_a_line_that_cannot_be_read_is_told_with_its_number_and_kept() -> None:
    text = "# first\na/b/c/d x\n"
    (sentence,) = rbdmap_faults(PATH, text, [request("present")])
    assert sentence.startswith("/etc/ceph/rbdmap:2: ")
    assert sentence.endswith(". The line is kept as it is.")
    (action,) = plan_rbdmap_file(PATH, text, [request("present")])
    assert isinstance(action, EditFile)
    assert action.new.startswith(text)


def test_no_file_has_no_faults() -> None:
    assert rbdmap_faults(PATH, None, []) == []


def test_a_faulty_line_that_the_edit_mends_is_not_told() -> None:
    text = "rbd/app id=app,queue_depth=64\n"
    assert rbdmap_faults(PATH, text, [])
    assert rbdmap_faults(PATH, text, [request("present")]) == []
