# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what is declared of a mapping with the image, its line in the rbdmap file, and the kernel."""

from __future__ import annotations

from collections.abc import Iterable

from ._drift_host import Answer, Declared, Found, Host, release
from ._drift_row import RUN, Row, row
from ._krbd_device import KrbdDevice, mapped_as
from ._live_options import lacking_options, surplus_options
from ._map_options import MapOptions
from ._rbdmap_file import RbdmapEntry
from ._size import format_size

# Maps and mounts what is not mapped, as at boot.
MAP_ANEW = "systemctl reload rbdmap"

# The parameters of a line that the modules write; others keep what they are only until the next run.
_OWN_PARAMETERS = {"id", "user", "name", "keyring", "options", "read-only", "cluster", "conf", "exclusive"}


def mapping_rows(host: Host, declared: Declared, found: Found) -> Iterable[Row]:
    """The disagreements about the image itself, its line in rbdmap and its mapping."""
    answer = host.answers.get(declared.name)
    if answer is not None:
        yield from _image_rows(declared, found, answer)
    yield from _line_rows(declared, found)
    yield from _presence_rows(host, declared, found)
    yield from _identity_rows(host, found, answer)
    for device in found.devices[:1]:
        yield from _live_rows(host, declared, found, device)
        yield from _size_rows(found, device, answer)


def _image_rows(declared: Declared, found: Found, answer: Answer) -> Iterable[Row]:
    if answer.refusal is not None:
        yield row(declared.spec, "image_unknown", f"the cluster could not tell: {answer.refusal}")
    elif answer.facts is None:
        if not found.devices:
            missing = row(declared.spec, "image_missing", "the cluster has no image of this name", "exists", "missing")
            # With a size, a run creates it.
            yield missing if declared.size is None else missing.by(RUN)
    elif declared.size is not None and declared.spec.snap is None and answer.facts.size != declared.size:
        smaller = answer.facts.size < declared.size
        kind, words = ("image_smaller", "smaller") if smaller else ("image_larger", "larger")
        sizes = format_size(declared.size), format_size(answer.facts.size)
        yield row(declared.spec, kind, f"the image has {sizes[1]}, which is {words} than declared", *sizes)


def _line_rows(declared: Declared, found: Found) -> Iterable[Row]:
    for line in found.lines[:1]:
        if line.fault is not None:
            cause = f"line {line.number} of rbdmap does not do what it seems to: {line.fault}"
            yield row(found.spec, "rbdmap_line_ineffective", cause)
        elif line.entry is not None:
            yield from _differing_rows(declared, line.entry, line.number)
    if len(found.lines) > 1:
        numbers = ", ".join(str(line.number) for line in found.lines[1:])
        cause = f"rbdmap has more lines for it (line {found.lines[0].number}, and {numbers})"
        yield row(found.spec, "rbdmap_line_repeated", cause, 1, len(found.lines))


def _differing_rows(declared: Declared, line: RbdmapEntry, number: int) -> Iterable[Row]:
    """Each parameter in which the line differs from what is declared."""
    aspects = (
        ("user", declared.user, line.user or "admin"),
        ("keyring", declared.keyring, line.keyring),
        ("map options", _text(declared.options), str(line.options)),
        ("read_only", _text(declared.read_only), _text(line.read_only)),
        ("shared", _text(declared.shared), _text(line.shared)),
    )
    for name, expected, actual in aspects:
        if expected is not None and expected != actual:
            cause = f"line {number} of rbdmap has {name} {actual or '(none)'} instead of {expected or '(none)'}"
            yield row(declared.spec, "rbdmap_line_differs", cause, expected, actual or "")
    more = sorted({name for name, _value in line.parameters} - _OWN_PARAMETERS)
    if declared.user is not None and more:
        cause = f"line {number} of rbdmap has parameters that nobody has declared ({', '.join(more)})"
        yield row(declared.spec, "rbdmap_line_differs", cause, "", ",".join(more))


def _text(value: MapOptions | bool | None) -> str | None:
    """What is declared, as a row shows it; map options as the kernel gets them."""
    if isinstance(value, MapOptions):
        return str(value)
    return None if value is None else str(value).lower()


def _presence_rows(host: Host, declared: Declared, found: Found) -> Iterable[Row]:
    if not found.lines and found.devices:
        cause = f"{found.devices[0].path} is mapped, but rbdmap has no line for it: it will not be mapped at boot"
        yield row(found.spec, "not_in_rbdmap", cause, "a line", "none")
    elif not found.lines:
        yield row(found.spec, "not_in_rbdmap", "rbdmap has no line for it", "a line", "none")
    if not found.devices and (found.lines or declared.known):
        line = f"rbdmap has a line for it (line {found.lines[0].number}), but " if found.lines else ""
        yield row(found.spec, "not_mapped", f"{line}it is not mapped", "mapped", "not mapped")
    if len(found.devices) > 1:
        paths = ", ".join(device.path for device in found.devices)
        unused = [device for device in found.devices if len(release(device, host)) == 1][: len(found.devices) - 1]
        steps = [step for device in unused for step in release(device, host)]
        yield row(found.spec, "mapped_twice", f"it is mapped more than once: {paths}", 1, len(found.devices), steps)


def _identity_rows(host: Host, found: Found, answer: Answer | None) -> Iterable[Row]:
    for device in mapped_as(host.devices, found.spec):
        if device not in found.devices:
            cause = f"{device.path} is an image of the same name in another cluster ({device.fsid})"
            steps = release(device, host)
            yield row(found.spec, "mapped_from_another_cluster", cause, host.fsid, device.fsid, steps)
    if answer is None or answer.refusal is not None:
        return
    now = answer.facts.image_id if answer.facts else None
    for device in found.devices:
        if device.image_id != now:
            cause = (
                f"{device.path} is another image that had this name when it was mapped (image id {device.image_id}): "
                + (f"the image of this name has {now}" if now else "no image has this name now")
            )
            steps = (*release(device, host), *([MAP_ANEW] if now else []))
            yield row(found.spec, "mapping_is_another_image", cause, now or "", device.image_id, steps)


def _live_rows(host: Host, declared: Declared, found: Found, device: KrbdDevice) -> Iterable[Row]:
    """In what the mapping differs from what the next one will be: the declaration, or else the line."""
    steps = (*release(device, host), MAP_ANEW)
    line = found.line
    user = declared.user or (line.user or "admin" if line else None)
    if user is not None and device.user not in (None, user):
        cause = f"{device.path} was mapped by client.{device.user}, not client.{user}"
        yield row(found.spec, "mapping_user", cause, user, device.user, steps)
    read_only = declared.read_only if declared.read_only is not None else line.read_only if line else device.read_only
    if (read_only or found.spec.snap is not None) != device.read_only:
        cause = f"{device.path} is {'' if device.read_only else 'not '}mapped read-only"
        yield row(found.spec, "mapping_read_only", cause, _text(not device.read_only), _text(device.read_only), steps)
    options = declared.options if declared.options is not None else line.options if line else None
    if options is not None:
        yield from _option_rows(found, device, options, steps)


def _option_rows(found: Found, device: KrbdDevice, options: MapOptions, steps: tuple[str, ...]) -> Iterable[Row]:
    lacking, surplus = lacking_options(options, device), surplus_options(options, device)
    if lacking:
        cause = f"{device.path} lacks the options {','.join(lacking)}"
        yield row(found.spec, "mapping_options", cause, ",".join(lacking), ",".join(device.options), steps)
    if surplus:
        cause = f"{device.path} has the options {','.join(surplus)}, which nobody has declared"
        yield row(found.spec, "mapping_options", cause, "", ",".join(surplus), steps)


def _size_rows(found: Found, device: KrbdDevice, answer: Answer | None) -> Iterable[Row]:
    """The kernel follows a resize by itself, unless it has lost its watch on the image."""
    if answer is None or answer.facts is None or found.spec.snap is not None:
        return
    if device.image_id == answer.facts.image_id and device.size != answer.facts.size:
        sizes = format_size(answer.facts.size), format_size(device.size)
        cause = f"{device.path} has {sizes[1]}, but the image {sizes[0]}"
        steps = [f"echo 1 > /sys/bus/rbd/devices/{device.number}/refresh"]
        yield row(found.spec, "mapping_size", cause, *sizes, steps)
