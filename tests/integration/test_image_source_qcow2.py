# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of qcow2 file is imported whole or not at all, and never with a byte of another file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from loopback.cluster import LoopbackCluster
from loopback.filling import (
    DISK_OBJECTS,
    DISK_SIZE,
    MIB,
    Filler,
    Images,
    make_qcow2,
    make_raw,
    noise,
    qemu_img,
    sha256,
)

pytest_plugins = ["loopback.filling_fixtures"]


class TestContent:
    @pytest.mark.parametrize(
        "options",
        [
            ("-o", "compat=0.10"),
            ("-o", "compat=1.1"),
            ("-o", "lazy_refcounts=on"),
            ("-o", "cluster_size=4k"),
            ("-o", "cluster_size=2M"),
            ("-o", "extended_l2=on"),
            ("-o", "preallocation=falloc"),
            ("-c",),
            ("-c", "-o", "compression_type=zstd"),
        ],
        ids=" ".join,
    )
    def test_is_the_same_and_zeros_take_no_object(
        self, disk: Path, fill: Filler, image: Images, options: tuple[str, ...]
    ) -> None:
        path, new = make_qcow2(disk, *options), image(DISK_SIZE)
        filled = fill(path, new.spec)
        assert filled.source == {"path": str(path), "format": "qcow2", "virtual_size": DISK_SIZE}
        filled.assert_complete(DISK_SIZE)
        assert new.sha256() == sha256(disk)
        assert new.objects() == DISK_OBJECTS

    def test_is_the_present_one_where_there_are_snapshots_and_clusters_of_zeros(
        self, disk: Path, fill: Filler, image: Images
    ) -> None:
        path, new = make_qcow2(disk), image(DISK_SIZE)
        qemu_img("snapshot", "-c", "before", path)
        _qemu_io(path, "write -z 8M 2M", "write -P 7 20M 64k")
        fill(path, new.spec).assert_complete(DISK_SIZE)
        with disk.open("r+b") as file:
            file.seek(8 * MIB)
            file.write(bytes(2 * MIB))
            file.seek(20 * MIB)
            file.write(b"\7" * 65536)
        assert new.sha256() == sha256(disk)
        assert new.objects() == {0, 5}

    def test_is_of_whole_sectors(self, tmp_path: Path, fill: Filler, image: Images) -> None:
        raw = make_raw(tmp_path / "odd.raw", 5 * MIB + 777, (5 * MIB, noise(777)))
        new = image(5 * MIB + 1024)
        fill(make_qcow2(raw), new.spec).assert_complete(5 * MIB + 1024)
        os.truncate(raw, 5 * MIB + 1024)
        assert new.sha256() == sha256(raw)

    def test_is_found_under_a_name_that_is_a_protocol_to_qemu(self, disk: Path, fill: Filler, image: Images) -> None:
        path = make_qcow2(disk).rename(disk.with_name("nbd:a,b=c {é}.qcow2"))
        new = image(DISK_SIZE)
        fill(path, new.spec).assert_complete(DISK_SIZE)
        assert new.sha256() == sha256(disk)

    def test_is_written_without_a_key_on_a_command_line(
        self, cluster: LoopbackCluster, disk: Path, fill: Filler, image: Images
    ) -> None:
        seen = disk.with_name("seen")
        filled = fill(make_qcow2(disk), image(DISK_SIZE).spec, halfway=f"os.system('cat /proc/[0-9]*/cmdline >{seen}')")
        filled.assert_complete(DISK_SIZE)
        command_lines = seen.read_text(errors="replace")
        assert f"keyring={cluster.admin_keyring}" in command_lines
        assert cluster.ceph("auth", "get-key", "client.admin").strip() not in command_lines


class TestRefusal:
    """Each file is made by QEMU itself, so that what a header means is not only our word."""

    def refusal(self, fill: Filler, path: Path) -> str:
        filled = fill(path)
        assert filled.source is None
        return filled.error.removeprefix(f"Cannot import {path}: ")

    @pytest.mark.parametrize("compat", ["0.10", "1.1"])
    def test_of_a_backing_file(self, fill: Filler, tmp_path: Path, compat: str) -> None:
        path = tmp_path / "top.qcow2"
        qemu_img("create", "-f", "qcow2", "-o", f"compat={compat}", "-F", "raw", "-b", "/etc/passwd", path)
        cause = self.refusal(fill, path)
        assert cause.startswith("it holds only how it differs from its backing file '/etc/passwd'.")

    def test_of_an_external_data_file(self, fill: Filler, tmp_path: Path) -> None:
        path = tmp_path / "meta.qcow2"
        qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path / 'data'},data_file_raw=on", path, "8M")
        assert self.refusal(fill, path).startswith("its content is in another file (external data file).")

    def test_of_encryption(self, fill: Filler, tmp_path: Path) -> None:
        path = tmp_path / "secret.qcow2"
        secret = ("--object", "secret,id=s,data=passphrase", "-o", "encrypt.format=aes,encrypt.key-secret=s")
        qemu_img("create", "-f", "qcow2", *secret, path, "8M")
        assert self.refusal(fill, path).startswith("it is encrypted.")

    def test_of_a_file_that_was_not_closed(self, fill: Filler, tmp_path: Path) -> None:
        path = tmp_path / "open.qcow2"
        qemu_img("create", "-f", "qcow2", "-o", "lazy_refcounts=on", path, "8M")
        _qemu_io(path, "write 0 64k", "abort", check=False)
        assert self.refusal(fill, path).startswith("the program that wrote it has not closed it")

    def test_of_a_file_that_was_cut_short(self, disk: Path, fill: Filler, image: Images) -> None:
        path, new = make_qcow2(disk), image(DISK_SIZE)
        os.truncate(path, path.stat().st_size - MIB)
        # To qemu-img convert, what is missing is zeros.
        qemu_img("convert", "-O", "raw", path, path.with_name("taken"))
        cause = fill(path, new.spec).error
        assert cause.startswith(f"Cannot import {path}: it is damaged or incomplete (qemu-img says: ERROR")
        assert new.objects() == set()

    def test_of_a_file_that_is_open_for_writing(self, disk: Path, fill: Filler, image: Images) -> None:
        path = make_qcow2(disk)
        with subprocess.Popen(["qemu-io", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(b"length\n")
            writer.stdin.flush()
            assert writer.stdout.readline(), "it does not answer, so it may not have opened the file"
            cause = fill(path, image(DISK_SIZE).spec).error
            writer.stdin.close()
        assert "another program has it open for writing, for example a virtual machine" in cause


def _qemu_io(path: Path, *commands: str, check: bool = True) -> None:
    argv = [word for command in commands for word in ("-c", command)]
    subprocess.run(["qemu-io", "-f", "qcow2", *argv, path], check=check, capture_output=True)
