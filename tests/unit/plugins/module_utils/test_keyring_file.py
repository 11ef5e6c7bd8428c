# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring codec: one user's key is set, everything else stays, and no message shows a key."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._keyring_file import KeyringFile, require_key
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY, is_sentence, outcome

OTHER_KEY = base64.b64encode(b"\x01\0" + bytes(8) + b"\x10\0" + bytes(16)).decode()
USERS = ("app", "admin", "a-b.c")
LINES = [
    "[client.app]\n",
    "[client.admin] ; mine\n",
    "\tkey = " + OTHER_KEY + "\n",
    "key=" + OTHER_KEY + "\r\n",
    '\tcaps mon = "profile rbd"\n',
    "# [client.app]\n",
    "\n",
    "rubbish\n",
    "[client.a-b.c]",
    "key =",
]
texts = st.lists(st.sampled_from(LINES), max_size=8).map("".join) | st.text(max_size=40)
users = st.sampled_from(USERS)


@given(texts)
def test_a_keyring_that_is_not_edited_is_the_same(text: str) -> None:
    assert KeyringFile.decode(text).encode() == text


@given(texts, users)
def test_the_key_that_was_set_is_found_in_what_is_written(text: str, user: str) -> None:
    written = KeyringFile.decode(text).set(user, CANARY).encode()
    again = KeyringFile.decode(written)
    assert again.key(user) == CANARY
    assert again.set(user, CANARY) is again


@given(texts, users)
def test_no_other_user_notices(text: str, user: str) -> None:
    before = KeyringFile.decode(text)
    after = KeyringFile.decode(before.set(user, CANARY).encode())
    assert [after.key(other) for other in USERS if other != user] == [
        before.key(other) for other in USERS if other != user
    ]


@given(texts, users)
def test_at_most_one_line_goes_and_two_come(text: str, user: str) -> None:
    before = [line.rstrip("\r\n") for line in KeyringFile.decode(text).lines]
    after = [line.rstrip("\r\n") for line in KeyringFile.decode(text).set(user, CANARY).lines]
    gone = list(before)
    for line in after:
        if line in gone:
            gone.remove(line)
    assert len(gone) <= 1
    assert len(after) - len(before) <= 2


def test_a_new_user_comes_last() -> None:
    keyring = KeyringFile.decode("[client.admin]\n\tkey = x").set("app", CANARY)
    assert keyring.encode() == f"[client.admin]\n\tkey = x\n[client.app]\n\tkey = {CANARY}\n"
    assert keyring.users() == ("client.admin", "client.app")


def test_capabilities_of_the_user_stay() -> None:
    text = f'[client.app]\n\tkey = {OTHER_KEY}\n\tcaps mon = "profile rbd"\n'
    assert KeyringFile.decode(text).set("app", CANARY).encode() == text.replace(OTHER_KEY, CANARY)


def test_a_name_is_not_the_beginning_of_another() -> None:
    assert KeyringFile.decode(f"[client.app2]\nkey = {CANARY}\n").key("app") is None


def test_a_key_comes_without_the_white_space_around_it() -> None:
    assert require_key(f"  {CANARY}\n", "app") == CANARY


@given(st.binary(min_size=1, max_size=64), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
def test_every_cephx_key_is_taken(secret: bytes, kind: int, created: int) -> None:
    raw = kind.to_bytes(2, "little") + created.to_bytes(4, "little") + bytes(4) + len(secret).to_bytes(2, "little")
    key = base64.b64encode(raw + secret).decode()
    assert require_key(key, "app") == key


@given(st.text() | st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()))
def test_a_text_is_a_key_or_refused_without_being_shown(text: str) -> None:
    answer = outcome(lambda: require_key(text, "app"))
    if isinstance(answer, RbdError):
        assert is_sentence(answer)
        assert len(text.strip()) < 8 or text.strip() not in str(answer)
    else:
        assert answer == text.strip()


@pytest.mark.parametrize(
    "key", [CANARY[:-4], CANARY[4:], CANARY + "AAAA", f"key = {CANARY}", CANARY.replace("A", "é"), ""]
)
def test_what_is_cut_or_pasted_wrongly_is_refused(key: str) -> None:
    with pytest.raises(RbdError) as refused:
        require_key(key, "app")
    assert CANARY[:-4] not in str(refused.value)
    assert refused.value.__cause__ is None


def test_its_repr_shows_no_key() -> None:
    keyring = KeyringFile.decode(f"[client.app]\nkey = {CANARY}\n")
    assert CANARY not in repr(keyring)
    assert CANARY not in f"{keyring} {keyring.set('app', OTHER_KEY)!r}"
