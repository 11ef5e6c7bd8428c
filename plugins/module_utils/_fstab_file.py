# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
r"""A lossless codec for fstab(5).

Two programs read the file: libmount (mount, findmnt) and systemd-fstab-generator. They differ, and
what is written here is understood alike by both, as tried with util-linux 2.38, 2.41, 2.42 and systemd
252, 257, 262:

* libmount undoes every octal escape. systemd 252 and 257 read by getmntent(3), which undoes only
  ``\040``, ``\011``, ``\012``, ``\134`` and ``\\``, and cuts a line after 4095 bytes; 262 reads by libmount.
* libmount skips a whole line with "parse error" when anything but a number stands where dump or
  passno belong, a trailing comment included; getmntent reads those as 0. After passno, both
  ignore the rest of the line.
* systemd turns an entry into a unit file, where blanks around a value are stripped, a backslash at its
  end continues the line, and anything but valid UTF-8 is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ._errors import RbdError

_SOURCE, _PATH, _FSTYPE, _OPTS, _DUMP, _PASSNO = range(6)
_FIELDS = 6
_LABELS = ("source", "path", "fstype", "opts")

_GAP_OR_WORD = re.compile(r"([ \t]*)([^ \t]+)")
_OCTALS = re.compile(r"(?:\\[0-7]{3})+")
_ESCAPED = re.compile(r"[ \t\\]")

# strtol() reads more digits than these into an overflow.
_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")
_LARGEST = 2**31 - 1

# glibc misc/mntent.c: BUFFER_SIZE 4096, of which fgets() leaves room for the newline and a NUL.
_LONGEST = 4094

# systemd, unichar_is_valid(): neither surrogates nor noncharacters.
_INVALID = "\ud800-\udfff\ufdd0-\ufdef" + "".join(chr(p << 16 | 0xFFFE) + chr(p << 16 | 0xFFFF) for p in range(17))
_REFUSALS = (
    (re.compile(r"\A\Z"), "is empty"),
    (re.compile(r"\A#"), 'begins with "#", and would be read as a comment'),
    (re.compile(r"\A[ \t]|[ \t]\Z"), "begins or ends with a blank, which systemd would strip"),
    (re.compile(r"\\\Z"), "ends with a backslash, which systemd would read as a continued line"),
    (re.compile(r"[\x00-\x08\x0a-\x1f\x7f]"), "has a control character"),
    (re.compile(f"[{_INVALID}]"), "has a character that systemd does not accept as UTF-8"),
)
# systemd, fstab_filter_options(): 252 and 257 write one for every two of them.
_TWO_BACKSLASHES = "\\" * 2
_DOTS = re.compile(r"/\.\.?(?:/|\Z)")

_MASK = "********"
# cifs also takes user=<name>%<password>, doubles a comma inside a password, and names a second one.
_SECRET = re.compile(
    r"""(?<![^\s,"'#])
        (   (?:[\w.-]*[_.-])?(?:password2?|passwd|pass|passphrase|secret|key)=
          | user(?:name)?=[^\s,%]*%
        )
        (?:"[^"\n]*"|,,|[^\s,])+""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class FstabEntry:
    """One entry, with the escapes undone.

    ``dump`` and ``passno`` are None where the field is not written, which means 0 to every reader.
    """

    source: str
    path: str
    fstype: str
    opts: str = "defaults"
    dump: int | None = None
    passno: int | None = None


@dataclass(frozen=True)
class FstabLine:
    """One physical line, with its line ending.

    ``entry`` is None for blank lines, comments, and lines in which no entry can be made out.
    ``fault`` says, as a clause, why a reader ignores or misreads the line. A line may have both: an
    entry that systemd mounts, though libmount ignores it.
    """

    number: int
    text: str
    entry: FstabEntry | None
    fault: str | None


@dataclass(frozen=True)
class FstabFile:
    """The whole file. ``decode(text).encode() == text`` for every text; edits return a new file."""

    lines: tuple[FstabLine, ...] = ()

    @classmethod
    def decode(cls, text: str) -> FstabFile:
        """Read a whole file (decoded with surrogateescape). Never raises: malformed lines are kept."""
        *whole, rest = text.split("\n")
        texts = [line + "\n" for line in whole] + ([rest] if rest else [])
        return cls(tuple(_decode_line(number, line) for number, line in enumerate(texts, 1)))

    def encode(self) -> str:
        """The file's text."""
        return "".join(line.text for line in self.lines)

    def find(self, source: str | None = None, path: str | None = None) -> tuple[FstabLine, ...]:
        """The lines whose entry has this source and this path; None matches every one.

        Spellings are compared as `source_key` and `path_key` give them.
        """
        wanted_source = None if source is None else source_key(source)
        wanted_path = None if path is None else path_key(path)
        return tuple(
            line
            for line in self.lines
            if line.entry is not None
            and (wanted_source is None or source_key(line.entry.source) == wanted_source)
            and (wanted_path is None or path_key(line.entry.path) == wanted_path)
        )

    def set(self, entry: FstabEntry) -> FstabFile:
        """The file with exactly one line for this source and path, which says what the entry says.

        The first such line is edited where it stands and keeps its spacing, its trailing comment and
        the spelling of each field that already has the wanted value; the others are removed. Without
        one, a line is appended. A line that libmount ignores only for want of dump and passno gets
        them. The same object is returned when nothing changes.

        :raises RbdError: the entry cannot be written so that both readers understand it as meant.
        """
        _require_writable(entry)
        found = self.find(entry.source, entry.path)
        if not found:
            return self._append(_new_text(entry))
        first = found[0]
        edited = _edited_text(first, entry)
        if edited == first.text and len(found) == 1:
            return self
        surplus = {line.number for line in found[1:]}
        kept = [line for line in self.lines if line.number not in surplus]
        return _numbered(_decode_line(0, edited) if line is first else line for line in kept)

    def remove(self, source: str | None = None, path: str | None = None) -> FstabFile:
        """The file without the lines that `find` finds; the same object when there are none.

        :raises ValueError: neither a source nor a path is given.
        """
        if source is None and path is None:
            raise ValueError("remove() needs a source or a path")
        gone = {line.number for line in self.find(source, path)}
        if not gone:
            return self
        return _numbered(line for line in self.lines if line.number not in gone)

    def faults(self) -> tuple[FstabLine, ...]:
        """The lines that a reader ignores or misreads."""
        return tuple(line for line in self.lines if line.fault is not None)

    def _append(self, text: str) -> FstabFile:
        lines = list(self.lines)
        if lines and not lines[-1].text.endswith("\n"):
            lines[-1] = replace(lines[-1], text=lines[-1].text + "\n")
        return _numbered([*lines, _decode_line(0, text)])


def path_key(path: str) -> str:
    """A path as libmount and systemd compare it: repeated slashes are one, one at the end is none."""
    if not path.startswith("/"):
        return path
    return re.sub(r"/+", "/", path).rstrip("/") or "/"


def source_key(source: str) -> str:
    """A source as it is compared: an absolute path as `path_key` gives it, anything else literally.

    Exactly two slashes in front are no path but a share of cifs, ``//<host>/<share>``.
    """
    is_share = source.startswith("//") and not source.startswith("///")
    return source if is_share else path_key(source)


def unescape(text: str) -> str:
    r"""Undo the octal escapes (``\040``) of fstab and mountinfo, byte by byte, as libmount does."""
    return _OCTALS.sub(_octals_to_text, text) if "\\" in text else text


def redact(text: str) -> str:
    """The text of an fstab with the values of secret options, also those in comments, masked.

    Source, path and file system type of an entry, and every other byte, stay as they are.
    """
    return "".join(_redact_line(line) for line in FstabFile.decode(text).lines)


def _redact_line(line: FstabLine) -> str:
    start = 0
    if line.entry is not None:
        words = _Words.of(line.text)
        start = sum(len(gap + field) for gap, field in zip(words.gaps[:_OPTS], words.fields[:_OPTS]))
    return line.text[:start] + _SECRET.sub(rf"\g<1>{_MASK}", line.text[start:])


def _octals_to_text(found: re.Match[str]) -> str:
    values = (int(octal, 8) & 0xFF for octal in found.group().split("\\")[1:])
    return bytes(values).decode("utf-8", "surrogateescape")


def _escape(value: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\{ord(found.group()):03o}", value)


@dataclass(frozen=True)
class _Words:
    """A line taken apart: each field with the gap before it, and the rest with the line ending."""

    gaps: tuple[str, ...]
    fields: tuple[str, ...]
    tail: str
    ending: str

    @classmethod
    def of(cls, text: str) -> _Words:
        # libmount takes exactly one carriage return with the newline.
        bare = text[:-1] if text.endswith("\n") else text
        bare = bare[:-1] if bare.endswith("\r") else bare
        gaps: list[str] = []
        fields: list[str] = []
        at = 0
        for index in range(_FIELDS):
            found = _GAP_OR_WORD.match(bare, at)
            if found is None or not _can_be(index, found.group(2)):
                break
            gaps.append(found.group(1))
            fields.append(found.group(2))
            at = found.end()
        return cls(tuple(gaps), tuple(fields), bare[at:], text[len(bare) :])

    @property
    def fault(self) -> str | None:
        if len(self.fields) == _FIELDS:
            return None
        rest = self.tail.strip(" \t")
        if rest.startswith("#"):
            return "libmount reads no comment before the sixth field, and ignores the line"
        if rest:
            return f"libmount reads no number in its field {len(self.fields) + 1}, and ignores the line"
        if self.ending.startswith("\r") and not self.tail and len(self.fields) <= _DUMP:
            return "systemd reads the carriage return at its end as a part of the last field"
        return None


def _can_be(index: int, word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None if index >= _DUMP else not word.startswith("#")


def _decode_line(number: int, text: str) -> FstabLine:
    words = _Words.of(text)
    if not words.fields:
        return FstabLine(number, text, None, None)
    if "\0" in text:
        return FstabLine(number, text, None, "it has a NUL byte")
    if len(words.fields) <= _FSTYPE:
        return FstabLine(number, text, None, "it has fewer than three fields")
    source, path, fstype, opts, *_rest = [*(unescape(field) for field in words.fields[:_DUMP]), "defaults"]
    dump, passno, *_more = [*(int(field) for field in words.fields[_DUMP:]), None, None]
    return FstabLine(number, text, FstabEntry(source, path, fstype, opts, dump, passno), words.fault)


def _numbered(lines: Iterable[FstabLine]) -> FstabFile:
    numbered = (line if line.number == number else replace(line, number=number) for number, line in enumerate(lines, 1))
    return FstabFile(tuple(numbered))


def _spellings(entry: FstabEntry) -> list[str]:
    named = [_escape(value) for value in (entry.source, entry.path, entry.fstype, entry.opts)]
    return [*named, str(entry.dump or 0), str(entry.passno or 0)]


def _unchanged(old: FstabEntry, new: FstabEntry) -> tuple[bool, ...]:
    """For each field, whether its spelling in the file can stay. Source and path are what matched."""
    numbers = (old.dump or 0) == (new.dump or 0), (old.passno or 0) == (new.passno or 0)
    return (True, True, old.fstype == new.fstype, old.opts == new.opts, *numbers)


def _new_text(entry: FstabEntry) -> str:
    last = _PASSNO if entry.passno is not None else _DUMP if entry.dump is not None else _OPTS
    return _within_limit("\t".join(_spellings(entry)[: last + 1]), entry) + "\n"


def _edited_text(line: FstabLine, entry: FstabEntry) -> str:
    if line.entry is None:
        raise ValueError("only the line of an entry can be edited")
    words = _Words.of(line.text)
    same = _unchanged(line.entry, entry)
    if all(same) and line.fault is None:
        return line.text
    # A missing field is written when its value is not the one that its absence means, when one after
    # it is written, or when a comment or a carriage return follows.
    differing = [index for index in range(_FIELDS) if not same[index]]
    last = _PASSNO if line.fault is not None else max(differing)
    gap = "\t" if "\t" in "".join(words.gaps[1:]) else " "
    present = len(words.fields)
    text = ""
    for index, spelling in enumerate(_spellings(entry)):
        if index < present:
            text += words.gaps[index] + (words.fields[index] if same[index] else spelling)
        elif index <= last:
            text += gap + spelling
    return _within_limit(text, entry) + words.tail + words.ending


def _within_limit(text: str, entry: FstabEntry) -> str:
    if len(text.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise _refusal(entry, f"its line is longer than {_LONGEST} bytes, and systemd would cut it")
    return text


def _require_writable(entry: FstabEntry) -> None:
    for label, value in zip(_LABELS, (entry.source, entry.path, entry.fstype, entry.opts)):
        for pattern, fault in _REFUSALS:
            if pattern.search(value):
                raise _refusal(entry, f"its {label} {fault}")
    if _TWO_BACKSLASHES in entry.opts:
        raise _refusal(entry, "its opts has two backslashes in a row, which systemd would read as one")
    if not entry.path.startswith("/"):
        raise _refusal(entry, "its path is not absolute")
    # The generator fails on them as a whole: "Failed to generate unit name: Invalid argument".
    for label, value in (("source", entry.source), ("path", entry.path)):
        if value.startswith("/") and _DOTS.search(value):
            raise _refusal(entry, f'its {label} has a "." or ".." between slashes')
    for label, number in (("dump", entry.dump), ("passno", entry.passno)):
        if number is not None and not 0 <= number <= _LARGEST:
            raise _refusal(entry, f"its {label} {number} is not between 0 and {_LARGEST}")


def _refusal(entry: FstabEntry, cause: str) -> RbdError:
    # The options stay out of the message: they may hold a secret.
    return RbdError(
        f"write the fstab entry of {entry.source!r} at {entry.path!r}",
        cause,
        "Give a value that both mount and systemd can read from fstab.",
    )
