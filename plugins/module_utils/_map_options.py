# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map options of the kernel RBD client, as ``rbd device map -o`` takes them.

The names are those of rbd(8), "Kernel rbd (krbd) options", and of parse_map_options() in ceph's
src/tools/rbd/action/Kernel.cc; they are the same in Ceph 16.2, 18.2 and 20.2 (osd_request_timeout is
in the code only). Ranges are those of the kernel: ceph_parse_param() in net/ceph/ceph_common.c and
rbd_parse_param() in drivers/block/rbd.c.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ._errors import RbdError
from ._rbdmap_script import mangled

_INT_MAX = 2**31 - 1
_SECONDS = _INT_MAX // 1000  # the kernel computes milliseconds in an int
_HIDDEN = "********"

# A check returns the canonical text of a value, or None for a wrong one.
_Check = Callable[[str], "str | None"]


@dataclass(frozen=True)
class _Valued:
    """An option with a value: its check, and in words what it takes."""

    check: _Check
    takes: str


def _number(low: int, high: int) -> _Valued:
    def check(text: str) -> str | None:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            return None
        return str(int(text))

    return _Valued(check, f"a whole number from {low} to {high}")


def _choice(*words: str) -> _Valued:
    return _Valued(lambda text: text if text in words else None, f"one of {', '.join(words)}")


def _alloc_size(text: str) -> str | None:
    canonical = _number(512, _INT_MAX).check(text)
    return canonical if canonical and int(canonical) & (int(canonical) - 1) == 0 else None


def _ip(text: str) -> str | None:
    address, colon, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return text if not colon or (re.fullmatch(r"[0-9]{1,5}", port) and int(port) < 2**16) else None


def _uuid(text: str) -> str | None:
    """The canonical text is what rbd's stringify(uuid_d) passes on."""
    return text.lower() if re.fullmatch(r"(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", text) else None


def _pattern(pattern: str, takes: str) -> _Valued:
    return _Valued(lambda text: text if re.fullmatch(pattern, text) else None, takes)


_VALUED: Mapping[str, _Valued] = {
    "alloc_size": _Valued(_alloc_size, "a number of bytes, a power of two from 512"),
    "compression_hint": _choice("none", "compressible", "incompressible"),
    "crush_location": _pattern(
        r"(?a:[\w.-]+:[\w.-]+(\|[\w.-]+:[\w.-]+)*)",
        "pairs as in rack:myrack|datacenter:mydc, of letters, digits and . _ -",
    ),
    "fsid": _Valued(_uuid, "a UUID"),
    # Not [address]:port for IPv6: brackets are a file name pattern to rbdmap's shell.
    "ip": _Valued(_ip, "an IPv4 address with or without :port, or an IPv6 address without brackets"),
    "lock_timeout": _number(0, _SECONDS),
    "mount_timeout": _number(0, _SECONDS),
    "ms_mode": _choice("legacy", "crc", "secure", "prefer-crc", "prefer-secure"),
    "osd_idle_ttl": _number(1, _SECONDS),
    "osd_request_timeout": _number(0, _SECONDS),
    "osdkeepalive": _number(1, _SECONDS),
    "queue_depth": _number(1, _INT_MAX),
    "read_from_replica": _choice("no", "balance", "localize"),
}

# Flags that are on unless their opposite is given. rbd keeps both spellings of such a pair in one
# slot, named after the first, where the last one given wins.
_OPPOSITES: Mapping[str, str] = {
    "share": "noshare",
    "crc": "nocrc",
    "cephx_require_signatures": "nocephx_require_signatures",
    "tcp_nodelay": "notcp_nodelay",
    "cephx_sign_messages": "nocephx_sign_messages",
    "rw": "ro",
    "udev": "noudev",
}
_SLOTS: Mapping[str, str] = {off: on for on, off in _OPPOSITES.items()}
_SWITCHES = frozenset({"lock_on_read", "exclusive", "notrim", "abort_on_full", "rxbounce"})

_FLAGS = frozenset(_OPPOSITES) | frozenset(_SLOTS) | _SWITCHES
KNOWN = frozenset(_VALUED) | _FLAGS

# What the rbd command adds for itself, or what would put key material into a file and a process list.
_NOT_HERE: Mapping[str, str] = {
    "secret": "key material belongs in a keyring: name the file by the keyring option",
    "key": "key material belongs in a keyring: name the file by the keyring option",
    "name": "the cephx user is named by the user option",
    "_pool_ns": "the namespace belongs in the image-spec",
    "read_only": "its name is ro, or use the read_only option",
    "read_write": "its name is rw",
}


@dataclass(frozen=True)
class MapOptions:
    """A set of map options, in canonical order, so that equal sets are equal values.

    Build it by :meth:`from_dict`, :meth:`parse` or :meth:`read`.

    :ivar items: name and value, the value None for a flag, sorted by name.
    """

    items: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def from_dict(cls, options: Mapping[str, object]) -> MapOptions:
        """Take a user's dictionary.

        A flag takes a boolean. False turns a flag off: one that is on by default by its opposite
        (``tcp_nodelay: false`` is ``notcp_nodelay``), any other by being left out.

        :raises RbdError: an unknown name, a wrong value, key material, or two options that contradict.
        """
        found: dict[str, tuple[str, str | None]] = {}
        for name, value in options.items():
            item = _checked(name, value)
            if item is None:
                continue
            slot = _SLOTS.get(item[0], item[0])
            if found.setdefault(slot, item) != item:
                raise _refusal(item[0], f"it contradicts {found[slot][0]}", "Leave one of the two out.")
        return cls(tuple(sorted(found.values(), key=_by_name)))

    @classmethod
    def parse(cls, text: str) -> MapOptions:
        """Take the text of ``rbd device map -o``; as there, the last of contradicting options wins.

        :raises RbdError: as for :meth:`from_dict`.
        """
        checked = (_checked(name, True if value is None else value) for name, value in _split(text))
        return cls._last_of_each(item for item in checked if item is not None)

    @classmethod
    def read(cls, text: str) -> MapOptions:
        """Take what somebody else wrote, or what the kernel shows, with unknown names as they are.

        Key material is not kept. Never raises.
        """
        return cls._last_of_each(
            (name, _HIDDEN if name in ("key", "secret") and value is not None else value)
            for name, value in _split(text)
        )

    @classmethod
    def _last_of_each(cls, items: Iterable[tuple[str, str | None]]) -> MapOptions:
        slots = {_SLOTS.get(name, name): (name, value) for name, value in items}
        return cls(tuple(sorted(slots.values(), key=_by_name)))

    def __str__(self) -> str:
        return ",".join(name if value is None else f"{name}={value}" for name, value in self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __contains__(self, name: object) -> bool:
        return any(name == known for known, _value in self.items)

    def as_dict(self) -> dict[str, str | bool]:
        """The options as a result shows them: flags are true."""
        return {name: True if value is None else value for name, value in self.items}

    def merged(self, later: MapOptions) -> MapOptions:
        """These options and those of ``later``, which win, as rbd does with a second ``-o``."""
        return self._last_of_each((*self.items, *later.items))

    def for_kernel(self) -> MapOptions:
        """What rbd passes on: it waits for udev itself, and leaves out ``rw``, the default."""
        return MapOptions(tuple(item for item in self.items if item[0] not in ("udev", "noudev", "rw")))


def _by_name(item: tuple[str, str | None]) -> str:
    return item[0]


def _split(text: str) -> Iterable[tuple[str, str | None]]:
    for word in text.split(","):
        name, equals, value = word.partition("=")
        if word:
            # rbd ignores the value of a flag: ro=false is ro.
            yield name, value if equals and name not in _FLAGS else None


def _refusal(name: str, cause: str, advice: str) -> RbdError:
    return RbdError(f"use the map option {name!r}", cause, advice)


def _checked(name: str, value: object) -> tuple[str, str | None] | None:
    """The option as it is written, or None for a flag that is left out."""
    if name in _NOT_HERE:
        raise _refusal(name, _NOT_HERE[name], "Take it out of the map options.")
    if name in _VALUED:
        return name, _checked_value(name, value)
    if name not in KNOWN:
        near = difflib.get_close_matches(name, sorted(KNOWN), n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise _refusal(name, "krbd has no option of that name", f"{hint}Known are: {', '.join(sorted(KNOWN))}.")
    if not isinstance(value, bool):
        raise _refusal(name, f"it is a flag, and {value!r} is not a boolean", "Give it true or false.")
    if value:
        return name, None
    return (_OPPOSITES[name], None) if name in _OPPOSITES else None


def _checked_value(name: str, value: object) -> str:
    takes = _VALUED[name].takes
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        shown = "no value" if value is None or value is True else repr(value)
        raise _refusal(name, f"it got {shown}", f"It takes {takes}.")
    text = str(value)
    bad = mangled(text)
    if bad is not None:
        raise _refusal(name, f"its value has {bad!r}, which rbdmap would not pass on as it is", f"It takes {takes}.")
    canonical = _VALUED[name].check(text)
    if canonical is None:
        raise _refusal(name, f"its value {text!r} is wrong", f"It takes {takes}.")
    return canonical
