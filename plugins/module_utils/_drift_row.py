# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One disagreement, in words for people and in keys for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# What mends a disagreement.
RUN, REMAP, UNMOUNT, FSCK, HAND, WAIT = REPAIRS = ("run", "remap", "unmount", "fsck", "hand", "wait")

# Every kind of disagreement about something that is declared, and what mends it.
KINDS: Mapping[str, str] = {
    "cluster_unknown": WAIT,
    "image_unknown": WAIT,
    "image_missing": HAND,
    "image_smaller": RUN,
    "image_larger": HAND,
    "not_in_rbdmap": RUN,
    "rbdmap_line_differs": RUN,
    "rbdmap_line_ineffective": RUN,
    "rbdmap_line_repeated": RUN,
    "not_mapped": RUN,
    "mapped_twice": HAND,
    "mapped_from_another_cluster": HAND,
    "mapping_is_another_image": HAND,
    "mapping_user": REMAP,
    "mapping_read_only": REMAP,
    "mapping_options": REMAP,
    "mapping_size": HAND,
    "not_in_fstab": RUN,
    "fstab_line_differs": RUN,
    "fstab_line_elsewhere": HAND,
    "fstab_line_ineffective": RUN,
    "fstab_line_repeated": RUN,
    "not_mounted": RUN,
    "mounted_elsewhere": HAND,
    "mount_covered": HAND,
    "mount_options": RUN,
    "mount_options_of_old": UNMOUNT,
    "mount_error": FSCK,
    "mount_fstype": HAND,
    "left_mounted": RUN,
    "left_in_fstab": RUN,
    "left_mapped": RUN,
    "left_in_rbdmap": RUN,
    "service_disabled": RUN,
    "service_inactive": RUN,
    "service_retrying": WAIT,
}


@dataclass(frozen=True)
class Row:
    """One disagreement.

    :ivar image: the image-spec, or None for one that concerns the whole host.
    :ivar kind: one of :data:`KINDS`.
    :ivar cause: a clause for people.
    :ivar repair: one of :data:`REPAIRS`.
    :ivar steps: commands that mend it, where a run does not.
    """

    image: str | None
    kind: str
    cause: str
    expected: str
    actual: str
    repair: str
    steps: tuple[str, ...] = ()

    def result(self) -> dict[str, Any]:
        """The row as the module returns it."""
        return {
            "image": self.image,
            "kind": self.kind,
            "cause": self.cause,
            "expected": self.expected,
            "actual": self.actual,
            "repair": self.repair,
            "steps": list(self.steps),
        }

    def by(self, repair: str) -> Row:
        """The row with another repair than is usual for its kind."""
        return replace(self, repair=repair)

    def undeclared(self) -> Row:
        """The row for what nobody has declared: no run mends that, since only a person knows which side is right."""
        return self.by(HAND) if self.repair == RUN else self


def row(
    image: object, kind: str, cause: str, expected: object = "", actual: object = "", steps: Sequence[str] = ()
) -> Row:
    """A row with the repair of its kind."""
    name = None if image is None else str(image)
    return Row(name, kind, cause, str(expected), str(actual), KINDS[kind], tuple(steps))
