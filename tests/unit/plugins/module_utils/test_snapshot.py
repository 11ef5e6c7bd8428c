# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of snapshots: it removes nothing that somebody needs, and keeps exactly what it is told to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Child
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot import (
    detachable,
    kept,
    outcome as applied,
    plan_snapshot,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_actions import (
    CreateSnapshot,
    RemoveSnapshot,
    RollBack,
    SnapshotAction,
    UnprotectSnapshot,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_facts import SnappedImage, Snapshot
from ansible_collections.cephclient.rbd.plugins.module_utils._snapshot_request import (
    PurgeRequest,
    Request,
    SnapshotRequest,
    relate,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    device,
    facts,
    is_sentence,
    outcome,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)
VM = Child(ImageSpec("vms", "", "vm"))
NAMES = ["a1", "a2", "a3", "b1", "b2"]
ALL = PurgeRequest(APP, "*")


def snapshot(
    name: str, number: int = 1, age: int = 0, *, protected: bool = False, children: tuple[Child, ...] | None = ()
) -> Snapshot:
    """One that was taken some seconds ago."""
    return Snapshot(number, name, 1 << 30, NOW - timedelta(seconds=age), protected, children)


def snapped(*snapshots: Snapshot) -> SnappedImage:
    return SnappedImage(facts(), NOW, snapshots)


def named(snap: str, state: str = "present", protected: bool | None = None) -> SnapshotRequest:
    return SnapshotRequest(replace(APP, snap=snap), state, protected)


def planned(request: Request, image: SnappedImage | None) -> list[SnapshotAction] | RbdError:
    return outcome(lambda: plan_snapshot(0, request, image))


def removed(actions: Sequence[SnapshotAction]) -> list[str | None]:
    return [action.spec.snap for action in actions if isinstance(action, RemoveSnapshot)]


snapshots = st.builds(
    Snapshot,
    number=st.just(0),
    name=st.just(""),
    size=st.sampled_from([1 << 20, 1 << 30]),
    # Not in the order of the numbers: clocks go wrong. Some are ahead of this host's.
    taken=st.integers(-10, 100).map(lambda age: NOW - timedelta(seconds=age)),
    protected=st.booleans(),
    children=st.sampled_from([(), (), (), (VM,), None]),
)
images = st.builds(
    lambda names, every, watchers, mapped, differing, limit: SnappedImage(
        facts(watchers=tuple(watchers)),
        NOW,
        tuple(replace(each, name=name, number=number) for number, (name, each) in enumerate(zip(names, every))),
        limit,
        tuple(device(replace(APP, snap=snap)) for snap in mapped),
        frozenset(differing),
    ),
    st.permutations(NAMES),
    st.lists(snapshots, max_size=5),
    st.lists(support.watchers, max_size=1),
    st.lists(st.sampled_from([None, *NAMES]), max_size=2),
    st.lists(st.sampled_from(NAMES), max_size=2),
    st.none() | st.integers(0, 6),
)
wishes = st.builds(
    named,
    st.sampled_from(NAMES),
    st.sampled_from(["present", "absent", "rolled_back"]),
    st.none() | st.booleans(),
)
purges = st.builds(
    PurgeRequest,
    st.just(APP),
    st.sampled_from(["*", "a*", "?1", "[!b]?", "c"]),
    keep=st.integers(0, 6),
    older_than=st.none() | st.integers(0, 100),
    unprotect=st.booleans(),
)


class TestAnyRequest:
    @given(wishes | purges, st.none() | images, st.booleans())
    def test_is_planned_or_refused_and_is_done_after_one_run(
        self, wish: Request, image: SnappedImage | None, check_mode: bool
    ) -> None:
        actions = outcome(lambda: plan_snapshot(0, wish, image, check_mode))
        if isinstance(actions, RbdError):
            assert is_sentence(actions)
            return
        assert plan_snapshot(0, wish, applied(actions, image), check_mode) == []

    @given(st.lists(wishes, max_size=3, unique_by=lambda wish: wish.snap), st.lists(purges, max_size=2), images)
    def test_several_on_one_image_are_all_done_after_one_run(
        self, wishes: list[SnapshotRequest], patterns: list[PurgeRequest], image: SnappedImage
    ) -> None:
        requests = outcome(lambda: relate([*wishes, *patterns]))
        if isinstance(requests, RbdError):
            return
        after: SnappedImage | None = image
        for request in requests:
            actions = planned(request, after)
            if isinstance(actions, RbdError):
                return
            after = applied(actions, after)
        assert [plan_snapshot(0, request, after) for request in requests] == [[]] * len(requests)

    @given(st.lists(wishes, max_size=3, unique_by=lambda wish: wish.snap), st.lists(purges, max_size=2), images)
    def test_clones_are_known_of_whatever_is_removed_or_unprotected(
        self, wishes: list[SnapshotRequest], patterns: list[PurgeRequest], image: SnappedImage
    ) -> None:
        requests = outcome(lambda: relate([*wishes, *patterns]))
        if isinstance(requests, RbdError):
            return
        bare = replace(image, snapshots=tuple(replace(each, children=()) for each in image.snapshots), limit=None)
        known = detachable(requests, bare)
        after: SnappedImage | None = bare
        for request in requests:
            actions = planned(request, after)
            if isinstance(actions, RbdError):
                continue
            there = {each.name for each in bare.snapshots}
            detached = {a.spec.snap for a in actions if isinstance(a, (RemoveSnapshot, UnprotectSnapshot))}
            assert detached & there <= known
            after = applied(actions, after)

    @given(wishes | purges, images)
    def test_touches_no_snapshot_that_somebody_needs(self, wish: Request, image: SnappedImage) -> None:
        actions = planned(wish, image)
        for action in () if isinstance(actions, RbdError) else actions:
            there = image.find(action.spec.snap or "")
            if isinstance(action, (RemoveSnapshot, UnprotectSnapshot)):
                assert there is not None
                assert there.children == ()
            if isinstance(action, RemoveSnapshot):
                assert there is not None
                assert image.mapping(action.spec.snap) is None
                unprotect = wish.unprotect if isinstance(wish, PurgeRequest) else wish.protected is False
                assert unprotect or not there.protected
            if isinstance(action, RollBack):
                assert image.facts is not None
                assert not image.facts.watchers
                assert image.mapping(None) is None

    @given(wishes | purges, st.datetimes(timezones=st.just(timezone.utc)))
    def test_check_mode_takes_for_granted_what_nobody_knows(self, wish: Request, now: datetime) -> None:
        actions = plan_snapshot(0, wish, SnappedImage(None, now), check_mode=True)
        assert all(not isinstance(action, (RemoveSnapshot, RollBack)) for action in actions)
        assert bool(actions) == (wish.state == "present")


class TestPurge:
    @given(purges, images, st.frozensets(st.sampled_from(NAMES), max_size=2))
    def test_removes_what_matches_but_the_newest_the_young_and_the_needed(
        self, purge: PurgeRequest, image: SnappedImage, declared: frozenset[str]
    ) -> None:
        purge = replace(purge, declared=declared)
        matching = [each for each in image.snapshots if fnmatchcase(each.name, purge.pattern)]
        newest = [each.name for each in sorted(matching, key=lambda each: -each.number)[: purge.keep]]
        young = [
            each.name
            for each in matching
            if purge.older_than is not None and each.taken > NOW - timedelta(seconds=purge.older_than)
        ]
        needed = [each.name for each in matching if each.children != () or image.mapping(each.name) is not None]
        needed += [each.name for each in matching if each.protected and not purge.unprotect]
        spared = {*newest, *young, *needed, *declared}

        actions = plan_snapshot(0, purge, image)

        assert removed(actions) == [each.name for each in matching if each.name not in spared]
        stays = [name for name, _reason in kept(purge, image)]
        assert stays == [each.name for each in matching if each.name in spared]
        assert kept(purge, applied(actions, image)) == kept(purge, image)

    @given(st.integers(0, 6), images)
    def test_keeps_exactly_the_newest_where_nothing_else_holds(self, keep: int, image: SnappedImage) -> None:
        free = tuple(replace(each, protected=False, children=()) for each in image.snapshots)
        image = replace(image, snapshots=free, mapped=())
        after = applied(plan_snapshot(0, replace(ALL, keep=keep), image), image)
        assert after is not None
        assert after.snapshots == free[max(0, len(free) - keep) :]

    def test_newest_is_what_was_taken_last_whatever_the_clock_said(self) -> None:
        image = snapped(snapshot("first", 1, age=0), snapshot("last", 2, age=5000))
        assert removed(plan_snapshot(0, replace(ALL, keep=1), image)) == ["first"]

    @pytest.mark.parametrize(("age", "goes"), [(99, False), (100, True), (101, True), (-5, False)])
    def test_age_counts_from_when_it_was_taken_until_now(self, age: int, goes: bool) -> None:
        image = snapped(snapshot("a", age=age))
        assert bool(plan_snapshot(0, replace(ALL, older_than=100), image)) == goes

    def test_says_why_each_stays(self) -> None:
        image = replace(
            snapped(
                snapshot("named", 1),
                snapshot("cloned", 2, children=(VM, Child(ImageSpec("vms", "", "gone"), in_trash=True))),
                snapshot("hidden", 3, children=None),
                snapshot("protected", 4, age=9, protected=True),
                snapshot("mapped", 5, age=9),
                snapshot("young", 6),
                snapshot("newest", 7, age=9, protected=True),
            ),
            mapped=(device(replace(APP, snap="mapped"), 3),),
        )
        purge = replace(ALL, keep=1, declared=frozenset(["named"]))
        reasons = dict(kept(replace(purge, older_than=None), image))
        assert reasons == {
            "named": "another item of the same call names it",
            "cloned": "it has clones: vms/vm, vms/gone (in the trash)",
            "hidden": "whether it has clones cannot be told, since the user may not look into every pool",
            "protected": "it is protected",
            "mapped": "it is mapped on this host as /dev/rbd3",
            "newest": "it is among the newest 1",
        }
        assert dict(kept(replace(purge, older_than=5), image))["young"] == "it is not old enough"

    def test_removes_the_oldest_first(self) -> None:
        image = snapped(snapshot("z", 1), snapshot("a", 2, protected=True))
        actions = plan_snapshot(7, replace(ALL, unprotect=True), image)
        assert [(action.kind, action.subject, action.index) for action in actions] == [
            ("remove", "rbd/app@z", 7),
            ("unprotect", "rbd/app@a", 7),
            ("remove", "rbd/app@a", 7),
        ]


class TestPresent:
    def test_shows_what_will_be(self) -> None:
        (action,) = plan_snapshot(3, named("daily"), snapped())
        assert action == CreateSnapshot(3, "rbd/app@daily", replace(APP, snap="daily"), 1 << 30, NOW)
        assert (action.before(), action.after()) == ("absent", "snapshot of 1 GiB")

    def test_is_numbered_behind_all_others(self) -> None:
        after = applied(plan_snapshot(0, named("new"), snapped(snapshot("old", 41))), snapped(snapshot("old", 41)))
        assert after is not None
        assert [each.number for each in after.snapshots] == [41, 42]

    def test_counts_hidden_snapshots_against_the_limit(self) -> None:
        image = replace(snapped(snapshot("old")), limit=2)
        assert plan_snapshot(0, named("new"), image)
        image = replace(image, facts=replace(facts(), hidden_snapshots=1))
        with pytest.raises(
            RbdError, match=r"^Cannot create rbd/app@new: the image has 2 snapshots, and its limit is 2"
        ):
            plan_snapshot(0, named("new"), image)
        assert plan_snapshot(0, named("old"), image) == []

    def test_what_could_not_be_cloned_cannot_be_protected(self) -> None:
        image = replace(snapped(snapshot("old")), facts=facts(features=0))
        for name in ("old", "new"):
            with pytest.raises(
                RbdError, match=rf"^Cannot protect rbd/app@{name}: the image lacks the feature layering"
            ):
                plan_snapshot(0, named(name, protected=True), image)


class TestRolledBack:
    def test_protects_and_rolls_back(self) -> None:
        image = replace(snapped(snapshot("a")), facts=facts(2 << 30), differing=frozenset("a"))
        protect, roll_back = plan_snapshot(2, named("a", "rolled_back", protected=True), image)
        assert (protect.kind, protect.subject, protect.before(), protect.after()) == (
            "protect", "rbd/app@a", "not protected", "protected",
        )  # fmt: skip
        assert (roll_back.kind, roll_back.subject, roll_back.index) == ("roll_back", "rbd/app", 2)
        assert roll_back.before() == "image of 2 GiB that differs from rbd/app@a"
        assert roll_back.after() == "image of 1 GiB with the content of rbd/app@a"


class TestRefusals:
    @pytest.mark.parametrize("state", ["absent", "present", "rolled_back"])
    def test_clones_are_named(self, state: str) -> None:
        image = snapped(snapshot("golden", protected=True, children=(VM,)))
        with pytest.raises(RbdError, match=r"rbd/app@golden: it has clones: vms/vm\. Flatten"):
            plan_snapshot(0, named("golden", state, protected=False), image)

    def test_clones_are_named_rather_than_the_protection(self) -> None:
        image = snapped(snapshot("golden", protected=True, children=(VM,)))
        with pytest.raises(RbdError, match="it has clones"):
            plan_snapshot(0, named("golden", "absent"), image)

    def test_a_missing_snapshot_is_told_with_those_there_are(self) -> None:
        with pytest.raises(RbdError, match=r"back to c: the image has no snapshot of that name\. It has: a, b\.$"):
            plan_snapshot(0, named("c", "rolled_back"), snapped(snapshot("a", 1), snapshot("b", 2)))
        with pytest.raises(RbdError, match=r"It has: none\.$"):
            plan_snapshot(0, named("c", "rolled_back"), snapped())

    def test_a_mapped_snapshot_may_in_check_mode_be_one_that_an_earlier_task_would_have_unmapped(self) -> None:
        image = replace(snapped(snapshot("a")), mapped=(device(replace(APP, snap="a")),))
        assert removed(plan_snapshot(0, named("a", "absent"), image, check_mode=True)) == ["a"]
        assert removed(plan_snapshot(0, ALL, image, check_mode=True)) == ["a"]
        with pytest.raises(RbdError, match=r"it is mapped on this host as /dev/rbd0\. Unmap it first"):
            plan_snapshot(0, named("a", "absent"), image)
