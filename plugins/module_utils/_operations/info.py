# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbd_info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .. import _module, _plan
from .._errors import ClusterUnprepared, RbdError
from .._image_report import ImageReport, TrashEntry, Wish
from .._image_spec import ImageSpec
from .._system.image_reader import ImageReader
from .._system.parallel import in_parallel
from ._warnings import Warnings


@dataclass(frozen=True)
class _Named:
    """An image that the user names."""

    spec: ImageSpec

    @property
    def name(self) -> str:
        return str(self.spec)


class InfoOperation:
    """Tells everything about images: those that are named, or all of a pool. Changes nothing."""

    def __init__(self, module: AnsibleModule, reader: ImageReader, options: dict[str, Any]) -> None:
        self._module = module
        self._reader = reader
        self._options = options
        self._wish = Wish(module.params["usage"], module.params["children"])
        self._images: list[ImageReport] = []
        self._trash: list[TrashEntry] = []

    def plan(self) -> _plan.Plan:
        """Nothing, since this operation only reads; it does so here."""
        warnings = Warnings(self._module.check_mode)
        try:
            if self._module.params["pool"] is None:
                self._read_named()
            else:
                self._read_pool(warnings)
        except ClusterUnprepared as error:
            warnings.excuse_unprepared(error)
        return _plan.Plan(warnings=warnings.all())

    def handlers(self) -> _module.Handlers:
        """None."""
        return {}

    def report(self) -> dict[str, Any]:
        """The images, and the trash of a pool."""
        return {
            "images": [image.result() for image in self._images],
            "trash": [entry.result() for entry in self._trash],
        }

    def _read_named(self) -> None:
        """Read what the user named. An image that does not exist is an answer, one that cannot be read a failure."""
        requests = _plan.parse_items(self._module.params, "images", self._options, _parse)
        specs = [request.spec for request in requests]
        self._images = [ImageReport(spec, None) for spec in specs]
        found = self._look(specs)
        self._images = _plan.each_item(found, lambda report: str(report.spec), lambda _index, report: _readable(report))

    def _read_pool(self, warnings: Warnings) -> None:
        """Read what is there. One image that cannot be read does not keep the others from being told."""
        places = self._places()
        specs = [spec for place in places for spec in self._reader.images(place)]
        self._trash = [entry for place in places for entry in self._reader.trash(place)]
        self._images = [report for report in self._look(specs) if report.details or report.error]
        errors = [str(report.error) for report in self._images if report.error]
        if errors:
            warnings.add([f"{len(errors)} of {len(self._images)} images could not be read, the first: {errors[0]}"])

    def _places(self) -> list[ImageSpec]:
        params = self._module.params
        namespaces = [params["namespace"] or ""]
        if params["all_namespaces"]:
            namespaces += self._reader.namespaces(params["pool"])
        return [ImageSpec(params["pool"], namespace, "") for namespace in namespaces]

    def _look(self, specs: Sequence[ImageSpec]) -> list[ImageReport]:
        """Read several images at a time, over one connection."""
        found = in_parallel(specs, lambda spec: self._reader.read(spec, self._wish))
        missing = {spec for spec, outcome in zip(specs, found) if outcome is None}
        broken = {spec for place in _places_of(missing) for spec in self._reader.images(place)} & missing
        return [
            ImageReport(spec, None, outcome)
            if isinstance(outcome, RbdError)
            else ImageReport(spec, outcome, _half_removed(spec) if spec in broken else None)
            for spec, outcome in zip(specs, found)
        ]


def _parse(item: dict[str, Any]) -> _Named:
    spec = ImageSpec.parse(item["image"])
    if spec.snap is not None:
        raise RbdError(
            f"tell about {spec}",
            "it is a snapshot, and those are told with their image",
            "Leave out the part from the @ on.",
        )
    return _Named(spec)


def _readable(report: ImageReport) -> ImageReport:
    if report.error is not None:
        raise report.error
    return report


def _places_of(specs: set[ImageSpec]) -> set[ImageSpec]:
    return {ImageSpec(spec.pool, spec.namespace, "") for spec in specs}


def _half_removed(spec: ImageSpec) -> RbdError:
    """Librbd takes an image out of its pool's list last."""
    return RbdError(
        f"look at {spec}",
        "its pool lists it, but librbd cannot open it, or an ancestor of it",
        f"It is being removed, or an earlier removal was interrupted: repeat that with 'rbd rm {spec}'.",
    )
