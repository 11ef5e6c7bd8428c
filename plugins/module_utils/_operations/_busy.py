# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses to take away what is in use, before anything is done and in the instant of doing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Callable

from .. import _holders
from .._errors import ItemErrors, ItemFailure, RbdError
from .._mapping import UnmapImage
from .._mount import Unmount
from .._plan import Named
from .._system.holders import Holders
from ._warnings import Warnings


class Busy:
    """Looks for whoever uses what a plan would take away: once for all the steps of a plan."""

    def __init__(self, holders: Holders, warnings: Warnings, check_mode: bool) -> None:
        self._holders = holders
        self._warnings = warnings
        self._check_mode = check_mode

    def refuse_unmounts(self, steps: Sequence[Unmount], requests: Sequence[Named]) -> None:
        """Refuse the plan if any of the file systems is in use.

        :raises ItemErrors: with the holders of each.
        """
        _refuse(self._held_mounts(steps), requests)

    def refuse_unmaps(self, steps: Sequence[UnmapImage], requests: Sequence[Named]) -> None:
        """Refuse the plan if any of the devices is in use.

        :raises ItemErrors: with the holders of each.
        """
        _refuse(self._held_devices(steps), requests)

    def unmount(self, step: Unmount, do: Callable[[], None]) -> None:
        """Unmount, and if that fails tell who has begun to use it since the plan was made."""
        try:
            do()
        except RbdError as error:
            for _step, refusal in self._held_mounts([step]):
                raise refusal from error
            raise

    def unmap(self, step: UnmapImage, do: Callable[[], None]) -> None:
        """Unmap, and if that fails tell who has begun to use it since the plan was made."""
        try:
            do()
        except RbdError as error:
            for _step, refusal in self._held_devices([step]):
                raise refusal from error
            raise

    def _held_mounts(self, steps: Sequence[Unmount]) -> list[tuple[Unmount, RbdError]]:
        if not steps:
            return []
        around = self._holders.surroundings()
        going = [step.mount for step in steps]
        along = [other for mount in going for other in _holders.along_with(mount, around)]
        handles = self._holders.handles([*going, *along], ())
        self._warn(around.unseen + handles.unseen)
        found = ((step, _holders.holders_of_mount(step.mount, going, around, handles)) for step in steps)
        return [
            (step, _holders.refusal(f"unmount {step.spec} from {step.subject}", held)) for step, held in found if held
        ]

    def _held_devices(self, steps: Sequence[UnmapImage]) -> list[tuple[UnmapImage, RbdError]]:
        if not steps:
            return []
        around = self._holders.surroundings()
        stacks = [_holders.devices_on(step.device, around) for step in steps]
        handles = self._holders.handles((), {block.devno for stack in stacks for block in stack})
        self._warn(around.unseen + handles.unseen)
        found = ((step, _holders.holders_of_device(step.device, around, handles, self._check_mode)) for step in steps)
        return [
            (step, _holders.refusal(f"unmap {step.subject} ({step.device.path})", held)) for step, held in found if held
        ]

    def _warn(self, unseen: int) -> None:
        if unseen:
            self._warnings.add(
                [f"{unseen} processes could not be looked into; whether they use what is to go is not known."]
            )


def _refuse(held: Iterable[tuple[Unmount | UnmapImage, RbdError]], requests: Sequence[Named]) -> None:
    """One failure for each item, whatever the number of its steps."""
    errors: dict[int, RbdError] = {}
    for step, error in held:
        errors.setdefault(step.index or 0, error)
    if errors:
        failures = [ItemFailure(index, requests[index].name, error) for index, error in sorted(errors.items())]
        raise ItemErrors(failures, len(requests))
