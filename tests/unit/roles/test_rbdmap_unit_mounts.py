# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbdmap.service mounts beside the shipped rbdmap script, and what it makes of hooks."""

from __future__ import annotations

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._luks_hook import MARK
from ansible_collections.cephclient.rbd.tests.unit.roles.boot_program import Unit


class TestWhatRbdmapLeaves:
    def test_an_image_that_is_mapped_and_not_mounted_is_mounted(self, unit: Unit) -> None:
        unit.map_by_hand("p/a")
        fstab = unit.place / "fstab"
        fstab.write_text(f"{unit.place}/devices/p/a /srv/a\\040b\\011 ext4 noauto,_netdev 0 0\n", encoding="utf-8")
        assert unit.run("p/a\n") == 0
        assert unit.calls == ["mount /srv/a b\t"]

    @pytest.mark.parametrize(
        "line", ["{device} /srv/a ext4 _netdev", "#{device} /srv/a ext4 noauto", "/dev/x /srv/a e noauto"]
    )
    def test_what_is_not_its_to_mount_is_left(self, unit: Unit, line: str) -> None:
        unit.map_by_hand("p/a")
        text = line.format(device=unit.place / "devices/p/a")
        (unit.place / "fstab").write_text(text + "\n", encoding="utf-8")
        assert unit.run("p/a\n") == 0
        assert unit.calls == []

    def test_what_is_mounted_is_left(self, unit: Unit) -> None:
        unit.map_by_hand("p/a")
        device = unit.place / "devices/p/a"
        (unit.place / "fstab").write_text(f"{device} /srv/a ext4 noauto\n", encoding="utf-8")
        (unit.place / "mounts").write_text(f"28 1 8:1 / /mnt rw - ext4 {device} rw\n", encoding="utf-8")
        assert unit.run("p/a\n") == 0
        assert unit.calls == []

    def test_a_mount_that_fails_is_told_and_tried_again(self, unit: Unit, capfd: pytest.CaptureFixture[str]) -> None:
        unit.map_by_hand("p/a")
        fstab = unit.place / "fstab"
        fstab.write_text(f"{unit.place}/devices/p/a /srv/sick ext4 noauto\n", encoding="utf-8")
        assert unit.run("p/a\n") == 1
        said = capfd.readouterr().err
        assert "mount: wrong fs type." in said
        assert "Cannot mount p/a: mount has failed with 32" in said

    def test_after_a_mount_that_hangs_none_is_begun(
        self, unit: Unit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(unit.module, "STEP", 1)
        unit.map_by_hand("p/a")
        unit.map_by_hand("p/b")
        unit.declare({"p/a": "/srv/hangs-a", "p/b": "/srv/hangs-b"})
        assert unit.run("p/a\np/b\n") == 1
        assert unit.calls == ["mount /srv/hangs-a"]
        assert "Cannot mount p/a, and what comes after it: mount /srv/hangs-a has taken more" in capfd.readouterr().err


class TestHooks:
    @staticmethod
    def hook(unit: Unit, mark: str, code: int = 0) -> None:
        hook = unit.place / "hooks/p/a"
        hook.parent.mkdir(parents=True)
        text = f'#!/bin/sh\n{mark}\necho "hook $*" >> "$PLACE/calls"\nexit {code}\n'
        hook.write_text(text, encoding="utf-8")
        hook.chmod(0o755)

    @pytest.mark.parametrize(("mark", "runs"), [(MARK, 1), ("# another hook", 0)])
    def test_only_one_that_may_be_run_twice_is_run_again(self, unit: Unit, mark: str, runs: int) -> None:
        unit.map_by_hand("p/a")
        self.hook(unit, mark)
        assert unit.run("p/a\n") == 0
        assert unit.calls == [f"hook map {unit.place}/devices/p/a"] * runs

    @pytest.mark.parametrize("mapped", [True, False])
    def test_an_image_whose_hook_fails_is_not_in_place(
        self, unit: Unit, capfd: pytest.CaptureFixture[str], *, mapped: bool
    ) -> None:
        if mapped:
            unit.map_by_hand("p/a")
        self.hook(unit, MARK, code=1)
        assert unit.run("p/a\n") == 1
        assert f"Cannot mount p/a: its hook {unit.place}/hooks/p/a has failed with 1" in capfd.readouterr().err
