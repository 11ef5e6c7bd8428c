# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fstab codec against the programs that read the file: libmount and systemd."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import FstabEntry, FstabFile, path_key

GENERATORS = ("/usr/lib/systemd/system-generators", "/lib/systemd/system-generators")
GENERATOR = shutil.which("systemd-fstab-generator", path=os.pathsep.join(GENERATORS))

needs_findmnt = pytest.mark.skipif(not shutil.which("findmnt"), reason="findmnt (util-linux) is not installed")
needs_generator = pytest.mark.skipif(GENERATOR is None, reason="systemd-fstab-generator (systemd) is not installed")
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")

few = settings(deadline=None, max_examples=12, database=None)

ROOT = "/cephclient.rbd-oracle"  # systemd follows symbolic links in an existing path


def writable(entry: FstabEntry) -> bool:
    try:
        FstabFile().set(entry)
    except RbdError:
        return False
    return True


# Neither reader's separators (those are escaped) nor what set() refuses is left out: see writable().
characters = st.one_of(st.sampled_from(" \t\\\"'#%;$,=~@&{}é☃\U0001f600\x85\xa0\u2028ab0413/\n\r"), st.characters())
texts = st.text(characters, min_size=1, max_size=8)
segments = st.text(characters.filter(lambda char: char != "/"), min_size=1, max_size=8)
paths = st.lists(segments, min_size=1, max_size=3).map(lambda parts: "/".join([ROOT, *parts]))
sources = st.one_of(
    paths.map(lambda path: "/dev/rbd" + path),
    texts.map(lambda name: f"host:/{name}"),
    st.just("//server/share"),
)
opts = st.one_of(
    st.sampled_from(
        [
            "defaults",
            "noauto,_netdev",
            'context="system_u:object_r:x:s0:c1,c2"',
            "_netdev,x-systemd.requires=rbdmap.service",
        ]
    ),
    texts.map(lambda text: f"noauto,{text}"),
    texts,
)
fstypes = st.one_of(st.sampled_from(["xfs", "ext4"]), st.from_regex(r"\A[a-z][a-z0-9._%#-]{1,6}\Z"))
numbers = st.one_of(st.none(), st.integers(0, 9))
entries = st.builds(FstabEntry, sources, paths, fstypes, opts, numbers, numbers).filter(writable)
entry_lists = st.lists(entries, min_size=1, max_size=40, unique_by=lambda entry: path_key(entry.path))


def opts_of(name: str) -> str:
    return "noauto,x=" + name.replace("\\\\", "\\/\\")


NASTY = [
    FstabEntry(f"/dev/rbd/p/{index}{name}", f"{ROOT}/{index}{name}", "xfs", opts_of(name), 0, 0)
    for index, name in enumerate(
        [
            "plain", "a b", " a", "a\tb", "a\\b", "\\040b", "\\\\x", "\\x41", '"q"', "'q'", "#", "a#b", "%h%%n",
            "$HOME${X}", ";", "~", "-", "--", "=", "a,b",
            "é", "☃", "\U0001f600", "\x85", "\xa0", "\u2028", "\ufeff", "é \\\t☃x",
        ]
    )
]  # fmt: skip


def written(entries: list[FstabEntry], place: Path) -> Path:
    file = FstabFile.decode("# made by a test\n\n")
    for entry in entries:
        file = file.set(entry)
    assert file.faults() == ()
    place.write_bytes(file.encode().encode("utf-8", "surrogateescape"))
    return place


def run(*argv: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv, capture_output=True, check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment}
    )


def findmnt(tab: Path, *argv: str) -> subprocess.CompletedProcess[bytes]:
    return run("findmnt", "--tab-file", tab, *argv)


def unescape_raw(word: bytes) -> str:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), word).decode(
        "utf-8", "surrogateescape"
    )


def libmount_reads(tab: Path) -> list[tuple[str, ...]]:
    """What libmount makes of each line it accepts: source, path, fstype, opts, dump, passno."""
    read = findmnt(tab, "--noheadings", "--raw", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS,FREQ,PASSNO")
    return [tuple(map(unescape_raw, line.split(b" "))) for line in read.stdout.splitlines()]


def generate(tab: Path, base: Path) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    outs = [base / name for name in ("normal", "early", "late")]
    for out in outs:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    # With a root= on it, the kernel's command line of this machine would add units of its own.
    done = run(
        str(GENERATOR), *outs, SYSTEMD_FSTAB=str(tab), SYSTEMD_PROC_CMDLINE="quiet", SYSTEMD_LOG_TARGET="console"
    )
    return outs[0], done


def unit_values(unit: Path) -> dict[str, str]:
    """What the reader of unit files takes from one: stripped, continued after a backslash, %% for %."""
    text = unit.read_bytes().decode("utf-8").replace("\r", "\n").replace("\\\n", " ")
    pairs = (line.split("=", 1) for line in text.split("\n") if "=" in line and line[0] not in "#;")
    return {key: value.strip(" \t").replace("%%", "%") for key, value in pairs}


def systemd_reads(tab: Path, base: Path) -> dict[str, tuple[str, ...]]:
    """What systemd makes of each line, by mount point: source, path, fstype, opts."""
    out, done = generate(tab, base)
    assert done.returncode == 0, done.stderr
    values = [unit_values(unit) for unit in out.glob("*.mount") if unit.is_file()]
    rows = [tuple(unit.get(key, "") for key in ("What", "Where", "Type", "Options")) for unit in values]
    return {path_key(row[1]): row for row in rows}


def tidy_opts(text: str) -> str:
    """Systemd leaves out empty options, and `defaults` where it stands alone."""
    tidy = re.sub(",+", ",", text).strip(",")
    return "" if tidy == "defaults" else tidy


def assert_systemd_agrees(entries: list[FstabEntry], tab: Path, base: Path) -> None:
    read = systemd_reads(tab, base)
    assert len(read) == len(entries)
    for entry in entries:
        what, where, fstype, opts = read[path_key(entry.path)]
        assert (what, fstype) == (entry.source, entry.fstype)
        assert path_key(where) == path_key(entry.path)
        assert tidy_opts(opts) == tidy_opts(entry.opts)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fstab")


@needs_findmnt
@few
@given(entry_lists)
@example(NASTY)
def test_libmount_reads_what_was_meant(base: Path, entries: list[FstabEntry]) -> None:
    meant = [
        (entry.source, entry.path, entry.fstype, entry.opts, str(entry.dump or 0), str(entry.passno or 0))
        for entry in entries
    ]
    assert libmount_reads(written(entries, base / "tab")) == meant


@needs_findmnt
@few
@given(entry_lists)
@example(NASTY)
def test_findmnt_verifies_it_without_a_parse_error(base: Path, entries: list[FstabEntry]) -> None:
    # It also complains that these sources and targets do not exist, which is true.
    verified = findmnt(written(entries, base / "tab"), "--verify")
    said = verified.stdout + verified.stderr
    assert b"parse error at" not in said
    assert re.search(rb"^(?:0 parse errors,|Success)", said, re.MULTILINE), said


@needs_findmnt
def test_findmnt_tells_the_same_in_json(base: Path) -> None:
    read = findmnt(written(NASTY, base / "tab"), "--json", "--list", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS")
    rows = json.loads(read.stdout)["filesystems"]
    keys = ("source", "target", "fstype", "options")
    meant = [(entry.source, entry.path, entry.fstype, entry.opts) for entry in NASTY]
    assert [tuple(row[key] for key in keys) for row in rows] == meant


@needs_generator
@few
@given(entry_lists)
@example(NASTY)
def test_systemd_generates_the_units_that_were_meant(base: Path, entries: list[FstabEntry]) -> None:
    assert_systemd_agrees(entries, written(entries, base / "tab"), base)


@needs_generator
@needs_analyze
def test_systemd_accepts_the_units(base: Path) -> None:
    out, _log = generate(written(NASTY, base / "tab"), base)
    units = sorted(unit for unit in out.glob("*.mount") if unit.is_file())
    checked = run("systemd-analyze", "verify", "--man=no", *units, SYSTEMD_UNIT_PATH=f"{out}:")
    complaints = [line for line in checked.stderr.splitlines() if b"oracle" in line]
    assert complaints == []


@needs_findmnt
@needs_generator
@pytest.mark.parametrize("length", [4000, 4094])
def test_both_read_a_line_as_long_as_is_written(base: Path, length: int) -> None:
    bare = FstabEntry("/dev/rbd/p/i", f"{ROOT}/long", "xfs", "_", 0, 2)
    room = length - len(FstabFile().set(bare).encode()) + 1
    entry = FstabEntry(bare.source, bare.path, bare.fstype, "_" + "x" * room, 0, 2)
    tab = written([entry, NASTY[0]], base / "tab")
    assert len(tab.read_text().splitlines()[2]) == length
    assert libmount_reads(tab)[0][3] == entry.opts
    assert_systemd_agrees([entry, NASTY[0]], tab, base)


# Lines as others may have written them; the first two fields are made distinct below.
loose_words = st.sampled_from(
    [
        "xfs",
        "ro",
        "defaults",
        "0",
        "2",
        "-1",
        "+0",
        "007",
        "#",
        "#why",
        "x",
        "0x1",
        "2#",
        r"a\040b",
        r"\134",
        "é",
        "1.5",
        "ro\r",
    ]
)
loose_tails = st.builds(
    lambda lead, parts, gap, end: (lead, gap, gap.join(parts) + end),
    st.sampled_from(["", " ", "\t "]),
    st.lists(loose_words, max_size=6),
    st.sampled_from([" ", "\t", "  "]),
    st.sampled_from(["", " ", "\t", "\r", " \r", " #", " # why 0 0"]),
)


def loose_text(tails: list[tuple[str, str, str]]) -> str:
    return "".join(
        f"{lead}/dev/rbd/p/{index}{gap}{ROOT}/{index}{gap}{tail}\n" for index, (lead, gap, tail) in enumerate(tails)
    )


@needs_findmnt
@needs_generator
@settings(deadline=None, max_examples=40, database=None)
@given(st.lists(loose_tails, min_size=1, max_size=30))
def test_a_line_without_a_fault_is_read_alike_by_all(base: Path, tails: list[tuple[str, str, str]]) -> None:
    file = FstabFile.decode(loose_text(tails))
    sound = [line.entry for line in file.lines if line.entry is not None and line.fault is None]
    assume(sound)
    tab = base / "tab"
    # Without the faulty lines: findmnt 2.41 crashes after it has reported one.
    tab.write_bytes("".join(line.text for line in file.lines if line.fault is None).encode("utf-8", "surrogateescape"))
    # An absent options field reads as empty, which means the defaults.
    assert [
        (row[0], row[1], row[2], row[3] or "defaults", int(row[4]), int(row[5])) for row in libmount_reads(tab)
    ] == [(entry.source, entry.path, entry.fstype, entry.opts, entry.dump or 0, entry.passno or 0) for entry in sound]
    plain = [entry for entry in sound if writable(entry)]
    read = systemd_reads(tab, base)
    for entry in plain:
        assert read[path_key(entry.path)][3] == tidy_opts(entry.opts)
    assert len(read) == len(sound)


@needs_findmnt
@pytest.mark.parametrize(
    "line",
    [
        "S /p xfs ro # why",
        "S /p xfs ro 0 # why",
        "S /p xfs # why",
        "S /p xfs ro x 0",
        "S /p xfs ro 0 2#why",
        "S /p xfs ro 0x1",
        "S /p xfs ro 0 0\r\r",
        "S /p",
        "S",
        "S /p\0 xfs ro 0 0",
    ],
)
def test_libmount_ignores_the_lines_called_faulty(base: Path, line: str) -> None:
    (faulty,) = FstabFile.decode(line + "\n").faults()
    tab = base / "tab"
    tab.write_text(faulty.text, newline="")
    read = findmnt(tab, "--noheadings")
    assert b"parse error at line 1" in read.stderr
    assert read.stdout == b""
    if faulty.entry is not None:
        healed = FstabFile.decode(faulty.text).set(FstabEntry("S", "/p", "xfs"))
        tab.write_text(healed.encode(), newline="")
        assert libmount_reads(tab) == [("S", "/p", "xfs", "defaults", "0", "0")]


@needs_generator
@pytest.mark.parametrize(
    ("line", "is_misread"),
    [
        (f"S {ROOT}/p xfs ro,_netdev\r", lambda unit: unit["Before"] != "remote-fs.target"),
        (f"S {ROOT}/p xfs a\\134\\134b", lambda unit: unit["Options"] != "a\\\\b"),
        (f"#S {ROOT}/p xfs ro", lambda unit: not unit),
        (f"S {ROOT}/p\\040 xfs ro", lambda unit: unit["Where"] != f"{ROOT}/p "),
        (f"S {ROOT}/p\\134 xfs ro", lambda unit: unit["Where"] != f"{ROOT}/p\\"),
        (f"S {ROOT}/p\\012q xfs ro", lambda unit: unit["Where"] != f"{ROOT}/p\nq"),
        (f"S {ROOT}/p\rq xfs ro", lambda unit: unit["Where"] != f"{ROOT}/p\rq"),
        (f"S {ROOT}/../p xfs ro", lambda unit: not unit),
        (f"S {ROOT}/p xfs {'x' * 4094}", lambda unit: unit["Options"] != "x" * 4094),
    ],
)
def test_systemd_misreads_what_is_refused(base: Path, line: str, is_misread: Callable[[dict[str, str]], bool]) -> None:
    """Each refusal has its reason."""
    tab = base / "tab"
    tab.write_text(line + "\n", newline="")
    out, _log = generate(tab, base)
    units = [unit_values(unit) for unit in out.glob("*.mount") if unit.is_file()]
    misread = is_misread(units[0] if units else {})
    only_formerly = line.endswith(("\r", "b")) or len(line) > 4094
    if only_formerly and not misread:
        pytest.skip("this systemd reads it well, as 262 does")
    assert misread
    if not line.endswith("\r"):
        entry = FstabFile.decode(line + "\n").lines[0].entry
        assert entry is None or not writable(entry)
