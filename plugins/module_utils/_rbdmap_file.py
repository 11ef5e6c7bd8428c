# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lossless codec of ``/etc/ceph/rbdmap``: its lines mean what the rbdmap script makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ._errors import RbdError
from ._image_spec import ImageSpec
from ._map_options import KNOWN as KNOWN_MAP_OPTIONS, MapOptions
from ._rbdmap_script import BLANKS, argv, command_words, mangled, read, split

Parameters = tuple[tuple[str, "str | None"], ...]

# `rbd help device map`; the rest are options of ceph itself (conf, cluster, client_mount_timeout, ...).
_FLAGS = frozenset({"read-only", "exclusive", "quiesce", "show-cookie"})
_SHORT: Mapping[str, str] = {"-c": "conf", "-i": "id", "-k": "keyring", "-n": "name", "-o": "options", "-p": "pool"}
_VALUED = frozenset({"cluster", "conf", "id", "key", "keyring", "name", "options", "user"})
_NAME_IMAGE = frozenset({"image", "namespace", "pool", "snap"})
# Parameters that RbdmapEntry.of() has an argument for, or that would name another image or carry a key.
_RESERVED = _FLAGS | _NAME_IMAGE | (_VALUED - {"cluster", "conf"}) | {"device-type", "keyfile", "secret"}
# Map options that rbd and ceph refuse as options of their own.
_MAP_ONLY = KNOWN_MAP_OPTIONS - {"crush_location", "exclusive", "fsid"}

# One line to bash's read: an escaped newline goes on; the last may lack its newline.
_LINE = re.compile(r"(?s)(?:\\.|[^\\\n])*(?:\n|\\?\Z)")
_TERMINATED = re.compile(r"(?<!\\)(?:\\\\)*\n\Z")
# Indentation, image, separator, parameters, and the comment that the first number sign opens.
_SHAPE = re.compile(r"(?s)([ \t]*)(?:\\.|[^ \t\n\\])+([ \t]*)[^#]*?[ \t]*(#.*?)?\r?\n?\Z")

# How a line says that several hosts may write to its image at once; rbdmap cuts it off with the comment.
_SHARED = re.compile(r"#[ \t]*shared\b[ \t]*")

_UNREAD = "it has no newline at its end, so rbdmap never reads it"
_MANGLES = "rbdmap would not pass it on to the rbd command as it is"
_NO_OPTIONS = MapOptions()
_HIDDEN = "********"


@dataclass(frozen=True)
class RbdmapEntry:
    """What a line says: the image, and the parameters that rbdmap passes to ``rbd device map``.

    :ivar parameters: name and value of each ``--name [value]``, in their order.
    :ivar shared: whether several hosts may write to the image at once: the line's comment begins with ``shared``.
    """

    image: ImageSpec
    parameters: Parameters = ()
    shared: bool = False

    @classmethod
    def of(
        cls,
        image: ImageSpec,
        *,
        user: str | None = None,
        keyring: str | None = None,
        options: MapOptions = _NO_OPTIONS,
        read_only: bool = False,
        extra: Mapping[str, str | int] | None = None,
    ) -> RbdmapEntry:
        """Build the entry that shall be written.

        :param user: cephx user without ``client.``.
        :param keyring: path of its keyring.
        :param read_only: as ``--read-only``, which rbd knows in every release (``--read_only`` it refuses).
        :param extra: further options of ceph, such as ``client_mount_timeout``, ``cluster`` or ``conf``.
        :raises RbdError: a parameter that rbdmap or rbd would not take as it is meant.
        """
        what = f"write the rbdmap line of {image}"
        if read_only and "rw" in options:
            # parse_map_options() comes last in rbd's execute_map(): rw would win over --read-only.
            raise RbdError(what, "it shall be read-only, and has the map option rw", "Leave one of the two out.")
        for name in extra or {}:
            if name in _RESERVED | _MAP_ONLY:
                raise RbdError(what, f"{name!r} cannot be an extra parameter", "Use the option that is made for it.")
        given = {"id": user, "keyring": keyring, **{name: str(value) for name, value in (extra or {}).items()}}
        parameters: list[tuple[str, str | None]] = [item for item in given.items() if item[1] is not None]
        if read_only:
            parameters.append(("read-only", None))
        if options:
            parameters.append(("options", str(options)))
        entry = cls(image, tuple(parameters))
        entry.render()
        return entry

    @property
    def user(self) -> str | None:
        """The cephx user without ``client.``, or None where the line leaves it to ceph (admin)."""
        users = [value for name, value in self._plain() if name == "id"]
        return users[-1] if users else None

    @property
    def keyring(self) -> str | None:
        """The path of the keyring, or None where ceph searches for it."""
        paths = [value for name, value in self._plain() if name == "keyring"]
        return paths[-1] if paths else None

    @property
    def options(self) -> MapOptions:
        """The map options, without ``ro`` and ``rw``, which :attr:`read_only` tells."""
        items = self._all_options().items
        return MapOptions(tuple(item for item in items if item[0] not in ("ro", "rw")))

    @property
    def read_only(self) -> bool:
        """Whether the image is mapped read-only by ``--read-only`` or the map option ``ro``."""
        return "ro" in self._all_options()

    def same_as(self, other: RbdmapEntry) -> bool:
        """Whether both make the same mapping, however they are spelled."""
        return self._meaning() == other._meaning()

    def argv(self) -> tuple[str, ...]:
        """The words behind ``rbd device map`` that this entry means."""
        named = ((f"--{name}",) if value is None else (f"--{name}", value) for name, value in self.parameters)
        return (str(self.image), *(word for pair in named for word in pair))

    def render(self, separator: str = " ", comment: str = "") -> str:
        """The line, without its newline.

        :param comment: what shall stand behind it, from its number sign on.
        :raises RbdError: rbdmap would read the line otherwise than it is meant.
        """
        what = f"write the rbdmap line of {self.image}"
        self._require_readable_image(what)
        for name, value in self.parameters:
            _require_readable(what, name, value)
        params = ",".join(name if value is None else f"{name}={_quoted(value)}" for name, value in self.parameters)
        line = f"{self.image}{separator}{params}" if params else str(self.image)
        if argv(line) != self.argv():
            raise RbdError(what, _MANGLES, "Use plainer names and values.")
        marked = self._marked(comment)
        return f"{line} {marked}" if marked else line

    def _marked(self, comment: str) -> str:
        """The comment, with the mark exactly if the image is shared."""
        if _is_shared(comment) == self.shared:
            return comment
        rest = comment.lstrip("# \t") if self.shared else _SHARED.sub("", comment, count=1)
        words = [*(["shared"] if self.shared else []), *([rest] if rest else [])]
        return " ".join(["#", *words]) if words else ""

    def _require_readable_image(self, what: str) -> None:
        try:
            self.image.require_mappable()
        except RbdError as error:
            raise RbdError(what, error.cause, error.advice) from error
        if str(self.image).startswith("-"):
            raise RbdError(what, "the rbd command would take a pool's leading - for an option", "Rename the pool.")

    def _plain(self) -> Iterator[tuple[str, str | None]]:
        """The parameters other than map options, each under one name: ceph takes ``_`` for ``-``."""
        for name, value in self.parameters:
            if name == "user" or (name == "name" and (value or "").startswith("client.")):
                yield "id", value.removeprefix("client.") if value and name == "name" else value
            elif name not in ("options", "read-only", "exclusive"):
                yield name.replace("-", "_"), value

    def _all_options(self) -> MapOptions:
        """Flags of the command first, then each ``-o``: the order of rbd's execute_map()."""
        given = {name for name, _value in self.parameters}
        found = MapOptions.read(",".join([*(["ro"] if "read-only" in given else []), *({"exclusive"} & given)]))
        for name, value in self.parameters:
            if name == "options":
                found = found.merged(MapOptions.read(value or ""))
        return found

    def _meaning(self) -> tuple[object, ...]:
        options = self._all_options()
        return self.image, dict(self._plain()), options.for_kernel(), "noudev" in options, self.shared


def _is_shared(comment: str) -> bool:
    return bool(_SHARED.match(comment))


def _quoted(value: str) -> str:
    return f"'{value}'" if "=" in value or "," in value else value


def _require_readable(what: str, name: str, value: str | None) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise RbdError(what, f"{name!r} is not the name of a parameter", "Names are of a to z, 0 to 9, - and _.")
    if value is None:
        return
    where = f"the value of {name}"
    if not value:
        raise RbdError(what, f"{where} is empty, and rbd would take the next word for it", "Give it a value.")
    if value.startswith("-"):
        raise RbdError(what, f"{where}, {value!r}, would be an option to the rbd command", "Use another value.")
    bad = mangled(value)
    if bad is not None:
        raise RbdError(what, f"{where} has {bad!r}, and {_MANGLES}", "Use a value without that character.")


@dataclass(frozen=True)
class RbdmapLine:
    """One line to rbdmap; of more than one physical line where a backslash precedes the newline.

    :ivar number: of its first physical line, from 1.
    :ivar text: with its newline.
    :ivar entry: what it says, as far as that can be told, or None: a comment, or no image to be made out.
    :ivar fault: a clause on why rbdmap or rbd does not do what the line seems to say, or None.
    """

    number: int
    text: str
    entry: RbdmapEntry | None = None
    fault: str | None = None

    @property
    def terminated(self) -> bool:
        """Whether a newline ends it; rbdmap never reads a line that lacks it."""
        return bool(_TERMINATED.search(self.text))

    @property
    def effective(self) -> bool:
        """Whether rbdmap maps an image by this line."""
        return self.entry is not None and self.fault is None


@dataclass(frozen=True)
class RbdmapFile:
    """The whole file; equal texts are equal values."""

    lines: tuple[RbdmapLine, ...] = ()

    @staticmethod
    def decode(text: str) -> RbdmapFile:
        """Take the file apart. Never raises, whatever the text; undecodable bytes may come as surrogates."""
        return _numbered(_decode_line(found.group()) for found in _LINE.finditer(text) if found.group())

    def encode(self) -> str:
        """The text again, every byte of it."""
        return "".join(line.text for line in self.lines)

    def find(self, image: ImageSpec) -> tuple[RbdmapLine, ...]:
        """The lines for an image; rbdmap goes by the first effective one."""
        return tuple(line for line in self.lines if line.entry is not None and line.entry.image == image)

    def faults(self) -> tuple[RbdmapLine, ...]:
        """The lines that do not do what they seem to say."""
        return tuple(line for line in self.lines if line.fault is not None)

    def set(self, entry: RbdmapEntry) -> RbdmapFile:
        """Have exactly one line for the entry's image, saying what the entry says.

        A line that means the same stays as it is spelled; a differing one keeps its place,
        indentation, separator and comment; further lines for the image go; a new line comes last.

        :raises RbdError: the line cannot be written so that rbdmap reads what is meant.
        """
        found = self.find(entry.image)
        if not found:
            last = tuple(_decode_line(_terminated(line.text)) for line in self.lines[-1:])
            return _numbered((*self.lines[:-1], *last, _decode_line(f"{entry.render()}\n")))
        first = found[0]
        stays = first.fault in (None, _UNREAD) and first.entry is not None and first.entry.same_as(entry)
        new = _decode_line(_terminated(first.text if stays else _respelled(first.text, entry)))
        return _numbered(new if line is first else line for line in self.lines if line not in found[1:])

    def remove(self, image: ImageSpec) -> RbdmapFile:
        """Have no line for the image."""
        found = self.find(image)
        return _numbered(line for line in self.lines if line not in found)


def _numbered(lines: Iterable[RbdmapLine]) -> RbdmapFile:
    """What decode() would make of the lines' texts, without reading each again."""
    counted = []
    number = 1
    for line in lines:
        counted.append(line if line.number == number else replace(line, number=number))
        number += line.text.count("\n")
    return RbdmapFile(tuple(counted))


def _terminated(text: str) -> str:
    """With a newline at its end that ends a line, which an escaped one does not."""
    while text and not _TERMINATED.search(text):
        text += "\n"
    return text


def _respelled(text: str, entry: RbdmapEntry) -> str:
    shape = _SHAPE.fullmatch(text)
    indentation, separator, comment = shape.groups() if shape else ("", "", None)
    return indentation + entry.render(separator or " ", comment or "")


def _decode_line(text: str) -> RbdmapLine:
    device, params = read(text.removesuffix("\n"))
    if not device or device.startswith("#"):
        swallows = "\n" in text[:-1]
        fault = "the backslash at its end makes the next line a part of the comment" if swallows else None
        return RbdmapLine(0, text, None, fault)
    try:
        spec = ImageSpec.parse(device.rstrip("\r"))
    except RbdError:
        return RbdmapLine(0, text, None, f"{device!r} is not an image-spec")
    given, stray = _parameters(split(command_words(params.rstrip("\r"))))
    named = dict(given)
    image = ImageSpec(
        spec.pool, spec.namespace or named.get("namespace") or "", spec.image, spec.snap or named.get("snap")
    )
    shape = _SHAPE.fullmatch(text)
    shared = _is_shared((shape and shape.group(3)) or "")
    unread = None if _TERMINATED.search(text) else _UNREAD
    clauses = (*_spelling_faults(device, params), *_parameter_faults(given), stray, *_image_faults(spec, image, named))
    return RbdmapLine(0, text, RbdmapEntry(image, given, shared), next(filter(None, (*clauses, unread)), None))


def _parameters(passed: tuple[str, ...]) -> tuple[Parameters, str | None]:
    """Names with their values, and a clause if the rbd command would get a word too many."""
    found: list[tuple[str, str | None]] = []
    stray = None
    # A lone "--" at the end, from a comma there, does no harm.
    for word in passed[:-1] if passed[-1:] == ("--",) else passed:
        name = _SHORT.get(word, word[2:] if word.startswith("--") else "")
        if name:
            name, equals, value = name.partition("=")
            found.append((name, value if equals else None))
        elif word != "--" and found and found[-1][1] is None and found[-1][0] not in _FLAGS:
            found[-1] = (found[-1][0], word)
        else:
            stray = "rbd gets a word that belongs to no parameter: after a blank, or as the value of a flag"
    return tuple(found), stray


def _spelling_faults(device: str, params: str) -> Iterator[str]:
    before_comment = params.partition("#")[0]
    if "\r" in device + before_comment:
        yield "its carriage return is a part of the word before it"
    if any(char not in BLANKS and not char.isprintable() for char in device + before_comment):
        yield "it has a character that cannot be printed"
    if "/" in device and device.startswith("-"):
        yield "rbd takes the image-spec for an option, because it begins with -"
    if split(device) != (device,):
        yield "its image-spec has a blank"
    if any(char in word for word in (device, *split(command_words(params))) for char in "*?["):
        yield "it has one of * ? [, which the shell replaces by the names of the files that match"
    if before_comment != params and before_comment.count("'") % 2:
        yield "its number sign cuts a quoted value"


def _parameter_faults(given: Parameters) -> Iterator[str]:
    for name, value in given:
        if name in _VALUED | _NAME_IMAGE and value is None:
            yield f"{name} has no value"
        if name in _MAP_ONLY:
            yield f"{name} is a map option, which belongs into options='...'"
        if name == "options" and value is not None:
            try:
                MapOptions.parse(value)
            except RbdError as error:
                yield f"rbd cannot {error.what}: {error.cause}"


def _image_faults(spec: ImageSpec, image: ImageSpec, named: Mapping[str, str | None]) -> Iterator[str]:
    if "image" in named:
        yield "its parameter image names another image"
    if image != spec:
        yield f"it maps {image}, but rbdmap looks for {spec.device}"


# key=..., secret=... with any value; and what looks like a cephx key (base64 of a struct that
# begins with its type, 1 or 2) even behind a blank, which is as good as "=" to rbdmap.
_SECRET = re.compile(r"((?<![A-Za-z0-9])(?:key|secret)[ \t]*=[ \t]*)('[^'\n]+|[^\s,'#]+)")
_CEPHX_KEY = re.compile(r"(?<![A-Za-z0-9+/])A[Qg][A-Za-z0-9+/]{30,}={0,2}")


def redact(text: str) -> str:
    """The text for a diff or a log, with key material in anybody's lines replaced by asterisks."""
    return _CEPHX_KEY.sub(_HIDDEN, _SECRET.sub(rf"\1{_HIDDEN}", text))
