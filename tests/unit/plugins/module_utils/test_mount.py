# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of live mounts: over nothing else, and nothing else unmounted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import KrbdDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._mount import (
    MakeMountPoint,
    MountCurrent,
    MountImage,
    MountRequest,
    SetOwnership,
    Unmount,
    plan_fstab_file,
    plan_mount,
    plan_unmount,
    refuse_conflicts,
    tidy_path,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._mountinfo import Mount, at
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import NO_OWNERSHIP, Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action, EditFile, Plan
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    btrfs,
    device,
    is_sentence,
    mount,
    outcome,
    root_mount,
)

STATES = ("mounted", "present", "unmounted", "absent")
PATHS = ("/srv/app", "/srv/other")
LINE = "/dev/rbd/rbd/app\t/srv/app\txfs\tnoauto,_netdev\t0\t0\n"
ROOT_OWNED = Ownership(0, 0, 0o755)
LOG = ImageSpec("rbd", "", "log")


def request(
    state: str, path: str | None = "/srv/app", ownership: Ownership = NO_OWNERSHIP, spec: ImageSpec = APP
) -> MountRequest:
    return MountRequest(spec, state, path, "xfs", "noauto,_netdev", 0, 0, ownership)


@dataclass(frozen=True)
class Host:
    """A model of what a mount touches."""

    fstab: str = ""
    mapped: bool = True
    linked: bool = True
    mounts: tuple[Mount, ...] = ()
    kinds: dict[str, tuple[str, bool]] = field(default_factory=dict)
    owned: Ownership = ROOT_OWNED

    @property
    def devices(self) -> tuple[KrbdDevice, ...]:
        return (device(),) if self.mapped else ()

    def current(self, wish: MountRequest) -> MountCurrent:
        table = (root_mount(), *self.mounts)
        linked = device() if self.mapped and self.linked and wish.state == "mounted" else None
        return MountCurrent(FstabFile.decode(self.fstab), table, self.devices, linked, self.path(wish))

    def path(self, wish: MountRequest) -> PathFacts | None:
        """The mount point, looked at only for a mount."""
        if wish.path is None:
            return None
        if wish.state != "mounted":
            return PathFacts(wish.path, "unknown", False, NO_OWNERSHIP)
        kind, empty = self.kinds.get(wish.path, ("absent", True))
        if at((root_mount(), *self.mounts), wish.path):
            kind, empty = "directory", False
        return PathFacts(wish.path, kind, empty, self.owned if kind != "absent" else NO_OWNERSHIP)

    def plan(self, wish: MountRequest, check_mode: bool = False) -> list[Action]:
        now = self.current(wish)
        return [
            *plan_unmount(0, wish, now),
            *plan_fstab_file("/etc/fstab", self.fstab, [wish]),
            *plan_mount(0, wish, now, check_mode),
        ]

    def applied(self, action: Action) -> Host:
        if isinstance(action, EditFile):
            return replace(self, fstab=action.edit(self.fstab))
        if isinstance(action, MakeMountPoint):
            assert action.subject not in self.kinds
            return replace(self, kinds={**self.kinds, action.subject: ("directory", True)})
        if isinstance(action, Unmount):
            top = at((root_mount(), *self.mounts), action.subject)
            assert top is not None
            assert top.devno == device().devno, "would unmount something else"
            return replace(self, mounts=tuple(held for held in self.mounts if held != top))
        if isinstance(action, SetOwnership):
            return self.owning(action.ownership)
        assert isinstance(action, MountImage)
        assert at((root_mount(), *self.mounts), action.subject) is None, "would mount over another mount"
        assert self.kinds[action.subject] == ("directory", True), "would hide what is there"
        mounts = (*self.mounts, mount(action.subject, number=90 + len(self.mounts)))
        return replace(self, mounts=mounts, owned=ROOT_OWNED).owning(action.ownership)

    def owning(self, wish: Ownership) -> Host:
        uid = self.owned.uid if wish.uid is None else wish.uid
        gid = self.owned.gid if wish.gid is None else wish.gid
        return replace(self, owned=Ownership(uid, gid, self.owned.mode if wish.mode is None else wish.mode))


numbers = st.none() | st.integers(0, 2)
requests = st.builds(
    request, st.sampled_from(STATES), st.sampled_from(PATHS), st.builds(Ownership, numbers, numbers, numbers)
) | st.builds(request, st.sampled_from(["unmounted", "absent"]), st.none())
kinds = st.tuples(st.just("directory"), st.booleans()) | st.just(("other", False))
# One mount at each path: what lies below another one is in a test of its own.
mounts = st.lists(
    st.builds(mount, st.sampled_from(PATHS), st.sampled_from([(252, 0), (8, 2)]), st.integers(50, 59)),
    max_size=2,
    unique_by=(lambda held: held.path, lambda held: held.mount_id),
).map(tuple)
LINES = [LINE, LINE.replace("/srv/app", "/srv/other"), "tmpfs /srv/app tmpfs noauto 0 0\n", "# mine\n", "broken\n"]
hosts = st.builds(
    Host,
    st.lists(st.sampled_from(LINES), max_size=3).map("".join),
    st.booleans(),
    st.booleans(),
    mounts,
    st.dictionaries(st.sampled_from(PATHS), kinds, max_size=2),
    st.builds(Ownership, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
)


class TestAnyRequest:
    @given(requests, hosts)
    def test_is_planned_or_refused_and_is_done_after_one_run(self, wish: MountRequest, host: Host) -> None:
        actions = outcome(lambda: host.plan(wish))
        if isinstance(actions, RbdError):
            assert is_sentence(actions)
            return
        for action in actions:
            host = host.applied(action)
        assert host.plan(wish) == []

    @given(requests, hosts)
    def test_the_diff_shows_something_exactly_if_something_changes(self, wish: MountRequest, host: Host) -> None:
        actions = outcome(lambda: host.plan(wish))
        if isinstance(actions, list):
            shown = Plan(tuple(actions)).diff()
            assert bool(shown) == bool(Plan(tuple(actions)))
            assert all(part["before"] != part["after"] for part in shown)

    @given(requests, hosts)
    def test_check_mode_plans_the_same_for_an_image_that_is_mapped(self, wish: MountRequest, host: Host) -> None:
        host = replace(host, mapped=True, linked=True)
        checked, real = outcome(lambda: host.plan(wish, check_mode=True)), outcome(lambda: host.plan(wish))
        assert (
            [action.result() for action in checked] == [action.result() for action in real]
            if isinstance(checked, list) and isinstance(real, list)
            else str(checked) == str(real)
        )

    @given(hosts)
    def test_present_is_about_the_line_alone(self, host: Host) -> None:
        actions = outcome(lambda: host.plan(request("present")))
        assert isinstance(actions, RbdError) or all(isinstance(action, EditFile) for action in actions)


class TestMounted:
    def test_line_first_then_mount_point_then_mount(self) -> None:
        kinds_of_action = [action.kind for action in Host().plan(request("mounted"))]
        assert kinds_of_action == ["edit_file", "make_directory", "mount"]

    def test_ownership_is_set_with_the_mount_and_corrected_later(self) -> None:
        wish = request("mounted", ownership=Ownership(mode=0o700))
        mounting = Host(LINE, kinds={"/srv/app": ("directory", True)}).plan(wish)
        assert [action.after() for action in mounting] == ["rbd/app mounted, mode 0700"]
        (action,) = Host(LINE, mounts=(mount("/srv/app"),)).plan(wish)
        assert isinstance(action, SetOwnership)
        assert action.ownership == Ownership(mode=0o700)
        assert (action.before(), action.after()) == ("mode 0755", "mode 0700")

    @pytest.mark.parametrize("host", [Host(mapped=False), Host(linked=False)])
    def test_refuses_what_is_not_mapped_except_in_check_mode(self, host: Host) -> None:
        with pytest.raises(RbdError, match="is not mapped on this host"):
            host.plan(request("mounted"))
        assert host.plan(request("mounted"), check_mode=True)

    def test_bind_mounts_beside_its_own_do_not_matter(self) -> None:
        host = Host(LINE, mounts=(mount("/srv/app"), mount("/var/lib/pod", number=51)))
        assert host.plan(request("mounted")) == []

    @pytest.mark.parametrize(
        ("host", "cause"),
        [
            (Host(kinds={"/srv/app": ("directory", False)}), "the directory is not empty"),
            (Host(kinds={"/srv/app": ("other", False)}), "not a directory"),
            (Host(mounts=(mount("/srv/app", (252, 16)),)), "/dev/rbd1 is mounted there"),
            (Host(mounts=(mount("/srv/other"),)), "it is mounted at /srv/other already"),
            (Host(fstab="# x\ntmpfs /srv/app/ tmpfs noauto\n"), "line 2 mounts tmpfs there"),
            (Host(fstab=LINE.replace("/srv/app", "/srv/other")), "line 1 mounts the same image at /srv/other"),
        ],
    )
    def test_refuses_a_mount_point_that_is_taken(self, host: Host, cause: str) -> None:
        with pytest.raises(RbdError, match=cause):
            host.plan(request("mounted"))

    def test_refuses_another_mount_that_lies_over_its_own(self) -> None:
        host = Host(LINE, mounts=(mount("/srv/app"), mount("/srv/app", (8, 2), 51)))
        covered = (host.mounts[0], replace(host.mounts[1], parent_id=50))
        with pytest.raises(RbdError, match="is mounted there"):
            replace(host, mounts=covered).plan(request("mounted"))

    @pytest.mark.parametrize("kind", ["absent", "directory"])
    def test_refuses_a_way_through_a_symbolic_link(self, kind: str) -> None:
        through = PathFacts("/data/app", kind, True, ROOT_OWNED)
        now = MountCurrent(FstabFile.decode(""), (root_mount(),), (device(),), device(), through)
        with pytest.raises(RbdError, match=r"symbolic link to /data/app.*Write /data/app\."):
            plan_mount(0, request("mounted"), now, check_mode=False)

    def test_a_mounted_btrfs_is_recognised(self) -> None:
        host = Host(LINE, mounts=(btrfs("/srv/app"),))
        assert host.plan(request("mounted")) == []


class TestUnmounted:
    @pytest.mark.parametrize(("state", "lines"), [("unmounted", ["unmount"]), ("absent", ["unmount", "edit_file"])])
    def test_unmounts_before_the_line_goes(self, state: str, lines: list[str]) -> None:
        host = Host(LINE, mounts=(mount("/srv/app"),))
        assert [action.kind for action in host.plan(request(state))] == lines

    def test_without_a_path_every_mount_of_the_image_goes_the_last_one_first(self) -> None:
        host = Host(mounts=(mount("/srv/app"), mount("/srv/other", number=51), mount("/srv/x", (8, 2), 52)))
        assert [action.subject for action in host.plan(request("absent", None))] == ["/srv/other", "/srv/app"]

    def test_another_path_is_left_alone(self) -> None:
        assert Host(mounts=(mount("/srv/other"),)).plan(request("absent")) == []

    def test_what_is_mounted_at_the_path_instead_is_left_alone(self) -> None:
        assert Host(mounts=(mount("/srv/app", (8, 2)),)).plan(request("absent")) == []

    def test_a_path_through_a_symbolic_link_finds_its_mount(self) -> None:
        through = PathFacts("/data/app", "unknown", False, NO_OWNERSHIP)
        now = MountCurrent(FstabFile.decode(""), (root_mount(), mount("/data/app")), (device(),), path=through)
        assert [action.subject for action in plan_unmount(0, request("absent"), now)] == ["/data/app"]

    @pytest.mark.parametrize("path", ["/srv/app", None])
    def test_a_mount_that_lies_over_the_images_is_not_unmounted(self, path: str | None) -> None:
        host = Host(LINE, mounts=(mount("/srv/app"), mount("/srv/app", (8, 2), 51, parent=50)))
        with pytest.raises(RbdError, match="rbd/app from /srv/app: /dev/sdb1 is mounted over it") as refused:
            host.plan(request("absent", path))
        assert is_sentence(refused.value)

    def test_a_mount_below_a_directory_that_another_one_covers_is_not_unmounted(self) -> None:
        host = Host(LINE, mounts=(mount("/srv/app"), mount("/srv", (8, 2), 51)))
        with pytest.raises(RbdError, match="something is mounted over it"):
            host.plan(request("absent"))

    def test_a_mount_between_two_of_the_images_is_not_unmounted(self) -> None:
        between = mount("/srv/app", (8, 2), 51, parent=50)
        host = Host(LINE, mounts=(mount("/srv/app"), between, mount("/srv/app", number=52, parent=51)))
        actions = outcome(lambda: host.plan(request("absent")))
        for action in actions if isinstance(actions, list) else []:
            host = host.applied(action)
        assert between in host.mounts

    def test_the_image_stacked_upon_itself_goes_as_often(self) -> None:
        host = Host(mounts=(mount("/srv/app"), mount("/srv/app", number=51, parent=50)))
        actions = host.plan(request("absent"))
        for action in actions:
            host = host.applied(action)
        assert (len(actions), host.mounts) == (2, ())

    def test_mounts_of_every_mapping_go(self) -> None:
        table = (root_mount(), mount("/srv/app"), mount("/srv/other", (252, 16), 51))
        now = MountCurrent(FstabFile.decode(""), table, (device(), device(number=1)))
        gone = {action.subject for action in plan_unmount(0, request("absent", None), now)}
        assert gone == {"/srv/app", "/srv/other"}

    def test_a_mounted_btrfs_is_unmounted(self) -> None:
        host = Host(LINE, mounts=(btrfs("/srv/app"),))
        assert [action.kind for action in host.plan(request("absent"))] == ["unmount", "edit_file"]


class TestConflicts:
    @pytest.mark.parametrize("state", ["mounted", "present"])
    def test_two_images_at_one_path_and_one_image_at_two_are_refused(self, state: str) -> None:
        with pytest.raises(RbdError, match="the same list has rbd/app at /srv/app"):
            refuse_conflicts([request(state), request(state, spec=LOG)])
        with pytest.raises(RbdError, match="the same list has rbd/app at /srv/app"):
            refuse_conflicts([request(state), request(state, "/srv/other")])

    def test_what_goes_conflicts_with_nothing(self) -> None:
        refuse_conflicts([request("mounted"), request("absent", "/srv/other"), request("unmounted", spec=LOG)])


class TestTidyPath:
    @given(st.text(alphabet="/.ab \t\n", max_size=12))
    def test_is_tidy_or_refused_and_tidy_once(self, text: str) -> None:
        tidy = outcome(lambda: tidy_path(text))
        if isinstance(tidy, RbdError):
            assert is_sentence(tidy)
            return
        assert tidy == tidy_path(tidy)
        assert tidy.startswith("/")
        assert not tidy.endswith("/")
        assert "//" not in tidy

    @pytest.mark.parametrize(
        ("path", "tidy"), [("/srv/app/", "/srv/app"), ("//srv///app", "/srv/app"), ("/srv/./a b", "/srv/a b")]
    )
    def test_one_form(self, path: str, tidy: str) -> None:
        assert tidy_path(path) == tidy

    @pytest.mark.parametrize("path", ["", "srv", "~/x", "/", "//", "/.", "/srv/../etc", "/srv/.."])
    def test_refused(self, path: str) -> None:
        with pytest.raises(RbdError) as refused:
            tidy_path(path)
        assert is_sentence(refused.value)
