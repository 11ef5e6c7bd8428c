# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as data: what changed, the diff and the errors of many items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import (
    ClusterUnavailable,
    ClusterUnprepared,
    ItemErrors,
    ItemFailure,
    RbdError,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._plan import (
    Action,
    EditFile,
    Plan,
    each_item,
    merge_items,
    parse_items,
    plan_items,
    printable,
    printable_tree,
    refuse_repeats,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence


@dataclass(frozen=True)
class Item:
    name: str


@dataclass(frozen=True)
class Toggle(Action):
    kind: ClassVar[str] = "toggle"

    def before(self) -> str:
        return "off"

    def after(self) -> str:
        return "on"


def edit(old: str | None, new: str) -> EditFile:
    return EditFile(None, "/etc/x", old, new, lambda _old: new, lambda text: text.replace("secret", "***"))


def refuse(_index: int, item: Item) -> list[Action]:
    raise RbdError(f"do {item.name}", "it is bad", "Mend it.")


class TestErrors:
    def test_one_sentence_and_its_advice(self) -> None:
        assert str(RbdError("map rbd/a", "it is gone.", "Look.")) == "Cannot map rbd/a: it is gone. Look."
        assert str(RbdError("map rbd/a", " it is gone ")) == "Cannot map rbd/a: it is gone."

    def test_what_is_not_prepared_is_not_available(self) -> None:
        assert issubclass(ClusterUnprepared, ClusterUnavailable)

    def test_of_one_item_is_its_own_message(self) -> None:
        failure = ItemFailure(0, "a", RbdError("do a", "it is bad"))
        assert str(ItemErrors([failure], 1)) == "Cannot do a: it is bad."

    def test_of_many_items_names_the_first_and_counts_the_others(self) -> None:
        failures = [ItemFailure(index, "abc"[index], RbdError("x", "y")) for index in (1, 2)]
        assert str(ItemErrors(failures, 3)) == "Item 1 (b) fails: Cannot x: y. So do 1 more of 3 items."


class TestPlan:
    @given(st.lists(st.sampled_from([Toggle(0, "a"), edit(None, "x"), edit("x", "y")])))
    def test_changed_diff_and_actions_agree(self, actions: list[Action]) -> None:
        plan = Plan(tuple(actions), ("a warning is no change",))
        assert bool(plan) == bool(actions) == bool(plan.diff())

    def test_a_file_is_shown_whole_with_its_secrets_redacted(self) -> None:
        assert Plan((edit("a secret\n", "b secret\n"),)).diff() == [
            {"before_header": "/etc/x", "after_header": "/etc/x", "before": "a ***\n", "after": "b ***\n"}
        ]

    def test_a_repr_shows_no_content(self) -> None:
        action = edit("old secret\n", "new secret\n")
        assert "secret" not in repr(action)
        assert "secret" not in repr(Plan((action,)))

    def test_a_file_that_is_missing_is_shown_as_absent(self) -> None:
        (shown,) = Plan((edit(None, "new\n"),)).diff()
        assert (shown["before_header"], shown["before"]) == ("/etc/x (absent)", "")

    def test_what_is_live_is_shown_together(self) -> None:
        assert Plan((Toggle(0, "a"), edit("x", "y"), Toggle(1, "b"))).diff()[1:] == [
            {"before": "a: off\nb: off\n", "after": "a: on\nb: on\n"}
        ]

    def test_an_action_is_returned_by_kind_and_subject(self) -> None:
        assert Toggle(0, "a").result() == {"action": "toggle", "subject": "a"}

    @given(st.binary())
    def test_any_file_can_be_shown(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "surrogateescape")
        (shown,) = Plan((edit(text, text + "x"),)).diff()
        shown["after"].encode("utf-8")
        shown["before"].encode("utf-8")
        assert printable_tree({"a": [text, 1, None]}) == {"a": [printable(text), 1, None]}

    def test_a_file_whose_name_is_no_text_can_be_shown(self) -> None:
        (shown,) = Plan((replace(edit(None, "new\n"), subject="/etc/\udcff"),)).diff()
        assert (shown["before_header"], shown["after_header"]) == ("/etc/\\xff (absent)", "/etc/\\xff")


class TestEachItem:
    ITEMS = (Item("a"), Item("b"), Item("c"))

    def test_results_in_order(self) -> None:
        assert each_item(self.ITEMS, lambda item: item.name, lambda index, item: f"{index}{item.name}") == [
            "0a",
            "1b",
            "2c",
        ]

    def test_every_failing_item_is_reported_with_its_index(self) -> None:
        def plan_one(index: int, item: Item) -> list[Action]:
            return [Toggle(index, item.name)] if index == 1 else refuse(index, item)

        with pytest.raises(ItemErrors) as refused:
            plan_items(self.ITEMS, plan_one)
        assert [failure.result() for failure in refused.value.failures] == [
            {"index": 0, "item": "a", "msg": "Cannot do a: it is bad. Mend it."},
            {"index": 2, "item": "c", "msg": "Cannot do c: it is bad. Mend it."},
        ]

    @pytest.mark.parametrize("kind", [ClusterUnavailable, ClusterUnprepared])
    def test_a_cluster_that_is_away_is_told_at_once(self, kind: type[RbdError]) -> None:
        seen = []

        def ask(index: int, _item: Item) -> None:
            seen.append(index)
            raise kind("reach it", "it is away")

        with pytest.raises(kind):
            each_item(self.ITEMS, lambda item: item.name, ask)
        assert seen == [0]

    def test_another_error_is_not_hidden(self) -> None:
        with pytest.raises(ZeroDivisionError):
            each_item(self.ITEMS, lambda item: item.name, lambda index, _item: 1 // index)

    @given(st.lists(st.sampled_from("abc").map(Item)))
    def test_a_name_that_comes_twice_is_refused(self, items: list[Item]) -> None:
        if len(set(items)) == len(items):
            refuse_repeats(items)
            return
        with pytest.raises(ItemErrors) as refused:
            refuse_repeats(items)
        (failure,) = refused.value.failures
        first = items.index(items[failure.index])
        assert (failure.item, first < failure.index) == (items[failure.index].name, True)
        assert len(set(items[: failure.index])) == failure.index
        assert f"item {first} of the same list names it already" in str(failure.error)
        assert is_sentence(failure.error)


class TestMergeItems:
    OPTIONS = ("image", "size", "flag")

    def test_a_single_item_is_a_list_of_one(self) -> None:
        params: dict[str, Any] = {"image": "a", "size": "1G", "flag": False, "images": None, "user": "x"}
        assert merge_items(params, "images", self.OPTIONS) == [{"image": "a", "size": "1G", "flag": False}]

    def test_an_items_own_value_wins_even_if_it_is_false(self) -> None:
        items = [{"image": "a", "size": None, "flag": False}, {"image": "b", "size": "2G", "flag": None}]
        params: dict[str, Any] = {"image": None, "size": "1G", "flag": True, "images": items}
        assert merge_items(params, "images", self.OPTIONS) == [
            {"image": "a", "size": "1G", "flag": False},
            {"image": "b", "size": "2G", "flag": True},
        ]

    def test_an_empty_list_asks_for_nothing(self) -> None:
        assert merge_items({"images": [], "size": "1G"}, "images", self.OPTIONS) == []

    def test_two_spellings_of_one_name_are_one_name(self) -> None:
        params: dict[str, Any] = {"images": [{"image": "a"}, {"image": "rbd/a"}]}
        with pytest.raises(RbdError, match=r"item 0 .* names it already"):
            parse_items(params, "images", ("image",), lambda item: Item(item["image"].rpartition("/")[2]))

    def test_items_that_cannot_be_read_are_all_reported(self) -> None:
        def parse(item: dict[str, Any]) -> Item:
            raise RbdError(f"read {item['image']}", "it is bad")

        params: dict[str, Any] = {"images": [{"image": "a"}, {"image": "b"}]}
        with pytest.raises(ItemErrors) as refused:
            parse_items(params, "images", ("image",), parse)
        assert [failure.item for failure in refused.value.failures] == ["a", "b"]
