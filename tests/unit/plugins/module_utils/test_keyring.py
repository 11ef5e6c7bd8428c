# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of keyrings: the key is placed, privately, and never shown."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._keyring import (
    KeyringRequest,
    MakePrivate,
    SetKey,
    exposure,
    key_from,
    plan_keyring,
    plan_new_key,
    require_user,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._keyring_file import KeyringFile
from ansible_collections.cephclient.rbd.plugins.module_utils._ownership import Ownership, PathFacts
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import Plan
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY, is_sentence, outcome

PATH = "/etc/ceph/ceph.client.app.keyring"
PRIVATE = Ownership(0, 0, 0o600)
HELD = f"[client.app]\n\tkey = {CANARY}\n"


def place(ownership: Ownership = PRIVATE) -> PathFacts:
    return PathFacts(PATH, "other", False, ownership)


ABSENT = PathFacts(PATH, "absent", True, Ownership())
GIVEN = KeyringRequest(PATH, "app", CANARY)
ASKED = KeyringRequest(PATH, "app", None)

requests = st.builds(
    KeyringRequest, st.just(PATH), st.sampled_from(["app", "other"]), st.sampled_from([CANARY, None, "x"])
)
texts = st.none() | st.sampled_from(["", HELD, "[client.app]\n", "[client.app]\nkey = old\n", "rubbish"])
ownerships = st.builds(
    Ownership, st.sampled_from([0, 64045]), st.sampled_from([0, 64045]), st.sampled_from([0o600, 0o640, 0o644])
)


@given(requests, texts, ownerships)
def test_a_request_is_planned_or_refused_and_is_done_after_one_run(
    request_: KeyringRequest, text: str | None, ownership: Ownership
) -> None:
    path = ABSENT if text is None else place(ownership)
    actions = outcome(lambda: plan_keyring(request_, text, path))
    if isinstance(actions, RbdError):
        assert is_sentence(actions)
        return
    for action in actions:
        if isinstance(action, MakePrivate):
            path = place(PRIVATE)
        else:
            assert isinstance(action, SetKey)
            assert path in (ABSENT, place(PRIVATE)), "the key would enter a file that others can read"
            text, path = KeyringFile.decode(text or "").set(action.user, action.key).encode(), place(PRIVATE)
    assert plan_keyring(request_, text, path) == []


@given(requests, texts, ownerships)
def test_the_key_is_never_shown(request_: KeyringRequest, text: str | None, ownership: Ownership) -> None:
    actions = outcome(lambda: plan_keyring(request_, text, ABSENT if text is None else place(ownership)))
    assert CANARY not in repr(request_)
    assert CANARY not in repr(actions)
    assert CANARY not in str(actions)
    if isinstance(actions, list):
        plan = Plan(tuple(actions))
        assert CANARY not in repr(plan)
        assert CANARY not in str(plan.diff())
        assert CANARY not in str([action.result() for action in actions])


def test_a_file_that_others_can_read_is_made_private_before_the_key_enters_it() -> None:
    actions = plan_keyring(GIVEN, "", place(Ownership(0, 0, 0o644)))
    assert [action.kind for action in actions] == ["make_private", "set_key"]
    assert [action.before() for action in actions] == ["owner 0, group 0, mode 0644", "no key for client.app"]


def test_another_key_is_replaced_and_the_diff_says_so() -> None:
    (action,) = plan_keyring(GIVEN, HELD.replace(CANARY, "old"), place())
    assert (action.before(), action.after()) == ("another key for client.app", "the key given for client.app")


@pytest.mark.parametrize(
    ("text", "path", "cause"),
    [(None, ABSENT, "there is no such file"), ("[client.else]\n", place(), "it has no key for client.app")],
)
def test_a_key_that_is_not_given_must_be_there(text: str | None, path: PathFacts, cause: str) -> None:
    with pytest.raises(RbdError, match=f"^Cannot use the keyring {PATH}: {cause}"):
        plan_keyring(ASKED, text, path)


def test_a_keyring_that_is_only_asked_for_is_left_alone() -> None:
    assert plan_keyring(ASKED, HELD, place(Ownership(64045, 64045, 0o644))) == []


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_warning_if_others_can_read_it(mode: int, warned: bool) -> None:
    assert bool(exposure(ASKED, place(Ownership(0, 0, mode)))) == warned


def test_a_file_that_is_not_there_is_not_exposed() -> None:
    assert exposure(ASKED, ABSENT) is None


def test_the_key_out_of_a_keyrings_text() -> None:
    assert key_from(HELD, "app") == CANARY


@pytest.mark.parametrize("content", [HELD, CANARY, f"key = {CANARY}", f"[client.app2]\nkey = {CANARY}"])
def test_a_text_without_the_users_key_is_refused_without_being_shown(content: str) -> None:
    with pytest.raises(RbdError) as refused:
        key_from(content, "other")
    assert is_sentence(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "user", ["", "a]b", "[app", "a\nb", "a\rb", "a b", "a\tb", "a\0b", "a\u2028b", "app]\nkey = x\n["]
)
def test_a_user_that_would_not_stay_within_its_header_is_refused(user: str) -> None:
    with pytest.raises(RbdError) as refused:
        require_user(user)
    assert is_sentence(refused.value)


@given(st.text(max_size=12))
def test_the_key_of_every_user_that_is_taken_is_found_again(user: str) -> None:
    if outcome(lambda: require_user(user)) is not None:
        return
    keyring = KeyringFile.decode(KeyringFile.decode(HELD).set(user, "new").encode())
    assert keyring.key(user) == "new"
    assert keyring.users() in (("client.app",), ("client.app", f"client.{user}"))


@pytest.mark.parametrize("text", [None, "", HELD, "[client.other]\nkey = theirs\n"])
@pytest.mark.parametrize("ownership", [PRIVATE, Ownership(0, 0, 0o644)])
def test_the_key_of_a_user_who_is_yet_to_be_created_enters_a_private_file(
    text: str | None, ownership: Ownership
) -> None:
    actions = plan_new_key(ASKED, text, ABSENT if text is None else place(ownership))
    exposed = text is not None and ownership != PRIVATE
    assert [action.kind for action in actions] == [*(["make_private"] if exposed else []), "set_key"]
    held = "another key" if text == HELD else "no key"
    assert (actions[-1].before(), actions[-1].after()) == (f"{held} for client.app", "the new key of client.app")
