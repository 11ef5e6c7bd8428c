# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is: nothing is imported that is not wholly understood, or that is not in the file itself."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_source import (
    BLOCK,
    HEAD,
    SourceFile,
    data_runs,
    detect_format,
    recognise,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import is_sentence, outcome

PATH = "/srv/image"
GIB = 1 << 30


def qcow2(
    version: int = 3,
    size: int = GIB,
    *,
    backing: tuple[int, bytes] | None = None,
    crypt: int = 0,
    incompatible: int = 0,
) -> bytes:
    """The first bytes of a qcow2 file."""
    name_at, name = backing or (0, b"")
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", version, name_at, len(name), 16, size, crypt) + bytes(36)
    if version > 2:
        header += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    head = bytearray(header.ljust(HEAD, b"\0"))
    head[name_at : name_at + len(name)] = name
    return bytes(head[:HEAD])


def refusal(head: bytes, declared: str | None = None, size: int = GIB) -> RbdError:
    error = outcome(lambda: recognise(PATH, declared, head, size))
    assert isinstance(error, RbdError), error
    assert is_sentence(error), error
    assert error.what == f"import {PATH}"
    return error


headers = st.builds(
    lambda version, size, name_at, crypt, incompatible, end: qcow2(
        version, size, backing=(name_at, b"base" if name_at else b""), crypt=crypt, incompatible=incompatible
    )[:end],
    st.integers(0, 4),
    st.sampled_from([0, 511, 512, GIB, 2**63, 2**64 - 512]),
    st.sampled_from([0, 104, HEAD - 2, HEAD, 2**40]),
    st.integers(0, 2),
    st.integers(0, 2**64 - 1) | st.sampled_from([0, 8, 16]),
    st.integers(0, HEAD),
)


class TestAnyFile:
    @given(st.binary(max_size=200) | headers, st.sampled_from([None, "raw", "qcow2"]), st.integers(0, 2**63 - 1))
    def test_is_taken_or_refused_with_a_sentence(self, head: bytes, declared: str | None, size: int) -> None:
        found = outcome(lambda: recognise(PATH, declared, head, size))
        if isinstance(found, RbdError):
            assert is_sentence(found)
        else:
            assert found.format in (declared or "raw", declared or "qcow2")
            assert 0 < found.virtual_size < 2**63

    @given(headers)
    def test_that_names_another_one_is_never_taken_as_qcow2(self, head: bytes) -> None:
        found = outcome(lambda: recognise(PATH, "qcow2", head, GIB))
        if isinstance(found, SourceFile):
            (name_at,) = struct.unpack_from(">Q", head, 8)
            (version,) = struct.unpack_from(">I", head, 4)
            assert name_at == 0
            assert version == 2 or not struct.unpack_from(">Q", head, 72)[0] & 0b111


class TestFormat:
    @pytest.mark.parametrize("head", [b"", b"QFI", bytes(HEAD), b"\xeb\x63\x90", b"LUKS\xba\xbe\0\1", b"# Disk"])
    def test_what_is_not_known_to_be_anything_else_is_raw(self, head: bytes) -> None:
        assert recognise(PATH, None, head, 777) == SourceFile(PATH, "raw", 777)

    @pytest.mark.parametrize("version", [2, 3])
    def test_qcow2_has_the_size_of_its_disk(self, version: int) -> None:
        for declared in (None, "qcow2"):
            assert recognise(PATH, declared, qcow2(version, 5 * GIB), 1) == SourceFile(PATH, "qcow2", 5 * GIB)

    @pytest.mark.parametrize(
        ("head", "cause", "advice"),
        [
            (b"QFI\xfb\0\0\0\1", "QCOW image of version 1", "qemu-img convert -O qcow2 /srv/image /srv/image.qcow2"),
            (b"QED\0", "QED", "qemu-img convert"),
            (b"KDMV\1\0\0\0", "VMDK", "qemu-img convert"),
            (b"COWD", "VMDK", "qemu-img convert"),
            (b"# Disk DescriptorFile\nversion=1\n", "descriptor of a VMDK", "qemu-img convert"),
            (b"vhdxfile", "VHDX", "qemu-img convert"),
            (b"conectix", "VHD", "qemu-img convert"),
            (b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe", "VDI", "qemu-img"),
            (b"WithoutFreeSpace", "Parallels", "qemu-img convert"),
            (b"\x1f\x8b\x08\0", "gzip", "gunzip /srv/image"),
            (b"\xfd7zXZ\0", "xz", "unxz /srv/image"),
            (b"\x28\xb5\x2f\xfd", "zstd", "unzstd /srv/image"),
            (b"\x04\x22\x4d\x18", "lz4", "unlz4 /srv/image"),
            (b"BZh91AY&SY", "bzip2", "bunzip2 /srv/image"),
            (b"PK\3\4", "zip", "Unpack it first"),
            (b"7z\xbc\xaf\x27\x1c", "7z", "Unpack it first"),
            (b"disk.ovf".ljust(257, b"\0") + b"ustar", "tar", "Unpack it first"),
            (b"rbd image v2\n", "export of an image", "rbd import --export-format 2"),
            (b"rbd diff v1\n", "differences between snapshots", "rbd import-diff"),
        ],
    )
    def test_another_format_is_refused_unless_it_is_declared_as_raw(self, head: bytes, cause: str, advice: str) -> None:
        error = refusal(head)
        assert cause in error.cause
        assert advice in error.advice
        assert recognise(PATH, "raw", head, 777) == SourceFile(PATH, "raw", 777)

    def test_a_raw_file_may_begin_with_what_a_guest_wrote(self) -> None:
        assert recognise(PATH, "raw", qcow2(backing=(200, b"/etc/shadow")), GIB).format == "raw"

    def test_an_empty_file_is_refused_whatever_it_is_declared_as(self) -> None:
        for declared in (None, "raw", "qcow2"):
            assert refusal(b"", declared, 0).cause == "it is empty"


class TestQcow2:
    @pytest.mark.parametrize(
        ("head", "cause"),
        [
            (bytes(HEAD), "it does not begin as a qcow2 image does"),
            (b"QFI\xfb\0\0\0", "it ends within its header"),
            (qcow2(2)[:71], "it ends within its header"),
            (qcow2(3)[:103], "it ends within its header"),
            (qcow2(4), "it is a QCOW image of version 4, neither 2 nor 3"),
            (qcow2(size=0), "its disk would have 0 bytes"),
            (qcow2(size=GIB + 1), f"its disk would have {GIB + 1} bytes"),
            (qcow2(size=2**63), f"its disk would have {2**63} bytes"),
            (qcow2(backing=(200, b"/etc/shadow")), "it holds only how it differs from its backing file '/etc/shadow'"),
            (qcow2(2, backing=(72, b"base\xff")), "it holds only how it differs from its backing file 'base\\\\xff'"),
            (qcow2(backing=(2**40, b"x")), "it holds only how it differs from its backing file"),
            (qcow2(incompatible=1), "the program that wrote it has not closed it, and may still be at work"),
            (qcow2(incompatible=2), "it is marked as corrupt"),
            (qcow2(incompatible=4), "its content is in another file (external data file)"),
            (qcow2(incompatible=1 << 5), "it has features of qcow2 that are not known here (0x20)"),
            (qcow2(crypt=1), "it is encrypted"),
            (qcow2(2, crypt=2), "it is encrypted"),
        ],
    )
    def test_is_refused_for_a_cause_of_its_own(self, head: bytes, cause: str) -> None:
        assert refusal(head, "qcow2").cause == cause

    def test_compression_and_extended_entries_are_left_to_qemu_img(self) -> None:
        assert recognise(PATH, None, qcow2(incompatible=0b11000), GIB).virtual_size == GIB

    def test_version_2_has_no_features_to_look_at(self) -> None:
        head = qcow2(2)[:72].ljust(HEAD, b"\xff")
        assert detect_format(PATH, head) == "qcow2"
        assert recognise(PATH, None, head, GIB).virtual_size == GIB


class TestDataRuns:
    @given(st.lists(st.sampled_from([bytes(BLOCK), bytes(BLOCK - 1) + b"x", b"x" * BLOCK])), st.integers(0, BLOCK - 1))
    def test_leave_out_zeros_and_nothing_else(self, blocks: list[bytes], short: int) -> None:
        data = b"".join(blocks)[: len(blocks) * BLOCK - short or None]
        rest = bytearray(data)
        for begin, end in data_runs(data):
            assert begin < end <= len(data)
            assert all(any(data[start : min(start + BLOCK, end)]) for start in range(begin, end, BLOCK))
            rest[begin:end] = bytes(end - begin)
        assert not any(rest)

    def test_join_blocks_that_follow_each_other(self) -> None:
        zeros, data = bytes(BLOCK), b"x" * BLOCK
        runs = list(data_runs(zeros + data * 2 + zeros * 2 + data + b"y"))
        assert runs == [(BLOCK, 3 * BLOCK), (5 * BLOCK, 6 * BLOCK + 1)]

    def test_of_nothing_are_none(self) -> None:
        assert list(data_runs(b"")) == list(data_runs(bytes(3 * BLOCK + 5))) == []
