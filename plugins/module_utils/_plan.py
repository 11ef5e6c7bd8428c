# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what is going to be done, as data.

``changed``, the diff, the list of actions and the prediction of check mode all come from the same
plan, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Protocol, TypeVar

from ._errors import ClusterUnavailable, ItemErrors, ItemFailure, RbdError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Named(Protocol):
    """A request that the user can tell from others."""

    @property
    def name(self) -> str:
        """What identifies it, for example its image-spec."""


_Named = TypeVar("_Named", bound=Named)


@dataclass(frozen=True)
class Action:
    """One step of a plan. A subclass names its kind and says what it changes.

    :ivar index: position of the item in the request that asked for it; None for a step that
        serves several items, such as the edit of a file.
    :ivar subject: the object that is changed: an image-spec or a path.
    """

    kind: ClassVar[str] = ""

    index: int | None
    subject: str

    def before(self) -> str:
        """The subject's state as it is, for the diff."""
        return ""

    def after(self) -> str:
        """The subject's state as it will be, for the diff."""
        return ""

    def result(self) -> dict[str, Any]:
        """The action as the module returns it."""
        return {"action": self.kind, "subject": self.subject}


@dataclass(frozen=True, repr=False)
class EditFile(Action):
    """Replace the content of a configuration file, which may hold somebody's secret: its repr shows nothing.

    :ivar old: the content that was read, or None for a file that does not exist.
    :ivar new: the content that it will have.
    :ivar edit: makes new content from old; applied again to what the file holds in the instant
        of writing, so that another writer's change between reading and writing is not lost.
    :ivar redact: takes secrets out of a content before it is shown.
    """

    kind: ClassVar[str] = "edit_file"

    old: str | None
    new: str
    edit: Callable[[str], str]
    redact: Callable[[str], str]

    def before(self) -> str:
        return self.redact(self.old or "")

    def after(self) -> str:
        return self.redact(self.new)


@dataclass(frozen=True, repr=False)
class RemoveFile(EditFile):
    """Remove a file; what was in it is shown as for an edit."""

    kind: ClassVar[str] = "remove_file"

    @classmethod
    def of(cls, subject: str, old: str) -> RemoveFile:
        """The removal of a file that holds no secret and serves no single item."""
        return cls(None, subject, old, "", lambda _text: "", str)


@dataclass(frozen=True)
class Plan:
    """Everything that one module call will do, in order."""

    actions: tuple[Action, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions)

    def diff(self) -> list[dict[str, str]]:
        """The differences in the form that Ansible's ``--diff`` prints: one for each file, one for the rest."""
        shown = [
            {
                "before_header": printable(action.subject) + ("" if action.old is not None else " (absent)"),
                "after_header": printable(action.subject) + (" (absent)" if isinstance(action, RemoveFile) else ""),
                "before": printable(action.before()),
                "after": printable(action.after()),
            }
            for action in self.actions
            if isinstance(action, EditFile)
        ]
        live = [action for action in self.actions if not isinstance(action, EditFile)]
        if live:
            before = "".join(f"{action.subject}: {action.before()}\n" for action in live)
            after = "".join(f"{action.subject}: {action.after()}\n" for action in live)
            shown.append({"before": printable(before), "after": printable(after)})
        return shown


def printable(text: str) -> str:
    r"""Undecodable bytes (surrogates) as ``\\xNN``: JSON and the terminal take no surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable_tree(value: Any) -> Any:
    """:func:`printable` for every text in a structure of dicts and lists."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: printable_tree(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [printable_tree(inner) for inner in value]
    return value


def each_item(
    items: Sequence[_Item], name: Callable[[_Item], str], do: Callable[[int, _Item], _Result]
) -> list[_Result]:
    """Do something pure with every item, so that all their errors are reported at once and before anything is done.

    :param name: what identifies an item to the user.
    :raises ItemErrors: at least one item fails.
    :raises ClusterUnavailable: at once, since every further item would wait for the same answer.
    """
    results: list[_Result] = []
    failures: list[ItemFailure] = []
    for index, item in enumerate(items):
        try:
            results.append(do(index, item))
        except ClusterUnavailable:
            raise
        except RbdError as error:
            failures.append(ItemFailure(index, name(item), error))
    if failures:
        raise ItemErrors(failures, len(items))
    return results


def plan_items(items: Sequence[_Named], plan_one: Callable[[int, _Named], Iterable[Action]]) -> list[Action]:
    """The steps of every item, in the order of the items; errors as for :func:`each_item`."""
    steps = each_item(items, lambda item: item.name, lambda index, item: tuple(plan_one(index, item)))
    return [action for actions in steps for action in actions]


def refuse_repeats(items: Sequence[_Named]) -> None:
    """Refuse a request that names the same thing twice: its items could contradict each other.

    :raises ItemErrors: two items have the same ``name``.
    """
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        if item.name in seen:
            error = RbdError(
                f"take {item.name} twice",
                f"item {seen[item.name]} of the same list names it already",
                "Name it once.",
            )
            raise ItemErrors([ItemFailure(index, item.name, error)], len(items))
        seen[item.name] = index


def merge_items(params: Mapping[str, Any], list_name: str, options: Iterable[str]) -> list[dict[str, Any]]:
    """The items of a bulk request: a single one is a list of one.

    An item's own value wins over the option at the top level, and so over that option's default.

    :param params: the module's parameters.
    :param list_name: name of the list option, for example ``images``.
    :param options: names of the options that an item takes.
    """
    names = tuple(options)
    given = params.get(list_name)
    items: list[dict[str, Any]] = [{}] if given is None else given
    return [{name: params.get(name) if item.get(name) is None else item[name] for name in names} for item in items]


def parse_items(
    params: Mapping[str, Any],
    list_name: str,
    options: Iterable[str],
    parse: Callable[[dict[str, Any]], _Named],
    key: str = "image",
) -> list[_Named]:
    """The requests of a call, each named once.

    :param parse: makes a request from an item's options.
    :param key: the option that identifies an item that cannot be understood.
    :raises ItemErrors: an item cannot be understood, or is named twice.
    """
    merged = merge_items(params, list_name, options)
    requests = each_item(merged, lambda item: str(item[key]), lambda _index, item: parse(item))
    refuse_repeats(requests)
    return requests
