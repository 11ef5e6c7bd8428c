# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of file systems: only a proven blank image gets one."""

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
    plan_filesystem,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import Extent
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import support
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    device,
    facts,
    is_sentence,
    outcome,
)

XFS = FilesystemRequest(APP, "xfs", ("-L", "app"))
ZEROS = Content(None, ambivalent=False, ends_zero=True)
BLANK = FilesystemCurrent(facts(), None, device(), ZEROS)

requests = st.builds(FilesystemRequest, st.just(APP), st.sampled_from(FSTYPES))
contents = st.none() | st.builds(
    Content, st.none() | st.sampled_from(["xfs", "ext4", "crypto_LUKS", "gpt"]), st.booleans(), st.booleans()
)
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
    def test_nothing_but_a_blank_device_is_formatted(self, wish: FilesystemRequest, now: FilesystemCurrent) -> None:
        actions = outcome(lambda: plan_filesystem(0, wish, now, check_mode=False))
        if isinstance(actions, list) and actions:
            assert now.content == ZEROS
            assert now.facts is not None
            assert now.written is None
            assert now.device is None or not now.device.read_only

    @given(requests, currents)
    def test_a_second_run_finds_nothing_to_do(self, wish: FilesystemRequest, now: FilesystemCurrent) -> None:
        actions = outcome(lambda: plan_filesystem(0, wish, now, check_mode=False))
        if isinstance(actions, list) and actions:
            now = replace(now, written=Extent(0, 4096), content=Content(wish.fstype, False, False))
            assert plan_filesystem(0, wish, now, check_mode=False) == []

    @given(requests, currents)
    def test_check_mode_plans_the_same_for_an_image_that_is_mapped(
        self, wish: FilesystemRequest, now: FilesystemCurrent
    ) -> None:
        # The cluster is always asked about a device in which blkid finds nothing; if it cannot be, check mode goes on.
        if now.content is not None and (now.facts or now.content.signature or now.content.ambivalent):
            checked = outcome(lambda: plan_filesystem(0, wish, now, check_mode=True))
            assert str(checked) == str(outcome(lambda: plan_filesystem(0, wish, now, check_mode=False)))


class TestBlank:
    def test_is_formatted(self) -> None:
        (action,) = plan_filesystem(1, XFS, BLANK, check_mode=False)
        assert action == MakeFilesystem(1, "rbd/app", APP, "xfs", ("-L", "app"), device(), facts())
        assert (action.before(), action.after()) == ("blank", "xfs")
        assert action.result() == {"action": "mkfs", "subject": "rbd/app", "fstype": "xfs"}

    def test_what_the_cluster_was_not_asked_about_is_not_proven_blank(self) -> None:
        with pytest.raises(RbdError, match="the cluster was not asked") as refused:
            plan_filesystem(0, XFS, replace(BLANK, facts=None), check_mode=False)
        assert is_sentence(refused.value)

    @pytest.mark.parametrize(
        ("now", "cause"),
        [
            (replace(BLANK, written=Extent(4194304, 512)), "it holds data .first at byte 4194304."),
            (replace(BLANK, content=replace(ZEROS, ends_zero=False)), "not proven to be blank"),
            (replace(BLANK, content=replace(ZEROS, ambivalent=True)), "several signatures"),
            (replace(BLANK, content=replace(ZEROS, signature="crypto_LUKS")), "it holds crypto_LUKS"),
            (replace(BLANK, content=replace(ZEROS, signature="ext4")), "it holds ext4"),
            (replace(BLANK, device=device(read_only=True)), "/dev/rbd0 is mapped read-only"),
            (FilesystemCurrent(facts(), None, None, None), "it is not mapped on this host"),
        ],
    )
    def test_every_doubt_is_an_error(self, now: FilesystemCurrent, cause: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot make xfs on rbd/app: .*{cause}"):
            plan_filesystem(0, XFS, now, check_mode=False)


def test_the_declared_file_system_is_left_alone() -> None:
    now = FilesystemCurrent(None, None, device(), Content("xfs", ambivalent=False, ends_zero=False))
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
        {"content": replace(ZEROS, signature="ext4")},
        {"device": device(read_only=True)},
    ],
)
def test_check_mode_refuses_what_the_device_itself_tells(doubt: dict[str, Any]) -> None:
    with pytest.raises(RbdError):
        plan_filesystem(0, XFS, replace(BLANK, facts=None, **doubt), check_mode=True)
