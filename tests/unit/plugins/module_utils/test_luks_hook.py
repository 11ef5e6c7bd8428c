# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook of an encrypted image, run by sh as rbdmap runs it, with small programs in place of the system's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._luks_hook import MARK, hook_path, hook_text, is_ours

SPEC = ImageSpec("data", "team", "app-one")
NAME = "rbd-data-team-app--one"
OPENED = f"/dev/mapper/{NAME}"
HOOK = hook_path(SPEC)

# Each notes its words. The file "below" says on what the image is open, "mounts" has a line for each of its mounts,
# "fstab" is there if fstab has a line for it, and "refuse-<program>" makes that program fail with these words.
STUBS = {
    "cryptsetup": """
        case $1 in
            status) [ ! -f below ] || printf '  type:    LUKS2\\n  device:  %s\\n' "$(cat below)" ;;
            open) for last; do device=$name name=$last; done; printf '%s' "$device" >below ;;
            close) rm below ;;
        esac""",
    "findmnt": """
        case $1 in
            --kernel) [ -s mounts ] ;;
            --fstab) [ -f fstab ] ;;
        esac""",
    "mount": "echo mounted >>mounts",
    "umount": "sed -i 1d mounts",
    "blockdev": "cat read-only",
    "logger": "",
}
QUIET = ("findmnt", "blockdev", "cryptsetup status")


class Host:
    """A directory that the hook and its programs run in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.key_file = place / "key file"
        self.key_file.write_text("secret")
        for name, text in {"read-only": "0\n", "ran": "", "mounts": ""}.items():
            (place / name).write_text(text)
        (place / "bin").mkdir()
        for name, body in STUBS.items():
            stub = place / "bin" / name
            refusal = f"[ ! -f refuse-{name} ] || {{ cat refuse-{name} >&2; exit 1; }}"
            stub.write_text(f'#!/bin/sh\necho "{name} $*" >>ran\n{refusal}\n{body}\n')
            stub.chmod(0o755)
        for device in ("rbd0", "rbd1"):
            (place / device).touch()
        (place / "link").symlink_to(place / "rbd0")
        self.link = str(place / "link")

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.place / name.replace("_", "-")).write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the hook and forget what ran before."""
        self.put(ran="", hook=hook_text(SPEC, str(self.key_file)))
        environment = {"PATH": f"{self.place}/bin:/usr/bin:/bin"}
        command = ["sh", str(self.place / "hook"), *words]
        return subprocess.run(
            command, cwd=self.place, env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    @property
    def ran(self) -> list[str]:
        """What was run other than to look."""
        lines = (self.place / "ran").read_text().splitlines()
        return [line for line in lines if not line.startswith((*QUIET, "logger"))]

    @property
    def logged(self) -> str:
        """What it complained about."""
        lines = (self.place / "ran").read_text().split("logger ")[1:]
        return "".join(line.strip() for line in lines if line.startswith("-p daemon.err"))

    @property
    def told(self) -> list[str]:
        """What it said to have done."""
        note = "logger -p daemon.debug -t rbdmap -- "
        lines = (self.place / "ran").read_text().splitlines()
        return [line.removeprefix(note) for line in lines if line.startswith(note)]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def open_words(host: Host, *mode: str) -> str:
    words = ["cryptsetup open --batch-mode --type luks", *mode, f"--key-file {host.key_file}", host.link, NAME]
    return " ".join(words)


class TestMap:
    def test_opens_and_mounts(self, host: Host) -> None:
        host.put(fstab="")
        assert host.run("map", host.link).returncode == 0
        assert host.ran == [open_words(host), f"mount {OPENED}"]
        assert host.told == [f"Opened 'data/team/app-one' as '{OPENED}'", f"Mounted '{OPENED}'"]

    def test_again_does_nothing(self, host: Host) -> None:
        host.put(fstab="")
        for again in (False, True):
            assert host.run("map", host.link).returncode == 0
            assert bool(host.ran) is not again

    def test_mounts_what_is_open_and_not_mounted(self, host: Host) -> None:
        host.put(fstab="", below=str(host.place / "rbd0"))
        assert host.run("map", host.link).returncode == 0
        assert host.ran == [f"mount {OPENED}"]

    def test_without_a_line_in_fstab_it_is_only_opened(self, host: Host) -> None:
        assert host.run("map", host.link).returncode == 0
        assert host.ran == [open_words(host)]

    def test_a_read_only_mapping_is_opened_so(self, host: Host) -> None:
        host.put(read_only="1\n")
        host.run("map", host.link)
        assert host.ran == [open_words(host, "--readonly")]

    def test_without_the_key_file_nothing_is_done(self, host: Host) -> None:
        host.put(fstab="")
        host.key_file.unlink()
        assert host.run("map", host.link).returncode == 1
        assert host.ran == []
        assert host.logged.startswith(
            f"-p daemon.err -t rbdmap -- Cannot open data/team/app-one: there is no key file {host.key_file}. Place it"
        )

    def test_a_wrong_key_is_told_and_nothing_mounted(self, host: Host) -> None:
        host.put(fstab="", refuse_cryptsetup="No key available with this passphrase.\n")
        assert host.run("map", host.link).returncode == 1
        assert host.ran == [open_words(host)]
        assert "Cannot open data/team/app-one" in host.logged
        assert "No key available with this passphrase. Check the key in" in host.logged

    def test_a_mount_that_fails_is_told(self, host: Host) -> None:
        host.put(fstab="", refuse_mount="wrong fs type\n")
        assert host.run("map", host.link).returncode == 1
        assert f"Cannot mount data/team/app-one ({OPENED}): wrong fs type. Check its line in fstab" in host.logged

    def test_what_is_open_on_another_device_is_left_alone(self, host: Host) -> None:
        host.put(fstab="", below=str(host.place / "rbd1"))
        assert host.run("map", host.link).returncode == 1
        assert host.ran == []
        assert f"{OPENED} lies on another device, {host.place}/rbd1. Close that first" in host.logged


class TestUnmap:
    def test_unmounts_all_of_it_and_closes(self, host: Host) -> None:
        host.put(below=str(host.place / "rbd0"), mounts="one\ntwo\n")
        assert host.run("unmap", host.link).returncode == 0
        assert host.ran == [f"umount {OPENED}", f"umount {OPENED}", f"cryptsetup close {NAME}"]
        assert host.told == [f"Unmounted '{OPENED}'"] * 2 + ["Closed 'data/team/app-one'"]

    def test_what_is_not_open_needs_nothing(self, host: Host) -> None:
        assert host.run("unmap", host.link).returncode == 0
        assert (host.ran, host.logged) == ([], "")

    def test_what_is_open_on_another_device_is_left_alone(self, host: Host) -> None:
        host.put(below=str(host.place / "rbd1"), mounts="one\n")
        assert host.run("unmap", host.link).returncode == 0
        assert host.ran == []

    def test_what_is_busy_is_left_open_and_told(self, host: Host) -> None:
        host.put(below=str(host.place / "rbd0"), mounts="one\n", refuse_umount="target is busy\n")
        assert host.run("unmap", host.link).returncode == 1
        assert host.ran == [f"umount {OPENED}"]
        assert f"Cannot unmount data/team/app-one ({OPENED}): target is busy. Stop what uses it" in host.logged


def test_other_words_are_refused(host: Host) -> None:
    done = host.run("map")
    assert (done.returncode, host.ran) == (2, [])
    assert done.stderr.startswith("Usage:")


def test_it_is_told_from_the_hooks_of_others() -> None:
    assert is_ours(hook_text(SPEC, "/k"))
    assert not is_ours(f"#!/bin/sh\necho '{MARK}'\n")


def test_it_is_where_rbdmap_looks() -> None:
    assert HOOK == "/etc/ceph/rbd.d/data/team/app-one"


def test_words_of_the_shell_in_a_path_stay_words(host: Host) -> None:
    host.key_file = host.place / "it's $(touch harm) @name@"
    host.key_file.write_text("secret")
    assert host.run("map", host.link).returncode == 0
    assert host.ran == [open_words(host)]
    assert not (host.place / "harm").exists()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    text = hook_text(SPEC, "/etc/ceph/luks/a b.key")
    done = subprocess.run(["shellcheck", "-"], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""
