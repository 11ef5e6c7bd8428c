# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live mapping as the kernel shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._crypt_device import CryptDevice
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._krbd_device import mapped_as, mounts_of, parse_devno
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import (
    APP,
    OTHER_FSID,
    btrfs,
    device,
    mount,
    root_mount,
)


def test_path() -> None:
    assert device(number=12).path == "/dev/rbd12"


@pytest.mark.parametrize(
    ("config", "user", "options"),
    [
        ("10.0.0.1:6789 name=app,key=client.app rbd data -", "app", ("name=app", "key=client.app")),
        (
            "10.0.0.1:3300,10.0.0.2:3300 name=app,key=client.app,ms_mode=prefer-crc rbd data -",
            "app",
            ("name=app", "key=client.app", "ms_mode=prefer-crc"),
        ),
        ("10.0.0.1:6789 ro,queue_depth=64 rbd data -", None, ("ro", "queue_depth=64")),
        ("", None, ()),
    ],
)
def test_user_and_options_as_the_kernel_shows_them(config: str, user: str | None, options: tuple[str, ...]) -> None:
    mapping = replace(device(), config=config)
    assert (mapping.user, mapping.options) == (user, options)


@given(st.text())
def test_whatever_the_kernel_shows_is_taken_apart(config: str) -> None:
    mapping = replace(device(), config=config)
    assert mapping.user is None or f"name={mapping.user}" in mapping.options


def test_mapped_as_takes_pool_namespace_image_and_snapshot_into_account() -> None:
    others = [
        device(ImageSpec("rbd2", "", "app"), 1),
        device(ImageSpec("rbd", "team", "app"), 2),
        device(ImageSpec("rbd", "", "app", "snap"), 3),
        device(ImageSpec("rbd", "", "app2"), 4),
    ]
    own = [device(number=5), device(number=6, fsid=OTHER_FSID)]
    assert mapped_as([*others, *own], APP) == tuple(own)


@given(st.integers(0, 2**20), st.integers(0, 2**20))
def test_devno(major: int, minor: int) -> None:
    assert parse_devno(f"{major}:{minor}\n") == (major, minor)


@pytest.mark.parametrize("text", ["", "252", "252:", ":0", "252:0:1", "-1:0", "a:b"])
def test_what_is_no_devno(text: str) -> None:
    with pytest.raises(ValueError, match="not a device number"):
        parse_devno(text)


class TestMountsOf:
    def test_by_the_number_of_the_device_wherever_it_is_mounted(self) -> None:
        table = (root_mount(), mount("/a"), mount("/b", (252, 16)), mount("/c"))
        assert [held.path for held in mounts_of(device(), table)] == ["/a", "/c"]

    def test_btrfs_by_its_source(self) -> None:
        by_link = replace(btrfs("/b"), source="/dev/rbd/rbd/app")
        other = replace(btrfs("/c"), source="/dev/rbd00")
        assert mounts_of(device(), (btrfs("/a"), by_link, other)) == (btrfs("/a"), by_link)

    def test_what_merely_calls_itself_the_device_is_another_mount(self) -> None:
        named = replace(mount("/a", (0, 50)), fstype="tmpfs", source="/dev/rbd0")
        assert mounts_of(device(), (named,)) == ()

    def test_the_mounts_of_what_is_opened_on_it(self) -> None:
        encrypted = replace(device(), crypts=(CryptDevice("rbd-rbd-app", (253, 4), 1 << 20),))
        opened, other = mount("/a", (253, 4)), mount("/b", (253, 5))
        by_name = replace(btrfs("/c"), source="/dev/mapper/rbd-rbd-app")
        assert mounts_of(encrypted, (opened, other, by_name)) == (opened, by_name)
        assert mounts_of(device(), (opened, other, by_name)) == ()
