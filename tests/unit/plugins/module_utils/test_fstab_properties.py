# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fstab codec by itself: what holds for every file and every entry."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import (
    FstabEntry,
    FstabFile,
    path_key,
    redact,
    source_key,
)

quick = settings(deadline=None, max_examples=100, database=None)

NASTY = " \t\\\"'#%;$,=~@é☃\U0001f600\x85\xa0\u2028ab04/"
any_text = st.text(st.one_of(st.sampled_from("/dev m#\t\\040\n\r\0\udce9\ud800"), st.characters()))
names = st.text(st.sampled_from(NASTY.replace("/", "")), min_size=1, max_size=6).map(lambda name: f"n{name}z")
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
sources = st.one_of(paths.map(lambda path: f"/dev/rbd{path}"), names.map(lambda name: f"UUID={name}"))
fields = st.text(st.sampled_from(NASTY), max_size=8).map(lambda name: f"x{name}z")
numbers = st.one_of(st.none(), st.integers(0, 2**31 - 1))
options = fields.filter(lambda text: "\\\\" not in text)
entries = st.builds(FstabEntry, sources, paths, fields, options, numbers, numbers)

# Lines as people write them, few enough values that entries meet.
gaps = st.sampled_from([" ", "\t", "   ", " \t "])
words = st.sampled_from(
    [
        "/dev/rbd/p/i",
        "/dev//rbd/p/i",
        "/srv/a",
        "/srv//a/",
        "none",
        "xfs",
        "defaults",
        "0",
        "2",
        "#",
        "# a note",
        "\\040",
    ]
)
loose_lines = st.builds(
    lambda lead, parts, gap, end: lead + gap.join(parts) + end,
    st.sampled_from(["", " ", "# "]),
    st.lists(words, max_size=8),
    gaps,
    st.sampled_from(["\n", "\r\n", " \n"]),
)
good_lines = st.builds(
    lambda source, path, gap, opts, rest, end: gap.join([source, path, "xfs", opts]) + rest + end,
    st.sampled_from(["/dev/rbd/p/i", "/dev//rbd/p/i/", "/dev/rbd/p/j", "UUID=1"]),
    st.sampled_from(["/srv/a", "/srv//a/", "/srv/b"]),
    gaps,
    st.sampled_from(["defaults", "noauto,_netdev"]),
    st.sampled_from(["", " 0", " 0 0", "\t1 2 # why", " # why", "  0 # why"]),
    st.sampled_from(["\n", "\r\n", "\t\n"]),
)
files = st.builds(
    lambda lines, last: "".join(lines) + last,
    st.lists(st.one_of(loose_lines, good_lines), max_size=10),
    st.sampled_from(["", "# end", "/dev/rbd/p/i /srv/a ext4 ro", "UUID=1 /srv/b"]),
)
met_entries = st.one_of(
    st.builds(
        FstabEntry,
        st.sampled_from(["/dev/rbd/p/i", "/dev/rbd//p/j", "UUID=1"]),
        st.sampled_from(["/srv/a", "/srv/b/"]),
        st.sampled_from(["xfs", "ext4"]),
        st.sampled_from(["defaults", "noauto,_netdev", 'context="a:c1,c2"']),
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, 0, 2]),
    ),
    entries,
)

ENTRY = FstabEntry("/dev/rbd/p/i", "/srv/a", "xfs", "noauto,_netdev", 0, 0)


def meaning(entry: FstabEntry) -> tuple[object, ...]:
    return (
        source_key(entry.source),
        path_key(entry.path),
        entry.fstype,
        entry.opts,
        entry.dump or 0,
        entry.passno or 0,
    )


class TestEveryFile:
    @quick
    @given(st.one_of(any_text, files))
    def test_comes_back_byte_for_byte(self, text: str) -> None:
        file = FstabFile.decode(text)
        assert file.encode() == text
        assert [line.number for line in file.lines] == list(range(1, len(file.lines) + 1))

    @quick
    @given(st.binary())
    def test_comes_back_from_any_bytes(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        assert FstabFile.decode(text).encode().encode("utf-8", "surrogateescape") == data

    @quick
    @given(files, met_entries)
    def test_says_once_what_was_set(self, text: str, entry: FstabEntry) -> None:
        (line,) = FstabFile.decode(text).set(entry).find(entry.source, entry.path)
        assert line.entry is not None
        assert meaning(line.entry) == meaning(entry)
        assert line.fault is None

    @quick
    @given(files, met_entries)
    def test_is_set_only_once(self, text: str, entry: FstabEntry) -> None:
        once = FstabFile.decode(text).set(entry)
        assert once.set(entry) is once

    @quick
    @given(files, met_entries)
    def test_that_is_edited_equals_the_one_that_is_read_again(self, text: str, entry: FstabEntry) -> None:
        edited = FstabFile.decode(text).set(entry)
        assert edited == FstabFile.decode(edited.encode())
        removed = edited.remove(path=entry.path)
        assert removed == FstabFile.decode(removed.encode())

    @quick
    @given(files, entries)
    def test_is_restored_by_removing_what_was_added(self, text: str, entry: FstabEntry) -> None:
        file = FstabFile.decode(text)
        assume(not file.find(entry.source, entry.path))
        final = "\n" if text and not text.endswith("\n") else ""
        assert file.set(entry).remove(entry.source, entry.path).encode() == text + final

    @quick
    @given(files, met_entries)
    def test_keeps_every_line_of_others(self, text: str, entry: FstabEntry) -> None:
        file = FstabFile.decode(text)
        mine = file.find(entry.source, entry.path)
        others = [line.text for line in file.lines if line not in mine]
        if others and mine == ():
            others[-1] = others[-1] if others[-1].endswith("\n") else others[-1] + "\n"
        edited = file.set(entry)
        found = edited.find(entry.source, entry.path)
        assert [line.text for line in edited.lines if line not in found] == others
        removed = file.remove(entry.source, entry.path)
        assert [line.text for line in removed.lines] == [line.text for line in file.lines if line not in mine]

    @quick
    @given(good_lines, files, met_entries)
    def test_keeps_the_comment_of_an_edited_line(self, line: str, text: str, entry: FstabEntry) -> None:
        file = FstabFile.decode(line + text)
        old = file.lines[0].entry
        assert old is not None
        entry = replace(entry, source=old.source, path=old.path)
        before = file.find(entry.source, entry.path)[0].text
        after = file.set(entry).find(entry.source, entry.path)[0].text
        _before, mark, comment = before.partition("# why")
        assert after.endswith(mark + comment)

    @quick
    @given(files)
    def test_removes_by_the_matcher_that_sets(self, text: str) -> None:
        file = FstabFile.decode(text)
        for line in file.find():
            assert line.entry is not None
            assert line in file.find(line.entry.source, line.entry.path)
            assert file.remove(line.entry.source, line.entry.path).find(line.entry.source, line.entry.path) == ()
            assert file.set(ENTRY).remove(path=ENTRY.path).find(path=ENTRY.path) == ()

    @quick
    @given(st.one_of(any_text, files))
    def test_keeps_its_malformed_lines(self, text: str) -> None:
        file = FstabFile.decode(text)
        malformed = [line.text.rstrip("\n") for line in file.faults() if line.entry is None]
        edited = file.set(ENTRY).remove("/dev/rbd/p/j")
        assert [line.text.rstrip("\n") for line in edited.faults() if line.entry is None] == malformed

    @quick
    @given(st.one_of(any_text, files))
    def test_loses_nothing_but_secrets_when_redacted(self, text: str) -> None:
        assume("=" not in text)
        assert redact(text) == text
