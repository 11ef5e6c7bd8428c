# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any wish and any state of an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._features import DECLARABLE_MASK
from ansible_collections.cephclient.rbd.plugins.module_utils._image import outcome, plan_image
from ansible_collections.cephclient.rbd.plugins.module_utils._image_actions import (
    ChangeFeatures,
    ImageAction,
    MakeImage,
    PurgeSnapshots,
    RemoveImage,
    RenameImage,
    RestoreImage,
    ShrinkImage,
    TrashImage,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._image_facts import ImageFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._image_wish import ImageCurrent, ImageRequest
from ansible_collections.cephclient.rbd.plugins.modules import rbd_image
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils import image_values as values, support

# Under these steps whoever has the image open would lose data, or the image itself.
DESTRUCTIVE = (ShrinkImage, ChangeFeatures, PurgeSnapshots, RemoveImage, RenameImage)


def planned(request: ImageRequest, current: ImageCurrent, *, check_mode: bool = False) -> Sequence[ImageAction] | None:
    """The plan, or None where it is refused."""
    actions = support.outcome(lambda: plan_image(0, request, current, check_mode))
    if isinstance(actions, RbdError):
        assert support.is_sentence(actions), str(actions)
        return None
    return actions


def accepted(request: ImageRequest, current: ImageCurrent) -> Sequence[ImageAction]:
    """The steps; none where it is refused."""
    return planned(request, current) or ()


def afterwards(current: ImageCurrent, actions: Sequence[ImageAction]) -> ImageCurrent:
    """What a second run would read."""
    facts = outcome(actions, current.facts)
    kinds = {type(action) for action in actions}
    return replace(
        current,
        facts=facts,
        mapped=current.mapped if facts else (),
        former=None if RenameImage in kinds else current.former,
        trashed=() if RestoreImage in kinds else current.trashed,
    )


@values.thorough
@given(values.requests, values.currents)
def test_it_is_planned_or_refused_in_a_sentence_and_done_after_one_run(
    request: ImageRequest, current: ImageCurrent
) -> None:
    actions = planned(request, current)
    if actions is not None:
        after = afterwards(current, actions)
        assert list(plan_image(0, request, after)) == []
        assert (after.facts is not None) == (request.state == "present")


@values.thorough
@given(values.requests, values.currents)
def test_what_is_wished_is_so_afterwards(request: ImageRequest, current: ImageCurrent) -> None:
    actions = planned(replace(request, state="present"), current)
    if actions is None:
        return
    facts = outcome(actions, current.facts)
    assert facts is not None
    assert request.size in (None, facts.size)
    assert request.features in (None, facts.features & DECLARABLE_MASK)
    assert not (request.flatten and facts.parent)
    assert request.parent in (None, facts.parent) or request.flatten
    wish, layout = request.layout, facts.layout
    assert wish.object_size in (None, layout.object_size)
    assert wish.stripe_unit in (None, layout.stripe_unit)
    assert wish.stripe_count in (None, layout.stripe_count)
    assert wish.data_pool in (None, layout.data_pool or "rbd")


@values.thorough
@given(values.requests, values.currents)
def test_an_image_gets_smaller_only_if_it_may(request: ImageRequest, current: ImageCurrent) -> None:
    facts = current.facts
    for action in accepted(request, current):
        after = action.outcome(facts)
        assert after is None or facts is None or after.size >= facts.size or request.shrink
        assert request.shrink or not isinstance(action, ShrinkImage)
        facts = after


@values.thorough
@given(values.requests, values.images)
def test_an_image_goes_only_without_snapshots_or_with_leave_to_purge_them(
    request: ImageRequest, image: ImageFacts
) -> None:
    actions = accepted(replace(request, state="absent"), ImageCurrent(image))
    kinds = [type(action) for action in actions]
    assert kinds in ([], [RemoveImage], [PurgeSnapshots, RemoveImage])
    assert request.purge_snapshots or PurgeSnapshots not in kinds
    left = outcome(actions[:-1], image)
    assert left is not None
    assert not kinds or (left.snapshots, left.hidden_snapshots) == ((), 0)


@values.thorough
@given(values.requests, values.currents)
def test_an_image_goes_only_if_told_so(request: ImageRequest, current: ImageCurrent) -> None:
    kinds = {type(action) for action in accepted(request, current)}
    assert kinds.isdisjoint({PurgeSnapshots, RemoveImage}) or request.state == "absent"
    assert TrashImage not in kinds or request.state == "trashed"


@values.thorough
@given(
    values.requests,
    values.images,
    st.sampled_from(["facts", "former", "trashed"]),
    st.sampled_from(["watched", "mapped"]),
)
def test_nothing_is_taken_from_under_whoever_uses_it(
    request: ImageRequest, image: ImageFacts, place: str, used: str
) -> None:
    busy = replace(image, watchers=(values.SOMEBODY,) if used == "watched" else ())
    current = ImageCurrent(
        facts=busy if place == "facts" else None,
        former=busy if place == "former" else None,
        trashed=(values.in_trash(busy),) if place == "trashed" else (),
        mapped=(support.device(),) if used == "mapped" else (),
    )
    wish = replace(request, renamed_from=values.OLD if place == "former" else None)
    assert not any(isinstance(action, DESTRUCTIVE) for action in accepted(wish, current))


@values.thorough
@given(values.requests, values.currents)
def test_check_mode_excuses_nothing_but_a_mapping_of_this_host(request: ImageRequest, current: ImageCurrent) -> None:
    actions = planned(request, current)
    checked = planned(request, current, check_mode=True)
    assert checked == actions or (actions is None and current.mapped)


@values.quick
@given(values.requests, values.images)
def test_an_image_with_clones_is_never_removed(request: ImageRequest, image: ImageFacts) -> None:
    parent = replace(image, children=(values.CHILD,))
    assert planned(replace(request, state="absent"), ImageCurrent(parent)) is None


@values.thorough
@given(values.requests, values.currents)
def test_an_image_is_made_once_and_never_over_another_one(request: ImageRequest, current: ImageCurrent) -> None:
    actions = accepted(request, current)
    made = [isinstance(action, MakeImage) for action in actions]
    assert made == [request.state == "present" and current.facts is None, *[False] * (len(made) - 1)][: len(made)]


@values.thorough
@given(values.requests, values.currents)
def test_every_action_shows_a_difference_on_a_line_and_can_be_returned(
    request: ImageRequest, current: ImageCurrent
) -> None:
    for action in accepted(request, current):
        before, after = action.before(), action.after()
        assert before != after
        assert "" not in (before, after)
        assert "\n" not in before + after
        result = action.result()
        assert json.loads(json.dumps(result)) == result
        assert result["subject"] == request.name
        assert f"C({result['action']})" in rbd_image.RETURN
