# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Map options: names, values and contradictions as rbd and the kernel see them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import KNOWN, MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_script import mangled

VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "alloc_size": st.sampled_from([512, 4096, "65536"]),
    "compression_hint": st.sampled_from(["none", "compressible", "incompressible"]),
    "crush_location": st.sampled_from(["rack:a", "rack:a|datacenter:b_c.d-e"]),
    "fsid": st.uuids().map(str),
    "ip": st.sampled_from(["10.0.0.1", "10.0.0.1:6789", "fd00::1"]),
    "lock_timeout": st.integers(0, 2147483),
    "mount_timeout": st.integers(0, 2147483),
    "ms_mode": st.sampled_from(["legacy", "crc", "secure", "prefer-crc", "prefer-secure"]),
    "osd_idle_ttl": st.integers(1, 2147483),
    "osd_request_timeout": st.integers(0, 2147483),
    "osdkeepalive": st.integers(1, 2147483),
    "queue_depth": st.integers(1, 2**31 - 1) | st.sampled_from(["1", "0128"]),
    "read_from_replica": st.sampled_from(["no", "balance", "localize"]),
    **dict.fromkeys(["lock_on_read", "exclusive", "notrim", "abort_on_full", "rxbounce"], st.booleans()),
    **dict.fromkeys(["share", "crc", "cephx_require_signatures", "tcp_nodelay"], st.booleans()),
    **dict.fromkeys(["cephx_sign_messages", "rw", "udev"], st.booleans()),
}
dicts = st.fixed_dictionaries({}, optional=dict(VALUES))


def refusal(options: Mapping[str, object]) -> str:
    with pytest.raises(RbdError) as caught:
        MapOptions.from_dict(options)
    return str(caught.value)


def test_the_text_is_in_the_order_of_names_whatever_the_order_given() -> None:
    options = MapOptions.from_dict({"queue_depth": 1024, "lock_on_read": True, "alloc_size": "65536", "notrim": False})
    assert str(options) == "alloc_size=65536,lock_on_read,queue_depth=1024"
    assert options.as_dict() == {"alloc_size": "65536", "lock_on_read": True, "queue_depth": "1024"}
    assert "lock_on_read" in options
    assert "notrim" not in options


@given(dicts.flatmap(lambda options: st.tuples(st.just(options), st.permutations(list(options.items())))))
def test_equal_sets_are_equal_values_in_any_order(pair: tuple[dict[str, object], list[tuple[str, object]]]) -> None:
    one, other = MapOptions.from_dict(pair[0]), MapOptions.from_dict(dict(pair[1]))
    assert (one, hash(one), str(one)) == (other, hash(other), str(other))


@given(dicts)
def test_the_text_is_read_back_by_parse_and_by_read(options: dict[str, object]) -> None:
    found = MapOptions.from_dict(options)
    assert MapOptions.parse(str(found)) == MapOptions.read(str(found)) == found
    assert MapOptions.from_dict(found.as_dict()) == found
    assert bool(found) == bool(str(found))


@given(dicts)
def test_nothing_that_is_accepted_would_be_mangled_by_rbdmap(options: dict[str, object]) -> None:
    assert mangled(str(MapOptions.from_dict(options))) is None


def test_the_names_are_those_of_rbd() -> None:
    off = {"noshare", "nocrc", "nocephx_require_signatures", "notcp_nodelay", "nocephx_sign_messages", "ro", "noudev"}
    assert set(VALUES) | off == KNOWN


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tcp_nodelay": False}, "notcp_nodelay"),
        ({"rw": False}, "ro"),
        ({"udev": False}, "noudev"),
        ({"noshare": False}, ""),
        ({"notrim": False}, ""),
        ({"share": False, "noshare": True}, "noshare"),
        ({"queue_depth": "0128"}, "queue_depth=128"),
        ({"fsid": "B1A7D1F8-0000-4000-8000-000000000001"}, "fsid=b1a7d1f8-0000-4000-8000-000000000001"),
        ({}, ""),
    ],
)
def test_options_are_written_in_one_canonical_way(options: Mapping[str, object], text: str) -> None:
    assert str(MapOptions.from_dict(options)) == text


def test_an_unknown_name_is_refused_with_the_nearest_and_the_known_ones() -> None:
    assert refusal({"queue_dept": 5}) == (
        "Cannot use the map option 'queue_dept': krbd has no option of that name. "
        f"Did you mean queue_depth? Known are: {', '.join(sorted(KNOWN))}."
    )
    assert "Did you mean" not in refusal({"zzz": 5})


@pytest.mark.parametrize("name", ["secret", "key"])
def test_key_material_is_refused_and_not_repeated(name: str) -> None:
    assert "keyring" in refusal({name: "AQBtopsecret"})
    assert "topsecret" not in refusal({name: "AQBtopsecret"})


@pytest.mark.parametrize("name", ["name", "_pool_ns", "read_only", "read_write"])
def test_what_has_its_own_place_is_refused_with_that_place(name: str) -> None:
    assert "krbd has no option" not in refusal({name: "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_depth", "1K"),
        ("queue_depth", -1),
        ("queue_depth", 0),
        ("queue_depth", 2**31),
        ("queue_depth", "9" * 5000),
        ("queue_depth", 1.5),
        ("queue_depth", True),
        ("queue_depth", None),
        ("queue_depth", ""),
        ("queue_depth", "\u0661"),
        ("queue_depth", [1]),
        ("alloc_size", 256),
        ("alloc_size", 5000),
        ("mount_timeout", 2147484),
        ("osdkeepalive", 0),
        ("osd_idle_ttl", 0),
        ("ms_mode", "none"),
        ("read_from_replica", "yes"),
        ("read_from_replica", False),
        ("compression_hint", "zstd"),
        ("fsid", "1234"),
        ("ip", "example.org"),
        ("ip", "[fd00::1]:6789"),
        ("ip", "10.0.0.1:99999"),
        ("ip", "10.0.0.1:"),
        ("crush_location", "rack"),
        ("crush_location", "rack:\u00e9"),
        ("lock_on_read", "yes"),
        ("lock_on_read", 1),
        ("lock_on_read", None),
    ],
)
def test_a_wrong_value_is_refused_with_what_the_option_takes(name: str, value: object) -> None:
    message = refusal({name: value})
    assert message.startswith(f"Cannot use the map option {name!r}: ")
    assert "It takes " in message or "Give it true or false" in message


@pytest.mark.parametrize("char", list("#'\\*?[ \t\r\n\0"))
def test_a_value_that_rbdmap_would_mangle_is_refused_with_option_and_character(char: str) -> None:
    message = refusal({"crush_location": f"rack:a{char}b"})
    assert "'crush_location'" in message
    assert f"has {char!r}, which rbdmap would not pass on" in message


@pytest.mark.parametrize("pair", [("ro", "rw"), ("share", "noshare"), ("crc", "nocrc"), ("udev", "noudev")])
def test_a_dictionary_must_not_contradict_itself(pair: tuple[str, str]) -> None:
    assert "it contradicts" in refusal(dict.fromkeys(pair, True))


def test_text_is_taken_as_rbd_takes_it() -> None:
    assert str(MapOptions.parse("rw,queue_depth=1,,ro,queue_depth=2,")) == "queue_depth=2,ro"
    assert str(MapOptions.parse("ro=false")) == "ro"
    with pytest.raises(RbdError, match="no option of that name"):
        MapOptions.parse("lock_on_reed")
    with pytest.raises(RbdError, match="it got no value"):
        MapOptions.parse("queue_depth")
    with pytest.raises(RbdError, match="' ro'"):
        MapOptions.parse("queue_depth=1, ro")


@given(st.text())
def test_anybodys_text_can_be_read(text: str) -> None:
    MapOptions.read(text)


def test_reading_keeps_unknown_names_but_no_key() -> None:
    options = MapOptions.read("name=app,key=client.app,secret=AQBsecret,new_option=5,noshare")
    assert str(options) == "key=********,name=app,new_option=5,noshare,secret=********"


def test_later_options_win() -> None:
    one, two = MapOptions.parse("ro,queue_depth=1,notrim"), MapOptions.parse("rw,queue_depth=2")
    assert str(one.merged(two)) == "notrim,queue_depth=2,rw"


def test_the_kernel_is_not_told_of_udev_and_of_the_default() -> None:
    assert str(MapOptions.parse("noudev,rw,queue_depth=1").for_kernel()) == "queue_depth=1"
    assert str(MapOptions.parse("udev,ro").for_kernel()) == "ro"
