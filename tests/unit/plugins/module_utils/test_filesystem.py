# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of file systems: only a proven blank image gets one, or one whose content is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._filesystem import (
    FSTYPES,
    Content,
    FilesystemCurrent,
    FilesystemRequest,
    MakeFilesystem,
    Signature,
    plan_filesystem,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent, Watcher
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    device,
    facts,
    is_sentence,
    outcome,
)

XFS = FilesystemRequest(APP, "xfs", ("-L", "app"))
ZEROS = Content(ends_zero=True)
MAPPED = replace(device(), client="client.7")
BLANK = FilesystemCurrent(facts(), None, MAPPED, ZEROS)
OWN, OTHER = Watcher("10.0.0.5:0/1", "client.7"), Watcher("10.0.0.6:0/2", "client.8")

UUID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
EXT4 = Content("ext4", (Signature("ext4", UUID),))
TWO = Content(None, (Signature("ext4", UUID), Signature("swap")))
DATA = replace(BLANK, written=Extent(4194304, 512))

kinds = st.sampled_from(["xfs", "ext4", "crypto_LUKS", "gpt"])
signatures = st.builds(Signature, kinds, st.sampled_from(["", UUID]))
names = st.builds("{} {}".format, kinds | st.just("data"), st.sampled_from(["1a2b", "ffff", UUID]))
requests = st.builds(
    FilesystemRequest,
    st.just(APP),
    st.sampled_from(FSTYPES),
    overwrite=st.lists(names, max_size=2).map(tuple),
)
contents = st.none() | st.builds(
    Content,
    st.none() | kinds,
    st.lists(signatures, max_size=2).map(tuple),
    st.booleans(),
    st.sampled_from([(), ("/dev/rbd0p1",)]),
    st.booleans(),
    st.booleans(),
    # Only what has a type can be an unfinished one.
).map(lambda found: replace(found, unfinished=found.unfinished and found.fstype is not None))
currents = st.builds(
    FilesystemCurrent,
    st.none() | support.image_facts,
    st.none() | st.builds(Extent, st.integers(0, 2**40), st.integers(1, 2**22)),
    st.none() | support.devices,
    contents,
)


class TestAnyRequest:
    @given(requests, currents, st.booleans())
    def test_is_planned_or_refused(self, wish: FilesystemRequest, now: FilesystemCurrent, check_mode: bool) -> None:
        actions = outcome(lambda: plan_filesystem(0, wish, now, check_mode))
        if isinstance(actions, RbdError):
            assert is_sentence(actions)
        else:
            assert [action.kind for action in actions] in ([], ["mkfs"])

    @given(requests, currents)
    def test_nothing_is_formatted_but_what_is_blank_or_named(
        self, wish: FilesystemRequest, now: FilesystemCurrent
    ) -> None:
        actions = outcome(lambda: plan_filesystem(0, wish, now, check_mode=False))
        if isinstance(actions, list) and actions:
            assert now.facts is not None
            assert now.content is not None
            blank = now.content == ZEROS and now.written is None
            assert blank or set(now.found) == set(wish.overwrite)
            assert not now.content.held
            assert now.device is None or not now.device.read_only
            assert now.foreign_watchers == []

    @given(requests, currents)
    def test_without_a_word_nothing_is_overwritten(self, wish: FilesystemRequest, now: FilesystemCurrent) -> None:
        actions = outcome(lambda: plan_filesystem(0, replace(wish, overwrite=()), now, check_mode=False))
        if isinstance(actions, list) and actions:
            assert (now.content, now.written) == (ZEROS, None)

    @given(requests, currents)
    def test_a_second_run_finds_nothing_to_do(self, wish: FilesystemRequest, now: FilesystemCurrent) -> None:
        actions = outcome(lambda: plan_filesystem(0, wish, now, check_mode=False))
        if isinstance(actions, list) and actions:
            now = replace(now, written=Extent(0, 4096), content=Content(wish.fstype))
            assert plan_filesystem(0, wish, now, check_mode=False) == []

    @given(requests, currents)
    def test_check_mode_plans_the_same_for_an_image_that_is_mapped(
        self, wish: FilesystemRequest, now: FilesystemCurrent
    ) -> None:
        # Where the cluster cannot be asked, check mode goes on.
        if None not in (now.content, now.facts, now.device):
            checked = outcome(lambda: plan_filesystem(0, wish, now, check_mode=True))
            assert str(checked) == str(outcome(lambda: plan_filesystem(0, wish, now, check_mode=False)))


class TestBlank:
    def test_is_formatted(self) -> None:
        (action,) = plan_filesystem(1, XFS, BLANK, check_mode=False)
        assert action == MakeFilesystem(1, "rbd/app", XFS, MAPPED, ())
        assert (action.before(), action.after()) == ("blank", "xfs")
        assert action.result() == {"action": "mkfs", "subject": "rbd/app", "fstype": "xfs"}

    def test_this_hosts_own_kernel_may_watch_it(self) -> None:
        assert plan_filesystem(0, XFS, replace(BLANK, facts=facts(watchers=(OWN,))), check_mode=False)

    def test_is_formatted_whatever_may_be_overwritten(self) -> None:
        (action,) = plan_filesystem(0, replace(XFS, overwrite=(f"ext4 {UUID}",)), BLANK, check_mode=False)
        assert isinstance(action, MakeFilesystem)
        assert action.overwritten == ()

    def test_what_the_cluster_was_not_asked_about_is_not_proven_blank(self) -> None:
        with pytest.raises(RbdError, match="the cluster was not asked") as refused:
            plan_filesystem(0, XFS, replace(BLANK, facts=None), check_mode=False)
        assert is_sentence(refused.value)

    @pytest.mark.parametrize(
        ("now", "cause"),
        [
            (DATA, "it holds data 1a2b .without a signature that blkid knows; the first at byte 4194304."),
            (replace(BLANK, content=replace(ZEROS, ends_zero=False)), "not proven to be blank"),
            (replace(BLANK, content=TWO), f"it holds ext4 {UUID}, swap 1a2b\\."),
            (replace(BLANK, content=Content("crypto_LUKS", (Signature("crypto_LUKS"),))), "it holds crypto_LUKS 1a2b"),
            (replace(BLANK, content=EXT4), f"it holds ext4 {UUID}\\."),
            (
                replace(BLANK, content=Content(None, (Signature("xfs", UUID), Signature("ext4", UUID)))),
                "it holds ext4 .*, xfs .* .which is damaged, or not the only one.",
            ),
            (replace(BLANK, content=replace(ZEROS, partitions=("/dev/rbd0p1",))), "has partitions of it ./dev/rbd0p1."),
            (replace(BLANK, content=replace(ZEROS, held=True)), "/dev/rbd0 is in use on this host"),
            (replace(BLANK, facts=facts(watchers=(OWN, OTHER))), "in use elsewhere by client.8 at 10.0.0.6:0/2"),
            (replace(BLANK, device=device(read_only=True)), "/dev/rbd0 is mapped read-only"),
            (FilesystemCurrent(facts(), None, None, None), "it is not mapped on this host"),
        ],
    )
    def test_every_doubt_is_an_error(self, now: FilesystemCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot make xfs on rbd/app: .*{cause}") as refused:
            plan_filesystem(0, XFS, now, check_mode=False)
        assert is_sentence(refused.value)


class TestOverwrite:
    @pytest.mark.parametrize(
        ("now", "overwrite"),
        [
            (replace(BLANK, content=EXT4), (f"ext4 {UUID}",)),
            (replace(BLANK, content=EXT4, written=Extent(0, 1)), (f"ext4 {UUID}",)),
            (replace(BLANK, content=TWO), ("swap 1a2b", f"ext4 {UUID}")),
            (replace(DATA, content=Content()), ("data 1a2b",)),
        ],
    )
    def test_what_is_named_exactly(self, now: FilesystemCurrent, overwrite: tuple[str, ...]) -> None:
        (action,) = plan_filesystem(0, replace(XFS, overwrite=overwrite), now, check_mode=False)
        assert isinstance(action, MakeFilesystem)
        assert action.overwritten == tuple(sorted(overwrite))
        assert action.before() == ", ".join(sorted(overwrite))
        assert action.result()["overwritten"] == sorted(overwrite)

    @pytest.mark.parametrize(
        "overwrite",
        [
            ("ext4",),
            ("ext4 99999999-4e5f-4a6b-8c7d-9e0f1a2b3c4d",),
            ("ext4 1a2b",),
            ("data 1a2b",),
            (f"ext4 {UUID}", "data 1a2b"),
        ],
    )
    def test_anything_else_is_refused_with_what_to_write(self, overwrite: tuple[str, ...]) -> None:
        with pytest.raises(RbdError, match="and overwrite names") as refused:
            plan_filesystem(0, replace(XFS, overwrite=overwrite), replace(BLANK, content=EXT4), check_mode=False)
        assert is_sentence(refused.value)
        assert refused.value.advice.endswith(f'write overwrite: ["ext4 {UUID}"].')

    def test_all_of_several_must_be_named(self) -> None:
        wish = replace(XFS, overwrite=(f"ext4 {UUID}",))
        with pytest.raises(RbdError, match="swap 1a2b, and overwrite names"):
            plan_filesystem(0, wish, replace(BLANK, content=TWO), check_mode=False)

    def test_the_declared_file_system_never(self) -> None:
        wish = replace(XFS, fstype="ext4", overwrite=(f"ext4 {UUID}",))
        assert plan_filesystem(0, wish, replace(BLANK, content=Content("ext4")), check_mode=False) == []

    @pytest.mark.parametrize(
        "doubt",
        [
            {"content": replace(EXT4, held=True)},
            {"device": device(read_only=True)},
            {"facts": facts(watchers=(OTHER,))},
            {"facts": None},
        ],
    )
    def test_what_is_named_is_still_refused_while_it_is_in_use(self, doubt: dict[str, Any]) -> None:
        wish = replace(XFS, overwrite=(f"ext4 {UUID}",))
        with pytest.raises(RbdError):
            plan_filesystem(0, wish, replace(BLANK, **{"content": EXT4, **doubt}), check_mode=False)


def test_the_declared_file_system_is_left_alone() -> None:
    now = FilesystemCurrent(None, None, device(), Content("xfs"))
    assert plan_filesystem(0, XFS, now, check_mode=False) == []


@pytest.mark.parametrize("image", [facts(), None])
def test_check_mode_predicts_one_for_an_image_that_is_not_mapped_yet(image: support.ImageFacts | None) -> None:
    assert plan_filesystem(0, XFS, FilesystemCurrent(image, None, None, None), check_mode=True)


def test_check_mode_predicts_none_for_a_written_image() -> None:
    written = FilesystemCurrent(facts(), Extent(0, 1), None, None)
    assert plan_filesystem(0, XFS, written, check_mode=True) == []


def test_check_mode_predicts_one_for_a_blank_device_before_the_cluster_can_be_asked() -> None:
    assert plan_filesystem(0, XFS, replace(BLANK, facts=None), check_mode=True)


@pytest.mark.parametrize(
    "doubt",
    [
        {"content": replace(ZEROS, ends_zero=False)},
        {"content": EXT4},
        {"device": device(read_only=True)},
    ],
)
def test_check_mode_refuses_what_the_device_itself_tells(doubt: dict[str, Any]) -> None:
    with pytest.raises(RbdError):
        plan_filesystem(0, XFS, replace(BLANK, facts=None, **doubt), check_mode=True)
