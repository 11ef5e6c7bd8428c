# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of cryptsetup, and how its answers are told. The key is in none of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import ClusterSilent, RbdError, TimedOut
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, HostCommands
from ansible_collections.cephclient.rbd.plugins.module_utils._system.luks import HostLuks
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY, is_sentence

OPEN = Path("/proc/self/fd")
DONE = Completed(0, "", "")
WRONG = Completed(2, "", "No key available with this passphrase.\n")

# As cryptsetup 2.6 and 2.8 print it.
STATUS = """/dev/mapper/x is active and is in use.
  type:    LUKS2
  sector size:  4096
  offset:  32768 sectors
  size:    2064384 sectors
"""
NEWER = STATUS.replace("32768 sectors", "32768 [512-byte units] (16777216 [bytes])")


def test_the_words_of_each_command() -> None:
    commands = FakeCommands(DONE, DONE, DONE, DONE, DONE, DONE)
    luks = HostLuks(commands)
    luks.format("/dev/rbd0", "/k", ["--label=app"])
    luks.try_key("/dev/rbd0", "/k", None)
    luks.open("/dev/rbd0", "x", "/k", read_only=False)
    luks.open("/dev/rbd0", "x", "/k", read_only=True)
    luks.resize("x", "/k")
    luks.close("x", 30)
    assert [" ".join(argv) for argv in commands.ran] == [
        "cryptsetup luksFormat --batch-mode --type luks2 --label=app --key-file /k /dev/rbd0",
        "cryptsetup open --test-passphrase --type luks --key-file /k /dev/rbd0",
        "cryptsetup open --batch-mode --type luks --key-file /k /dev/rbd0 x",
        "cryptsetup open --batch-mode --type luks --readonly --key-file /k /dev/rbd0 x",
        "cryptsetup resize --batch-mode --key-file /k x",
        "cryptsetup close x",
    ]


class Reader(HostCommands):
    """Reads the key as cryptsetup would: by the path that it is given, in a process of its own."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def follow(
        self, argv: Sequence[str], hear: Callable[[str], None], silence: float, descriptors: Sequence[int] = ()
    ) -> Completed:
        assert CANARY not in " ".join(argv)
        done = super().follow(["cat", argv[argv.index("--key-file") + 1]], hear, silence, descriptors)
        self.read.append(done.stdout)
        return done


def test_a_key_that_is_in_no_file_yet_is_read_from_memory() -> None:
    reader = Reader()
    before = len(list(OPEN.iterdir()))
    HostLuks(reader).try_key("/dev/rbd0", "/none", CANARY)
    assert reader.read == [CANARY]
    assert len(list(OPEN.iterdir())) == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda luks: luks.try_key("/dev/rbd0", "/k", None),
        lambda luks: luks.try_key("/dev/rbd0", "/k", CANARY),
        lambda luks: luks.open("/dev/rbd0", "x", "/k", False),
        lambda luks: luks.resize("x", "/k"),
    ],
)
def test_a_wrong_key_is_told_as_such(ask: Callable[[HostLuks], None]) -> None:
    with pytest.raises(RbdError, match="No key available with this passphrase") as refused:
        ask(HostLuks(FakeCommands(WRONG)))
    assert is_sentence(refused.value)
    assert "Give the key that the image was encrypted with." in str(refused.value)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda luks: luks.format("/dev/rbd0", "/k", []),
        lambda luks: luks.open("/dev/rbd0", "x", "/k", False),
        lambda luks: luks.close("x", 30),
        lambda luks: luks.offset("x", 30),
    ],
)
def test_another_failure_is_told_in_cryptsetups_words(ask: Callable[[HostLuks], None]) -> None:
    with pytest.raises(RbdError, match="Device x is still in use") as refused:
        ask(HostLuks(FakeCommands(Completed(5, "", "Device x is still in use.\n"))))
    assert is_sentence(refused.value)


@pytest.mark.parametrize("status", [STATUS, NEWER])
def test_the_offset_is_in_sectors_of_512_bytes(status: str) -> None:
    assert HostLuks(FakeCommands(Completed(0, status, ""))).offset("x", 30) == 16 << 20


def test_a_status_without_an_offset_is_an_error() -> None:
    with pytest.raises(RbdError, match="does not tell where its data begin"):
        HostLuks(FakeCommands(Completed(0, "/dev/mapper/x is active.\n", ""))).offset("x", 30)


class Silent(FakeCommands):
    """Programs that wait for a cluster that is away, until their time is over."""

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        self.ran.append((*argv, f"{timeout:g}"))
        raise TimedOut(f"run {argv[0]}", f"it did not end within {timeout:g} seconds and was stopped")


@pytest.mark.parametrize(
    ("ask", "seconds"),
    [
        (lambda luks: luks.offset("x", 30), "30"),
        (lambda luks: luks.close("x", 30), "30"),
        # A key takes as long as it takes; but that no further image is waited for holds here, too.
        (lambda luks: luks.try_key("/dev/rbd0", "/k", None), "300"),
        (lambda luks: luks.try_key("/dev/rbd0", "/k", CANARY), "300"),
    ],
)
def test_no_answer_is_the_clusters_silence(ask: Callable[[HostLuks], None], seconds: str) -> None:
    commands = Silent()
    with pytest.raises(ClusterSilent, match=f"cryptsetup had no answer within {seconds} seconds") as refused:
        ask(HostLuks(commands))
    assert is_sentence(refused.value)
    assert [argv[-1] for argv in commands.ran] == [seconds]
