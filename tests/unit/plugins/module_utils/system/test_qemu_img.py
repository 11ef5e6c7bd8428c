# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What qemu-img is asked for, and what is made of its words; tests/integration has the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_source import SourceFile
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._system.command import Completed, ProgramMissing
from ansible_collections.cephclient.rbd.plugins.module_utils._system.qemu_img import (
    PATIENCE,
    QemuImg,
    WriteTimedOut,
    image_name,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.operations.fakes import FakeCommands
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence

SOURCE = SourceFile("/srv/image.qcow2", "qcow2", 1000 << 20)
# Standard input; what it is makes no difference, if it is no block device.
FILE = 0
TARGET = "rbd:rbd/app:id=app"
PROGRESS = ["(0.00/100%)", "    (12.50/100%)", "    (100.00/100%)"]


def ignore(_done: int, _total: int) -> int:
    return 0


def refusal(act: Callable[[], Any]) -> RbdError:
    with pytest.raises(RbdError) as refused:
        act()
    assert is_sentence(refused.value)
    assert refused.value.what == "import /srv/image.qcow2"
    return refused.value


def ended(rc: int, *lines: str) -> FakeCommands:
    return FakeCommands(Completed(rc, "\n".join(lines), ""))


class TestConvert:
    def test_neither_opens_a_backing_file_nor_writes_zeros_nor_caches(self) -> None:
        commands = ended(0)
        QemuImg(commands, SOURCE, FILE).convert(TARGET, ignore)
        program, command, *arguments, source, target = commands.ran[0]
        assert (program, command, target) == ("qemu-img", "convert", TARGET)
        assert json.loads(source.removeprefix("json:")) == {
            "driver": "qcow2",
            "backing": None,
            "file": {"driver": "file", "filename": f"/dev/fd/{FILE}"},
        }
        assert {"-n", "--target-is-zero"} <= set(arguments)
        assert arguments[arguments.index("-t") :][:2] == ["-t", "none"]

    def test_tells_its_percentage_in_bytes(self) -> None:
        told = []

        def tell(done: int, total: int) -> int:
            told.append((done, total))
            return 0

        QemuImg(ended(0, *PROGRESS), SOURCE, FILE).convert(TARGET, tell)
        assert told == [(0, 1000 << 20), (125 << 20, 1000 << 20), (1000 << 20, 1000 << 20)]

    def test_may_need_longer_for_one_percent_of_much(self) -> None:
        silences = []

        class Commands(FakeCommands):
            def run(self, argv: Sequence[str], timeout: float) -> Completed:
                silences.append(timeout)
                return super().run(argv, timeout)

        done = Completed(0, "", "")
        QemuImg(Commands(done), SOURCE, FILE).convert(TARGET, ignore)
        QemuImg(Commands(done), SourceFile("/srv/large", "qcow2", 100 << 40), FILE).convert(TARGET, ignore)
        assert silences == [PATIENCE + 10, PATIENCE + (1 << 20)]

    @pytest.mark.parametrize(
        ("words", "cause"),
        [
            (
                "qemu-img: Could not open 'json:{}': Failed to get shared \"write\" lock",
                "another program has it open for writing, for example a virtual machine",
            ),
            (
                "qemu-img: Could not open 'rbd:rbd/app:id=app': Unknown protocol 'rbd'",
                "the qemu-img of this host has no driver for rbd",
            ),
            (
                "qemu-img: Could not open 'rbd:rbd/app:id=app': error connecting: Permission denied",
                "qemu-img failed (qemu-img: Could not open: error connecting: Permission denied)",
            ),
            ("    (1.00/100%)", "qemu-img failed (it ended with exit code 1 and said nothing)"),
        ],
    )
    def test_fails_with_a_sentence_of_its_own(self, words: str, cause: str) -> None:
        commands = ended(1, *PROGRESS, words)
        assert refusal(lambda: QemuImg(commands, SOURCE, FILE).convert(TARGET, ignore)).cause == cause

    def test_that_the_cluster_did_not_answer_can_be_told_from_the_rest(self) -> None:
        words = "qemu-img: error while writing at byte 2097152: Connection timed out"
        with pytest.raises(WriteTimedOut):
            QemuImg(ended(1, words), SOURCE, FILE).convert(TARGET, ignore)

    def test_needs_the_program_and_names_its_packages(self) -> None:
        class NoCommands(FakeCommands):
            def run(self, argv: Sequence[str], timeout: float) -> NoReturn:
                raise ProgramMissing(f"run {argv[0]}", f"it is not here, {timeout}")

        error = refusal(lambda: QemuImg(NoCommands(), SOURCE, FILE).convert(TARGET, ignore))
        assert "not on this host" in error.cause
        assert all(name in error.advice for name in ("qemu-utils", "qemu-block-extra", "qemu-kvm-block-rbd"))


class TestCheck:
    @pytest.mark.parametrize("rc", [0, 3])
    def test_a_sound_file_may_waste_space(self, rc: int) -> None:
        commands = ended(rc, "Leaked cluster 7 refcount=1 reference=0")
        QemuImg(commands, SOURCE, FILE).check()
        assert commands.ran[0][:2] == ("qemu-img", "check")

    def test_the_first_damage_is_told(self) -> None:
        commands = ended(2, "ERROR cluster 8 refcount=0 reference=1", "ERROR cluster 9 refcount=0 reference=1")
        cause = refusal(QemuImg(commands, SOURCE, FILE).check).cause
        assert cause == "it is damaged or incomplete (qemu-img says: ERROR cluster 8 refcount=0 reference=1)"

    def test_a_file_that_cannot_be_opened_is_refused(self) -> None:
        tool = QemuImg(ended(1, "qemu-img: Could not open 'json:{}': Image is corrupt"), SOURCE, FILE)
        assert refusal(tool.check).cause == "qemu-img failed (qemu-img: Could not open 'json:{}': Image is corrupt)"


class TestImageName:
    def test_has_every_part_of_the_spec_and_every_option(self) -> None:
        name = image_name(ImageSpec("rbd", "ns", "app"), {"id": "app", "keyring": "/etc/ceph/a.keyring,/etc/b"})
        assert name == "rbd:rbd/ns/app:id=app:keyring=/etc/ceph/a.keyring,/etc/b"
        assert image_name(ImageSpec("rbd", "", "app"), {}) == "rbd:rbd/app"

    def test_escapes_what_qemu_would_take_for_its_own(self) -> None:
        name = image_name(ImageSpec("a:b", "c=d", "e\\f"), {"conf": "/x:y=z\\"})
        assert name == r"rbd:a\:b/c\=d/e\\f:conf=/x\:y\=z" + "\\\\"
