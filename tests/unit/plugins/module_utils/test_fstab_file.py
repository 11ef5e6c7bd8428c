# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fstab codec by examples: what each kind of line means, and what an edit makes of it."""

from __future__ import annotations

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._fstab_file import (
    FstabEntry,
    FstabFile,
    redact,
    unescape,
)

LINE = "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0\n"
ENTRY = FstabEntry("/dev/rbd/p/i", "/srv/a", "xfs", "noauto,_netdev", 0, 0)


def edit(text: str, entry: FstabEntry = ENTRY) -> str:
    return FstabFile.decode(text).set(entry).encode()


def only_entry(text: str) -> FstabEntry:
    (line,) = FstabFile.decode(text).lines
    assert line.entry is not None
    return line.entry


class TestReading:
    @pytest.mark.parametrize(
        ("text", "entry"),
        [
            ("S /p xfs", FstabEntry("S", "/p", "xfs")),
            ("S /p xfs ro", FstabEntry("S", "/p", "xfs", "ro")),
            ("S /p xfs ro 1", FstabEntry("S", "/p", "xfs", "ro", 1)),
            ("S /p xfs ro 1 2", FstabEntry("S", "/p", "xfs", "ro", 1, 2)),
            ("S /p xfs ro 1 2 # why", FstabEntry("S", "/p", "xfs", "ro", 1, 2)),
            ("S /p xfs ro 1 2 more", FstabEntry("S", "/p", "xfs", "ro", 1, 2)),
            ("S /p xfs ro 0 2\r\n", FstabEntry("S", "/p", "xfs", "ro", 0, 2)),
            (" \tS\t /p\txfs  ro\t\n", FstabEntry("S", "/p", "xfs", "ro")),
            ("S /p xfs ro#no,comment", FstabEntry("S", "/p", "xfs", "ro#no,comment")),
            ("S#x /p#x xfs#x ro", FstabEntry("S#x", "/p#x", "xfs#x", "ro")),
            ("S /p xfs ro -1 +2", FstabEntry("S", "/p", "xfs", "ro", -1, 2)),
            (r"S\040x /p\011\134040\303\251 xfs a\054b", FstabEntry("S x", "/p\t\\040é", "xfs", "a,b")),
            (r"S\501 /p\777 xfs ro", FstabEntry("SA", "/p\udcff", "xfs", "ro")),
            (r"S\04 /p\999 xfs \ ", FstabEntry(r"S\04", r"/p\999", "xfs", "\\")),
            ("S\xa0x /p\u2028\x85 xfs ro", FstabEntry("S\xa0x", "/p\u2028\x85", "xfs", "ro")),
            ("S /p\udce9 xfs \\351", FstabEntry("S", "/p\udce9", "xfs", "\udce9")),
        ],
    )
    def test_an_entry(self, text: str, entry: FstabEntry) -> None:
        assert only_entry(text) == entry
        assert FstabFile.decode(text).faults() == ()

    @pytest.mark.parametrize("text", ["\n", "\r\n", " \t\n", "# S /p xfs ro\n", " #", "#\0\n"])
    def test_neither_entry_nor_fault(self, text: str) -> None:
        (line,) = FstabFile.decode(text).lines
        assert (line.entry, line.fault) == (None, None)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("S", "fewer than three fields"),
            ("S /p # xfs ro 0 0\n", "fewer than three fields"),
            ("S # /p xfs ro\n", "fewer than three fields"),
            ("S /p\0 xfs ro\n", "NUL"),
        ],
    )
    def test_a_malformed_line(self, text: str, fault: str) -> None:
        (line,) = FstabFile.decode(text).faults()
        assert line.entry is None
        assert fault in (line.fault or "")

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("S /p xfs ro # why", "no comment before the sixth field"),
            ("S /p xfs ro 0 #why\r\n", "no comment before the sixth field"),
            ("S /p xfs #why\n", "no comment before the sixth field"),
            ("S /p xfs ro x 0\n", "field 5"),
            ("S /p xfs ro 0 2#why\n", "field 6"),
            ("S /p xfs ro 0 " + "9" * 5000, "field 6"),
            ("S /p xfs ro 0 ٢", "field 6"),
            ("S /p xfs ro\r\n", "carriage return"),
            ("S /p xfs\r", "carriage return"),
        ],
    )
    def test_an_entry_that_one_reader_ignores(self, text: str, fault: str) -> None:
        (line,) = FstabFile.decode(text).faults()
        assert line.entry is not None
        assert fault in (line.fault or "")

    @pytest.mark.parametrize("text", ["S /p xfs ro \r\n", "S /p xfs ro 0\r\n", "S /p xfs ro 0 0\r"])
    def test_a_carriage_return_that_harms_nobody(self, text: str) -> None:
        assert FstabFile.decode(text).faults() == ()

    def test_escapes_of_three_digits_only(self) -> None:
        assert unescape(r"\0401\1\12x\134\\") == " 1\\1\\12x\\\\\\"


class TestFinding:
    FILE = FstabFile.decode(
        "/dev/rbd//p/i /srv/a xfs\n"
        "//srv/share /srv//a/ cifs\n"
        "host:/x//y / nfs # why\n"
        "/dev/rbd/p/i none swap\n"
        "# /dev/rbd/p/i /srv/a xfs\n"
    )

    @pytest.mark.parametrize(
        ("source", "path", "numbers"),
        [
            (None, None, [1, 2, 3, 4]),
            ("/dev/rbd/p/i", None, [1, 4]),
            ("///dev//rbd/p/i/", "/srv/a/", [1]),
            ("/dev/rbd/p/i", "/", []),
            ("/srv/share", None, []),
            ("//srv/share", None, [2]),
            (None, "//srv/a", [1, 2]),
            (None, "//", [3]),
            ("host:/x//y", None, [3]),
            ("host:/x/y", None, []),
            (None, "none", [4]),
            (None, "", []),
        ],
    )
    def test_by_source_and_path(self, source: str | None, path: str | None, numbers: list[int]) -> None:
        assert [line.number for line in self.FILE.find(source, path)] == numbers
        if (source, path) != (None, None):
            left = [line.text for line in self.FILE.lines if line.number not in numbers]
            assert [line.text for line in self.FILE.remove(source, path).lines] == left

    def test_removing_nothing_is_no_edit(self) -> None:
        assert self.FILE.remove(path="/other") is self.FILE

    def test_removing_everything_must_be_meant(self) -> None:
        with pytest.raises(ValueError, match="needs a source or a path"):
            self.FILE.remove()


class TestSetting:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("", LINE.replace(" ", "\t")),
            ("# c", "# c\n" + LINE.replace(" ", "\t")),
            (LINE, LINE),
            # The same meaning, spelled otherwise.
            ("/dev//rbd/p/i  /srv/a/ xfs noauto,_netdev", "/dev//rbd/p/i  /srv/a/ xfs noauto,_netdev"),
            (
                r"/dev/rbd/\160/i /srv/a xfs noauto,_netdev 00 +0 # c",
                r"/dev/rbd/\160/i /srv/a xfs noauto,_netdev 00 +0 # c",
            ),
            # Only what differs is written.
            (
                r"/dev/rbd/p/i /srv/a x\146s \156oauto,_netdev # c",
                r"/dev/rbd/p/i /srv/a x\146s \156oauto,_netdev 0 0 # c",
            ),
            (
                "/dev/rbd//p/i\t/srv/a/  ext4 defaults 0 0 # c\r\n",
                "/dev/rbd//p/i\t/srv/a/  xfs noauto,_netdev 0 0 # c\r\n",
            ),
            ("  /dev/rbd/p/i /srv/a xfs ro", "  /dev/rbd/p/i /srv/a xfs noauto,_netdev"),
            ("/dev/rbd/p/i /srv/a xfs", "/dev/rbd/p/i /srv/a xfs noauto,_netdev"),
            ("/dev/rbd/p/i /srv/a xfs noauto,_netdev 1 2 \n", "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0 \n"),
            # A comment gets the fields without which libmount ignores the line.
            ("/dev/rbd/p/i /srv/a xfs noauto,_netdev  # c\n", "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0  # c\n"),
            ("/dev/rbd/p/i\t/srv/a\txfs\tro\t0\t# c\n", "/dev/rbd/p/i\t/srv/a\txfs\tnoauto,_netdev\t0\t0\t# c\n"),
            ("/dev/rbd/p/i /srv/a xfs # c\n", "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0 # c\n"),
            ("/dev/rbd/p/i /srv/a xfs ro 0 why\n", "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0 why\n"),
            ("/dev/rbd/p/i /srv/a xfs noauto,_netdev\r\n", "/dev/rbd/p/i /srv/a xfs noauto,_netdev 0 0\r\n"),
            # Duplicates go, wherever they are; the first one stays in its place.
            ("#1\n" + LINE + "#2\n" + LINE.replace("xfs", "ext4") + "#3", "#1\n" + LINE + "#2\n#3"),
            (LINE.replace("xfs", "ext4") + "U=1 /srv/a xfs\n" + LINE.rstrip(), LINE + "U=1 /srv/a xfs\n"),
        ],
    )
    def test_edits_as_little_as_it_can(self, before: str, after: str) -> None:
        assert edit(before) == after

    @pytest.mark.parametrize(
        ("dump", "passno", "after"),
        [
            (None, None, "/dev/rbd/p/i\t/srv/a\txfs\tdefaults\n"),
            (1, None, "/dev/rbd/p/i\t/srv/a\txfs\tdefaults\t1\n"),
            (None, 2, "/dev/rbd/p/i\t/srv/a\txfs\tdefaults\t0\t2\n"),
        ],
    )
    def test_writes_the_numbers_that_are_given(self, dump: int | None, passno: int | None, after: str) -> None:
        entry = FstabEntry("/dev/rbd/p/i", "/srv/a", "xfs", "defaults", dump, passno)
        assert edit("", entry) == after
        assert edit("/dev/rbd/p/i\t/srv/a\txfs\n", entry) == (
            "/dev/rbd/p/i\t/srv/a\txfs\n" if dump is passno else after
        )

    def test_without_a_number_means_zero(self) -> None:
        entry = FstabEntry("/dev/rbd/p/i", "/srv/a", "xfs", "ro")
        assert edit("/dev/rbd/p/i /srv/a xfs ro 0 0\n", entry) == "/dev/rbd/p/i /srv/a xfs ro 0 0\n"
        assert edit("/dev/rbd/p/i /srv/a xfs ro 1 2\n", entry) == "/dev/rbd/p/i /srv/a xfs ro 0 0\n"

    def test_escapes_what_would_end_a_field(self) -> None:
        entry = FstabEntry("/dev/a b", "/p\tq\\040\\r/#é", "xfs", 'x="a b"')
        assert edit("", entry) == '/dev/a\\040b\t/p\\011q\\134040\\134r/#é\txfs\tx="a\\040b"\n'

    @pytest.mark.parametrize(
        ("entry", "cause"),
        [
            (FstabEntry("", "/p", "xfs"), "source is empty"),
            (FstabEntry("S", "", "xfs"), "path is empty"),
            (FstabEntry("S", "/p", ""), "fstype is empty"),
            (FstabEntry("S", "/p", "xfs", ""), "opts is empty"),
            (FstabEntry("#S", "/p", "xfs"), 'source begins with "#"'),
            (FstabEntry("S", "/p", "#xfs"), 'fstype begins with "#"'),
            (FstabEntry("S", "/p", "xfs", "a\\\\b"), "opts has two backslashes"),
            (FstabEntry("S", "/p", "xfs", "#ro"), 'opts begins with "#"'),
            (FstabEntry(" S", "/p", "xfs"), "source begins or ends with a blank"),
            (FstabEntry("S", "/p\t", "xfs"), "path begins or ends with a blank"),
            (FstabEntry("S", "/p\\", "xfs"), "path ends with a backslash"),
            (FstabEntry("S", "/p", "xfs", "ro\\"), "opts ends with a backslash"),
            (FstabEntry("S", "/p\nq", "xfs"), "path has a control character"),
            (FstabEntry("S", "/p", "xfs", "ro\r"), "opts has a control character"),
            (FstabEntry("S\n", "/p", "xfs"), "source has a control character"),
            (FstabEntry("S\0", "/p", "xfs"), "source has a control character"),
            (FstabEntry("S", "/p\udce9", "xfs"), "path has a character that systemd does not accept"),
            (FstabEntry("S", "/p\ufffe", "xfs"), "path has a character that systemd does not accept"),
            (FstabEntry("S", "/p\U0010ffff", "xfs"), "path has a character that systemd does not accept"),
            (FstabEntry("S", "p", "xfs"), "path is not absolute"),
            (FstabEntry("S", "/p/../q", "xfs"), 'path has a "." or ".."'),
            (FstabEntry("S", "/p/.", "xfs"), 'path has a "." or ".."'),
            (FstabEntry("/dev/../S", "/p", "xfs"), 'source has a "." or ".."'),
            (FstabEntry("S", "/p", "xfs", "ro", -1), "dump -1 is not between"),
            (FstabEntry("S", "/p", "xfs", "ro", 0, 2**31), "passno 2147483648 is not between"),
            (FstabEntry("S", "/p", "xfs", "x" * 4086), "longer than 4094 bytes"),
            (FstabEntry("S", "/p", "xfs", "é" * 2043), "longer than 4094 bytes"),
        ],
    )
    def test_refuses_what_a_reader_would_misread(self, entry: FstabEntry, cause: str) -> None:
        for text in ("", "S /p xfs nothing\n"):
            with pytest.raises(RbdError, match="Cannot write the fstab entry of ") as refusal:
                edit(text, entry)
            assert cause in str(refusal.value)

    def test_writes_up_to_the_limit(self) -> None:
        entry = FstabEntry("S", "/p", "xfs", "x" * 4085)
        assert len(edit("", entry)) == 4095
        comment = " # " + "why" * 2000
        assert edit("S /p xfs ro 0 0" + comment, FstabEntry("S", "/p", "xfs")) == "S /p xfs defaults 0 0" + comment

    def test_keeps_options_out_of_its_refusals(self) -> None:
        with pytest.raises(RbdError) as refusal:
            edit("", FstabEntry("S", "/p", "xfs", "password=hush\n"))
        assert "hush" not in str(refusal.value)


class TestWhatOthersGetWrong:
    """The defects of ansible.posix.mount 3.0.0 that lie in its reading and writing of the file."""

    @pytest.mark.parametrize(
        "line",
        [
            "/dev/rbd/p/i /srv/a xfs ro\n",
            "/dev/rbd/p/i /srv/a xfs ro 0\n",
            "/dev/rbd/p/i /srv/a xfs ro 0 0 # why\n",
            "/dev/rbd/p/i /srv/a xfs ro # why\n",
            "/dev/rbd/p/i /srv/a xfs\n",
        ],
    )
    def test_short_and_commented_lines_are_removed(self, line: str) -> None:
        assert FstabFile.decode(f"# before\n{line}# after\n").remove(path="/srv/a").encode() == "# before\n# after\n"

    def test_a_comment_survives_an_update(self) -> None:
        assert edit(f"# before\n{LINE.rstrip()} # why\n# after\n", FstabEntry("/dev/rbd/p/i", "/srv/a", "ext4")) == (
            "# before\n/dev/rbd/p/i /srv/a ext4 defaults 0 0 # why\n# after\n"
        )

    def test_duplicates_do_not_stay(self) -> None:
        assert edit(LINE * 3) == LINE
        assert FstabFile.decode(LINE * 3).remove("/dev/rbd/p/i").encode() == ""

    def test_a_tab_is_not_written_raw(self) -> None:
        assert "/a\\011b" in edit("", FstabEntry("S", "/a\tb", "xfs"))

    def test_an_edit_leaves_what_it_was_made_from_alone(self) -> None:
        """So check mode and diff have both texts, and nothing was touched."""
        file = FstabFile.decode(LINE)
        assert file.remove(path="/srv/a").encode() == ""
        assert file.encode() == LINE


class TestRedacting:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("//h/s /m cifs user=a,password=b,ro 0 0\n", "//h/s /m cifs user=a,password=********,ro 0 0\n"),
            ("S /m cifs pass=b\r\n", "S /m cifs pass=********\r\n"),
            ("S /m cifs ro,passwd=b=c# 0 0", "S /m cifs ro,passwd=******** 0 0"),
            ("S /m cifs password=a,,b,ro", "S /m cifs password=********,ro"),
            ("S /m cifs password2=a,PASSWORD=b", "S /m cifs password2=********,PASSWORD=********"),
            ('S /m cifs password="a,b",ro', "S /m cifs password=********,ro"),
            ("S /m cifs username=d/u%pw,ro", "S /m cifs username=d/u%********,ro"),
            ("m:/ /m ceph name=a,secret=AQ==,_netdev", "m:/ /m ceph name=a,secret=********,_netdev"),
            ("S /m ecryptfs key=x,ecryptfs_passwd=y", "S /m ecryptfs key=********,ecryptfs_passwd=********"),
            ("# S /m ceph secret=AQ==,ro 0 0\n", "# S /m ceph secret=********,ro 0 0\n"),
            ("#secret=a\nS /m xfs ro 0 0 # was pass=b\n", "#secret=********\nS /m xfs ro 0 0 # was pass=********\n"),
            ("S secret=a\n", "S secret=********\n"),
            # No secrets, but names that look alike.
            ("key=a /secret=b pass=c ro", "key=a /secret=b pass=c ro"),
            ("S /m ceph secretfile=/etc/x,credentials=/y", "S /m ceph secretfile=/etc/x,credentials=/y"),
            ("S /m cifs password=,user=a,monkey=b,key", "S /m cifs password=,user=a,monkey=b,key"),
        ],
    )
    def test_masks_only_secret_values(self, text: str, shown: str) -> None:
        assert redact(text) == shown
