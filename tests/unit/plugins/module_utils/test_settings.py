# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overrides and metadata as a user writes them, and what has to change for them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._settings import SettingsWish, parse_settings
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.image_values import quick
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

names = st.sampled_from("abcde")
texts = st.sampled_from(["", "1", "true", "a b"]) | st.text(max_size=3)
wishes = st.builds(SettingsWish, st.dictionaries(names, st.none() | texts), st.booleans())
actuals = st.dictionaries(names, texts)


def applied(actual: dict[str, str], changes: dict[str, tuple[str | None, str | None]]) -> dict[str, str]:
    after = {name: new for name, (_old, new) in changes.items()}
    return {name: value for name, value in {**actual, **after}.items() if value is not None}


class TestChanges:
    @quick
    @given(wishes, actuals)
    def test_applied_give_the_wish_and_leave_the_rest_alone(self, wish: SettingsWish, actual: dict[str, str]) -> None:
        after = applied(actual, wish.changes(actual))
        wished = {name: value for name, value in wish.values.items() if value is not None}
        rest = {} if wish.purge else {name: value for name, value in actual.items() if name not in wish.values}
        assert after == {**rest, **wished}
        assert wish.changes(after) == {}

    @quick
    @given(wishes, actuals)
    def test_tell_what_was_and_are_all_changes(self, wish: SettingsWish, actual: dict[str, str]) -> None:
        changes = wish.changes(actual)
        assert list(changes) == sorted(changes)
        assert all(old == actual.get(name) and old != new for name, (old, new) in changes.items())


class TestParse:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (True, "true"),
            (False, "false"),
            (1, "1"),
            (0, "0"),
            (1.5, "1.5"),
            ("a", "a"),
            ("True", "True"),
            (None, None),
        ],
    )
    def test_values_become_what_librbd_takes(self, value: Any, text: str | None) -> None:
        wish = parse_settings("config", {"rbd_cache": value}, purge=False)
        assert wish == SettingsWish({"rbd_cache": text})

    def test_nothing_is_wished_if_nothing_is_given(self) -> None:
        assert parse_settings("config", None, purge=False) is None

    @pytest.mark.parametrize("given_settings", [None, {}])
    def test_a_purge_alone_removes_everything(self, given_settings: dict[str, Any] | None) -> None:
        wish = parse_settings("metadata", given_settings, purge=True)
        assert wish is not None
        assert wish.changes({"a": "1"}) == {"a": ("1", None)}

    @pytest.mark.parametrize("value", [[], {}, ["a"], {"a": "b"}])
    def test_a_list_or_a_dictionary_is_refused(self, value: Any) -> None:
        with pytest.raises(RbdError, match=r"^Cannot set the config rbd_cache: its value is a list or a dictionary\."):
            parse_settings("config", {"rbd_cache": value}, purge=False)

    @pytest.mark.parametrize("kind", ["config", "metadata"])
    def test_an_empty_value_is_refused_since_the_bindings_cannot_read_it(self, kind: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot set the {kind} owner: its value is empty"):
            parse_settings(kind, {"owner": ""}, purge=False)

    @pytest.mark.parametrize("kind", ["config", "metadata"])
    def test_a_name_is_needed(self, kind: str) -> None:
        with pytest.raises(RbdError, match=f"^Cannot set {kind}: a name is empty"):
            parse_settings(kind, {"": "1"}, purge=False)

    def test_overrides_do_not_come_in_as_metadata(self) -> None:
        with pytest.raises(RbdError, match=r"Set it as config: rbd_cache\.$"):
            parse_settings("metadata", {"conf_rbd_cache": True}, purge=False)

    @quick
    @given(
        st.sampled_from(["config", "metadata"]),
        st.none()
        | st.dictionaries(
            st.sampled_from(["a", "b", "", "conf_"]) | st.just("conf_a"),
            st.none() | st.lists(st.none(), max_size=1) | st.booleans() | st.text(),
        ),
        st.booleans(),
    )
    def test_any_settings_are_read_or_refused(self, kind: str, values: dict[str, Any] | None, purge: bool) -> None:
        wish = outcome(lambda: parse_settings(kind, values, purge))
        if isinstance(wish, RbdError):
            assert is_sentence(wish)
        else:
            assert (wish is None) == (values is None and not purge)
            assert wish is None or set(wish.values) == set(values or {})
