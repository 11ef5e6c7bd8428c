# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of pools: ready after one run, never of another application, never emptied by the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils import _pool
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action
from ansible_collections.cephclient.rbd.plugins.module_utils._pool import (
    PoolCurrent,
    PoolFacts,
    PoolMap,
    plan_pool,
    refuse_unknown,
    warnings,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_content import Content
from ansible_collections.cephclient.rbd.plugins.module_utils._pool_request import PoolRequest, parse_pool
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fake_monitors import (
    DEFAULTS,
    PROFILES,
    RULES,
    pool,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

NOTHING = {
    "pool": "app",
    "state": "present",
    "type": None,
    "size": None,
    "min_size": None,
    "pg_num": None,
    "pg_autoscale_mode": None,
    "crush_rule": None,
    "erasure_code_profile": None,
    "delete_data": False,
}

settings = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(1, 4),
        # At most the size that a new pool has by default; more of it the monitors refuse.
        "min_size": st.integers(1, 3),
        "crush_rule": st.sampled_from(["replicated_rule", "ssd"]),
        "pg_autoscale_mode": st.sampled_from(["on", "off", "warn"]),
        "pg_num": st.sampled_from([16, 32]),
    },
)
types = st.sampled_from(["replicated", "erasure"])
wishes = st.builds(
    lambda some, **top: {**NOTHING, **some, **top},
    settings,
    state=st.sampled_from(["present", "absent"]),
    type=st.none() | types,
    erasure_code_profile=st.none() | st.just("wide"),
    delete_data=st.booleans(),
)
# What has been refused before a plan is made is tested by itself.
requests = wishes.map(lambda wish: outcome(lambda: parse_pool(wish))).filter(lambda made: isinstance(made, PoolRequest))
contents = st.builds(
    Content,
    images=st.lists(st.sampled_from(["a", "ns/b"]), max_size=2, unique=True).map(tuple),
    other=st.none() | st.just("object"),
)
currents = st.builds(
    PoolCurrent,
    facts=st.none()
    | st.builds(
        PoolFacts,
        pool_type=types,
        settings=settings.map(lambda some: {**DEFAULTS, **some}).filter(lambda all_: all_["min_size"] <= all_["size"]),
        profile=st.none() | st.just("wide"),
        applications=st.sampled_from([(), ("rbd",), ("cephfs",), ("cephfs", "rbd")]),
        overwrites=st.booleans(),
        undeletable=st.booleans(),
    ),
    initialised=st.booleans(),
    content=contents,
    in_use=st.just(()) | st.just(("a",)),
)


def parsed(**given_: Any) -> PoolRequest:
    return parse_pool({**NOTHING, **given_})


def after(current: PoolCurrent, action: Action) -> PoolCurrent:
    """What the cluster would say after a step."""
    if isinstance(action, _pool.CreatePool):
        new = PoolFacts(action.pool_type, {**DEFAULTS, **action.settings}, action.profile)
        return PoolCurrent(new)
    if isinstance(action, _pool.RemovePool):
        return PoolCurrent(None)
    if isinstance(action, _pool.InitPool):
        return replace(current, initialised=True)
    assert current.facts is not None
    facts = current.facts
    if isinstance(action, _pool.SetPool):
        assert action.old in (None, facts.settings[action.setting])
        changed = {**facts.settings, action.setting: action.new}
        if action.setting == "size":
            changed["min_size"] = min(int(changed["min_size"]), int(action.new))
        assert int(changed["min_size"]) <= int(changed["size"]), "the monitors would refuse it"
        return replace(current, facts=replace(facts, settings=changed))
    if isinstance(action, _pool.TagPool):
        assert not facts.applications, "the monitors would refuse it"
        return replace(current, facts=replace(facts, applications=("rbd",)))
    assert isinstance(action, _pool.AllowOverwrites)
    assert facts.pool_type == "erasure"
    return replace(current, facts=replace(facts, overwrites=True))


def test_a_smaller_size_has_lowered_min_size_already() -> None:
    facts = pool(settings={**DEFAULTS, "size": 3, "min_size": 2})
    steps = _pool.corrections(0, parsed(size=1, min_size=1), facts)
    assert [(step.setting, step.old, step.new) for step in steps] == [("size", 3, 1)]


@given(requests, currents)
def test_a_request_is_planned_or_refused_and_is_done_after_one_run(request_: PoolRequest, current: PoolCurrent) -> None:
    actions = outcome(lambda: plan_pool(0, request_, current))
    if isinstance(actions, RbdError):
        assert is_sentence(actions)
        return
    for action in actions:
        current = after(current, action)
    assert plan_pool(0, request_, current) == []
    if request_.state == "present":
        assert current.facts is not None
        assert "rbd" in current.facts.applications
        assert current.facts.overwrites if current.facts.pool_type == "erasure" else current.initialised


@given(requests, currents)
def test_nothing_of_another_application_and_nothing_that_is_held_is_ever_removed(
    request_: PoolRequest, current: PoolCurrent
) -> None:
    actions = outcome(lambda: plan_pool(0, request_, current))
    if isinstance(actions, list) and any(isinstance(action, _pool.RemovePool) for action in actions):
        assert current.facts is not None
        assert current.facts.applications != ("cephfs",)
        assert not current.in_use
        assert request_.delete_data or not current.content


def test_what_is_not_given_is_left_alone() -> None:
    assert plan_pool(0, parsed(), PoolCurrent(pool(settings={**DEFAULTS, "size": 5}), initialised=True)) == []
    created = plan_pool(0, parsed(), PoolCurrent(None))[0]
    assert isinstance(created, _pool.CreatePool)
    assert created.settings == {}


def test_a_single_copy_is_set_after_the_creation_where_the_monitors_judge_it() -> None:
    actions = plan_pool(0, parsed(size=1, min_size=1), PoolCurrent(None))
    assert [(action.kind, action.after()) for action in actions] == [
        ("create", "replicated"),
        ("set", "size 1"),
        ("set", "min_size 1"),
        ("tag", "application rbd"),
        ("init", "initialised"),
    ]
    assert warnings(actions) == ["Pool app keeps one copy of its data: the loss of a single disk loses it."]
    assert warnings(plan_pool(0, parsed(size=2), PoolCurrent(None))) == []


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"pool": ""}, "the name is empty"),
        ({"pool": "a/b"}, "an image-spec or a capability cannot hold"),
        ({"pool": "a@b"}, "an image-spec or a capability cannot hold"),
        ({"pool": 'a"b'}, "an image-spec or a capability cannot hold"),
        ({"pool": "a\nb"}, "an image-spec or a capability cannot hold"),
        ({"pool": ".mgr"}, "Ceph's own pools"),
        ({"type": "erasure", "size": 3}, "decides it"),
        ({"erasure_code_profile": "wide"}, "is for type erasure"),
        ({"type": "replicated", "erasure_code_profile": "wide"}, "is for type erasure"),
        ({"size": 0}, "size is 0"),
        ({"min_size": 0}, "min_size is 0"),
        ({"pg_num": -1, "pg_autoscale_mode": "off"}, "pg_num is -1"),
        ({"size": 2, "min_size": 3}, "3 is larger than its size 2"),
        ({"pg_num": 8}, "the autoscaler would change pg_num again"),
        ({"pg_num": 8, "pg_autoscale_mode": "on"}, "the autoscaler would change pg_num again"),
    ],
)
def test_every_bad_wish_has_its_own_sentence(wish: dict[str, Any], said: str) -> None:
    refused = outcome(lambda: parsed(**wish))
    assert isinstance(refused, RbdError)
    assert said in str(refused)
    assert is_sentence(refused)


@pytest.mark.parametrize(
    ("wish", "facts", "said"),
    [
        ({"type": "erasure"}, pool(), "it is replicated, and that is fixed"),
        ({"type": "replicated"}, pool(pool_type="erasure", profile="wide"), "it is erasure, and that is fixed"),
        (
            {"type": "erasure", "erasure_code_profile": "default"},
            pool(pool_type="erasure", profile="wide"),
            "it was created with wide",
        ),
        ({"size": 3}, pool(pool_type="erasure", profile="wide"), "(k + m)"),
        ({"min_size": 4}, pool(), "4 is larger than its size 3"),
        ({}, pool(applications=("cephfs",)), "another application (cephfs)"),
        ({"state": "absent"}, pool(applications=("rgw",)), "another application (rgw)"),
        ({"state": "absent", "delete_data": True}, pool(applications=("rgw",)), "another application (rgw)"),
        ({"state": "absent"}, pool(undeletable=True), "ceph osd pool set app nodelete false"),
    ],
)
def test_what_an_existing_pool_cannot_become(wish: dict[str, Any], facts: PoolFacts, said: str) -> None:
    refused = outcome(lambda: plan_pool(0, parsed(**wish), PoolCurrent(facts, initialised=True)))
    assert isinstance(refused, RbdError)
    assert said in str(refused)
    assert is_sentence(refused)


@pytest.mark.parametrize(
    ("wish", "facts", "said"),
    [
        ({"crush_rule": "none"}, None, "does not exist. Those that fit: replicated_rule, ssd."),
        ({"crush_rule": "erasure-code"}, None, "is for another type than replicated"),
        ({"crush_rule": "ssd", "type": "erasure"}, None, "Those that fit: erasure-code."),
        ({"crush_rule": "ssd"}, pool(pool_type="erasure"), "Those that fit: erasure-code."),
        ({"type": "erasure", "erasure_code_profile": "none"}, None, "There are: default, wide."),
    ],
)
def test_a_rule_or_profile_that_is_not_there_is_named_with_those_that_are(
    wish: dict[str, Any], facts: PoolFacts | None, said: str
) -> None:
    cluster = PoolMap({} if facts is None else {"app": facts}, RULES, PROFILES)
    refused = outcome(lambda: refuse_unknown(parsed(**wish), cluster))
    assert isinstance(refused, RbdError)
    assert said in str(refused)
    assert is_sentence(refused)


def test_a_rule_and_a_profile_that_are_there_will_do() -> None:
    cluster = PoolMap({}, RULES, PROFILES)
    refuse_unknown(parsed(crush_rule="ssd"), cluster)
    refuse_unknown(parsed(type="erasure", crush_rule="erasure-code", erasure_code_profile="wide"), cluster)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Content(), "nothing"),
        (Content(images=("a",)), "1 image (a)"),
        (Content(images=("a", "b", "c")), "3 images (a, b, c)"),
        (
            Content(images=("a", "b", "c", "d", "e"), trash=("f", "g")),
            "5 images (a, b, c and 2 more) and 2 images in the trash (f, g)",
        ),
        (Content(groups=("ns/g",)), "1 group (ns/g)"),
        (Content(other="x"), "objects that are no image's, such as x"),
    ],
)
def test_what_a_pool_holds_is_counted_and_some_of_it_named(content: Content, said: str) -> None:
    assert str(content) == said
    assert bool(content) == (said != "nothing")
    current = PoolCurrent(pool(), content=content)
    refused = outcome(lambda: plan_pool(0, parsed(state="absent"), current))
    assert isinstance(refused, RbdError) == bool(content)
    assert str(plan_pool(0, parsed(state="absent", delete_data=True), current)[0].before()).endswith(said)


def test_images_in_use_are_not_taken_away_even_with_the_data() -> None:
    current = PoolCurrent(pool(), content=Content(images=("a", "ns/b")), in_use=("ns/b",))
    refused = outcome(lambda: plan_pool(0, parsed(state="absent", delete_data=True), current))
    assert "somebody has ns/b open" in str(refused)
    assert "rbd status app/ns/b" in str(refused)
