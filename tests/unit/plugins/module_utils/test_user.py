# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of cephx users: exactly the capabilities that are declared, and no key anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils import _user
from ansible_collections.cephclient.rbd.plugins.module_utils._capabilities import Access, capabilities
from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Action, Plan
from ansible_collections.cephclient.rbd.plugins.module_utils._user import (
    UserFacts,
    UserRequest,
    missing_place,
    parse_user,
    plan_user,
    refuse_missing,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY, is_sentence, outcome

RBD = Access("rbd")
BLUE = Access("rbd", "blue", "rbd-read-only")

requests = st.builds(
    UserRequest,
    st.just("app"),
    st.sampled_from(["present", "absent"]),
    st.sampled_from([(RBD,), (BLUE,), (RBD, BLUE)]),
)
held = st.none() | st.sampled_from(
    [{}, {"mon": "allow *"}, capabilities([RBD]), {**capabilities([RBD]), "mds": "allow *"}]
).map(lambda caps: UserFacts(caps, CANARY))


def item(**given_: Any) -> dict[str, Any]:
    place = {"pool": "rbd", "namespace": None, "profile": "rbd"}
    return {"name": "app", "state": "present", "pools": [place], "keyring_file": None, **given_}


def after(facts: UserFacts | None, action: Action) -> UserFacts | None:
    if isinstance(action, _user.RemoveUser):
        assert facts is not None
        return None
    if isinstance(action, _user.CreateUser):
        assert facts is None
    assert isinstance(action, (_user.CreateUser, _user.SetCapabilities))
    return UserFacts(action.capabilities, CANARY)


@given(requests, held)
def test_a_request_is_done_after_one_run(request_: UserRequest, facts: UserFacts | None) -> None:
    for action in plan_user(0, request_, facts):
        facts = after(facts, action)
    assert plan_user(0, request_, facts) == []
    assert (facts is not None) == (request_.state == "present")
    if facts is not None:
        assert facts.capabilities == capabilities(request_.accesses)


@given(requests, held)
def test_the_key_is_never_shown_and_the_capabilities_are(request_: UserRequest, facts: UserFacts | None) -> None:
    plan = Plan(tuple(plan_user(0, request_, facts)))
    assert CANARY not in f"{facts!r} {plan!r} {plan.diff()} {[action.result() for action in plan.actions]}"
    if plan and facts is not None:
        assert all(text in plan.diff()[0]["before"] for text in facts.capabilities.values())


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"name": "client.app"}, "Write app."),
        ({"name": "admin"}, "the cluster itself needs"),
        ({"name": "bootstrap-osd"}, "the cluster itself needs"),
        ({"name": "keeper"}, "it is the one that this module connects as"),
        ({"name": "a b"}, "a keyring cannot hold such a name"),
        ({"name": "a/b"}, "has a slash"),
        ({"name": ""}, "a keyring cannot hold such a name"),
        ({"pools": None}, "no pool is given"),
        ({"pools": []}, "no pool is given"),
        (
            {"pools": [{"pool": "a", "namespace": "n", "profile": profile} for profile in ("rbd", "rbd-read-only")]},
            "a/n is given twice",
        ),
        ({"pools": [{"pool": "a/b", "namespace": None, "profile": "rbd"}]}, "Cannot use the pool 'a/b'"),
        ({"pools": [{"pool": "a", "namespace": "*", "profile": "rbd"}]}, "an asterisk"),
        ({"pools": [{"pool": "a", "namespace": "", "profile": "rbd"}]}, "the name is empty"),
    ],
)
def test_every_bad_request_has_its_own_sentence(given_: dict[str, Any], said: str) -> None:
    refused = outcome(lambda: parse_user(item(**given_), "keeper"))
    assert isinstance(refused, RbdError)
    assert said in str(refused)
    assert is_sentence(refused)


def test_a_user_is_removed_without_naming_its_pools() -> None:
    assert parse_user(item(state="absent", pools=None), "keeper") == UserRequest("app", "absent")


@pytest.mark.parametrize(
    ("namespaces", "missing"),
    [
        ({"rbd": ("blue",)}, None),
        ({"rbd": ()}, "namespace rbd/blue"),
        ({"rbd": None}, "pool rbd"),
    ],
)
def test_the_first_place_that_is_missing_is_named(
    namespaces: dict[str, tuple[str, ...] | None], missing: str | None
) -> None:
    request = UserRequest("app", accesses=(RBD, BLUE))
    assert missing_place(request, namespaces) == missing
    assert is_sentence(refuse_missing(request, str(missing)))
