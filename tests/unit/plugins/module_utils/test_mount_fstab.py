# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit of fstab that a bulk request asks for, and what must not be asked for in one call."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._mount import (
    MountRequest,
    fstab_faults,
    plan_fstab_file,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import EditFile, Plan
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import APP

PATH = "/etc/fstab"
LOG = ImageSpec("rbd", "", "log")
WHERE = {APP: "/srv/app", LOG: "/srv/l o g"}


def request(state: str, spec: ImageSpec = APP, opts: str = "noauto,_netdev") -> MountRequest:
    return MountRequest(spec, state, WHERE[spec], "xfs", opts, 0, 0)


lists = st.lists(
    st.builds(request, st.sampled_from(["mounted", "present", "unmounted", "absent"]), st.sampled_from([APP, LOG])),
    max_size=2,
    unique_by=lambda wish: wish.name,
)
LINES = ["# mine\n", "\n", "/dev/rbd/rbd/app /srv/app/ ext4\n", "UUID=1 / ext4 defaults 0 1\n", "/dev/rbd/rbd/log  x\n"]
files = st.none() | st.lists(st.sampled_from(LINES), max_size=5).map("".join)


@given(lists, files)
def test_one_edit_does_it_all_and_a_second_run_finds_nothing_to_do(
    wishes: list[MountRequest], text: str | None
) -> None:
    actions = plan_fstab_file(PATH, text, wishes)
    assert len(actions) <= 1
    for action in actions:
        assert isinstance(action, EditFile)
        assert action.edit(text or "") == action.new != (text or "")
        assert plan_fstab_file(PATH, action.new, wishes) == []


@given(lists, files)
def test_each_state_has_its_line_or_none(wishes: list[MountRequest], text: str | None) -> None:
    edits = [action.new for action in plan_fstab_file(PATH, text, wishes) if isinstance(action, EditFile)]
    before, after = FstabFile.decode(text or ""), FstabFile.decode((edits or [text or ""])[0])
    for wish in wishes:
        found = after.find(wish.spec.device, wish.path)
        if wish.state == "unmounted":
            assert [line.entry for line in found] == [line.entry for line in before.find(wish.spec.device, wish.path)]
        else:
            said = [(line.entry.fstype, line.entry.opts) for line in found if line.entry]
            assert said == ([] if wish.state == "absent" else [(wish.fstype, wish.opts)])


def test_the_line_names_the_link_that_udev_makes() -> None:
    (action,) = plan_fstab_file(PATH, None, [request("present"), request("mounted", LOG)])
    assert isinstance(action, EditFile)
    assert action.new == (
        "/dev/rbd/rbd/app\t/srv/app\txfs\tnoauto,_netdev\t0\t0\n"
        "/dev/rbd/rbd/log\t/srv/l\\040o\\040g\txfs\tnoauto,_netdev\t0\t0\n"
    )


def test_absent_without_a_path_removes_every_line_of_the_image() -> None:
    text = "/dev/rbd/rbd/app /a xfs\n# kept\n/dev/rbd/rbd/app /b xfs\n/dev/rbd/rbd/log /c xfs\n"
    (action,) = plan_fstab_file(PATH, text, [MountRequest(APP, "absent", None, "auto", "noauto", 0, 0)])
    assert isinstance(action, EditFile)
    assert action.new == "# kept\n/dev/rbd/rbd/log /c xfs\n"


def test_no_password_is_shown() -> None:
    text = "//host/share /mnt cifs user=a,password=hunter2 0 0\n"
    plan = Plan(tuple(plan_fstab_file(PATH, text, [request("present", opts="noauto,password=hunter2")])))
    assert plan
    assert "hunter2" not in str(plan.diff())


def test_a_line_that_cannot_be_read_is_told_with_its_number_and_kept() -> None:
    text = "# first\n/dev/sda1 /x ext4 defaults # why\n"
    (sentence,) = fstab_faults(PATH, text, [request("present")])
    assert sentence.startswith("/etc/fstab:2: ")
    assert sentence.endswith(". The line is kept as it is.")
    (action,) = plan_fstab_file(PATH, text, [request("present")])
    assert isinstance(action, EditFile)
    assert action.new.startswith(text)


def test_a_faulty_line_that_the_edit_mends_is_not_told() -> None:
    text = "/dev/rbd/rbd/app /srv/app xfs noauto,_netdev # why\n"
    assert fstab_faults(PATH, text, [])
    assert fstab_faults(PATH, text, [request("present")]) == []
