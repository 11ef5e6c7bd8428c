# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for keys where none may be: on a host, in whatever a process, a file or a log of it shows.

    canary.py arm           let the kernel record arguments and environment of every program that is started
    canary.py watch         search what the kernel records, until it is told to end
    canary.py search        search everything else, and tell what the watcher has found, as JSON
    canary.py files PATH .. search only these files and directories

Each key stands in a file of SECRETS, ``<name>.json``: ``{"key": "<base64>", "allowed": ["<path>", ...]}``.
No key is ever printed.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

HOME = Path("/var/lib/canary")
SECRETS = HOME / "secrets"
SEEN = HOME / "seen.jsonl"
TRACING = Path("/sys/kernel/tracing")
INSTANCE = TRACING / "instances/canary"

# The kernel records so many arguments, and so many variables, of a program; an event holds so many of them.
STRINGS = 48
PER_EVENT = 8
# Of each processor: room for what a boot starts while the watcher waits for its turn.
BUFFER_KIB = 16384

# Where files are written on a host, and where the kernel tells of Ceph. HOME is left out, since the keys are there.
TREES = ("/etc", "/home", "/opt", "/root", "/run", "/tmp", "/usr/local", "/var", "/dev/shm")
KERNEL = (
    *("/sys/bus/rbd", "/sys/devices/rbd", "/sys/module/rbd", "/sys/module/libceph", "/sys/kernel/debug/ceph"),
    *("/proc/keys", "/proc/mounts", "/proc/cmdline"),
)
LOGS = {
    "journal": ("journalctl", "--all", "--output=export", "--no-pager"),
    "kernel log": ("dmesg",),
}
CHUNK = 1 << 20

# Seconds after which it is noted again how many programs were started.
NOTED_EVERY = 1.0


class Secret(NamedTuple):
    """A key in all the forms in which it can be recognised."""

    name: str
    forms: tuple[bytes, ...]
    allowed: tuple[str, ...]


def load() -> list[Secret]:
    """The keys to look for."""
    told = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SECRETS.glob("*.json"))}
    return [Secret(name, forms(each["key"]), tuple(each["allowed"])) for name, each in told.items()]


def forms(key: str) -> tuple[bytes, ...]:
    """The key as it is written, and the secret in it: as bytes, in hex, and in base64 by itself.

    A cephx key is the base64 of a type, a time and a length, in 12 bytes, and the secret.
    """
    secret = base64.b64decode(key)[12:]
    alone = base64.b64encode(secret).rstrip(b"=")
    return key.rstrip("=").encode(), secret, secret.hex().encode(), alone


def found_in(data: bytes, secrets: Iterable[Secret]) -> list[str]:
    """The names of the keys in some bytes."""
    return [secret.name for secret in secrets if any(form in data for form in secret.forms)]


def found_in_stream(chunks: Iterable[bytes], secrets: list[Secret]) -> list[str]:
    """The names of the keys in a stream, also where one is cut by the end of a chunk."""
    overlap = max(len(form) for secret in secrets for form in secret.forms) - 1
    found: dict[str, None] = {}
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        found.update(dict.fromkeys(found_in(data, secrets)))
        rest = data[-overlap:]
    return list(found)


def in_files(places: Iterable[str], secrets: list[Secret]) -> Iterator[tuple[str, str]]:
    """Each key with each file that has it, in its content or its name."""
    for path in _files(places):
        with suppress(OSError):
            for name in found_in(os.fsencode(path), secrets) + found_in_stream(_chunks(path), secrets):
                if not any(path in secret.allowed for secret in secrets if secret.name == name):
                    yield name, path


def _files(places: Iterable[str]) -> Iterator[str]:
    """Regular files: the places themselves, and all that are below them."""
    for place in places:
        if Path(place).is_file():
            yield place
        for directory, names, files in os.walk(place):
            if directory == str(HOME):
                names.clear()
                continue
            for path in (f"{directory}/{name}" for name in files):
                with suppress(OSError):
                    if stat.S_ISREG(Path(path).lstat().st_mode):
                        yield path


def _chunks(path: str) -> Iterator[bytes]:
    # Not every file of the kernel has an end, and none waits for us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while chunk := os.read(descriptor, CHUNK):
            yield chunk
    finally:
        os.close(descriptor)


def in_processes(secrets: list[Secret]) -> Iterator[tuple[str, str]]:
    """Each key with the arguments or the environment of a process that shows it now."""
    for process in Path("/proc").glob("[0-9]*"):
        for what in ("cmdline", "environ"):
            # It may end while it is read.
            with suppress(OSError):
                for name in found_in((process / what).read_bytes(), secrets):
                    command = (process / "comm").read_text(encoding="utf-8").strip()
                    yield name, f"{what} of process {process.name} ({command})"


def in_logs(secrets: list[Secret]) -> Iterator[tuple[str, str]]:
    """Each key with the log that has it."""
    for log, argv in LOGS.items():
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            chunks = iter(partial(process.stdout.read, CHUNK), b"")
            yield from ((name, log) for name in found_in_stream(chunks, secrets))


def arm() -> None:
    """Have the kernel note arguments and environment of each program, in the instant in which it is started.

    Events on the system call see also programs that end at once, which nobody who polls /proc would.
    """
    if INSTANCE.exists():
        return
    for call in ("execve", "execveat"):
        for field in ("argv", "envp"):
            for first in range(0, STRINGS, PER_EVENT):
                strings = " ".join(f"s{n}=+0(+{8 * n}(${field})):ustring" for n in range(first, first + PER_EVENT))
                _add_event(f"e:canary/{call}_{field}_{first} syscalls/sys_enter_{call} {strings}\n")
    INSTANCE.mkdir()
    (INSTANCE / "buffer_size_kb").write_text(str(BUFFER_KIB))
    (INSTANCE / "events/canary/enable").write_text("1")


def _add_event(line: str) -> None:
    # Python's own open would seek, which this file refuses, or truncate it, which removes all events.
    descriptor = os.open(TRACING / "dynamic_events", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def watch() -> None:
    """Note each key that the kernel has recorded, and how many programs were started."""
    secrets = load()
    (execs, _lost_by_then), rest, noted = _noted(_count()), b"", 0.0
    with (INSTANCE / "trace_pipe").open("rb", buffering=0) as pipe, SEEN.open("a", encoding="utf-8") as seen:
        while chunk := pipe.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            execs += sum(b" execve_argv_0: " in line or b" execveat_argv_0: " in line for line in lines)
            finds = [{"secret": name, "event": _event(line)} for line in lines for name in found_in(line, secrets)]
            if finds:
                seen.writelines(json.dumps({**find, "boot": _boot()}) + "\n" for find in finds)
                seen.flush()
                # The power may be cut at any time.
                os.fsync(seen.fileno())
            # Not for each program: to note takes an emulated guest longer than most programs.
            if time.monotonic() > noted + NOTED_EVERY:
                _note(execs)
                noted = time.monotonic()
        _note(execs)


def _event(line: bytes) -> str:
    """What kind of event it was and of which process, without what the event shows."""
    return line.split(b": (", 1)[0].strip().decode(errors="replace")


def _note(execs: int) -> None:
    # Whole at any instant, since a search may read it.
    new = _count().with_suffix(".new")
    new.write_text(f"{execs} {_lost()}", encoding="utf-8")
    new.replace(_count())


def _noted(count: Path) -> tuple[int, int]:
    """How many programs were started in a boot, and how many events were lost, by what was noted last."""
    execs, lost = count.read_text(encoding="utf-8").split() if count.exists() else (0, 0)
    return int(execs), int(lost)


def _count() -> Path:
    return HOME / f"count-{_boot()}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def _lost() -> int:
    """How many events did not fit into the kernel's buffer, in this boot."""
    lines = [line.split(":") for path in INSTANCE.glob("per_cpu/cpu*/stats") for line in _read_once(path).splitlines()]
    return sum(int(number) for name, number in lines if name in ("overrun", "commit overrun", "dropped events"))


def _read_once(path: Path) -> str:
    """A file of the kernel that it writes anew for each read: a second one would go on in another, longer text."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, CHUNK).decode()
    finally:
        os.close(descriptor)


def search() -> dict[str, Any]:
    """All that was found on this host, now and since the watcher began."""
    secrets = load()
    finds = [*in_processes(secrets), *in_logs(secrets), *in_files([*TREES, *KERNEL], secrets)]
    if SEEN.exists():
        rows = map(json.loads, SEEN.read_text(encoding="utf-8").splitlines())
        finds += [(row["secret"], f"started program: {row['event']}") for row in rows]
    # What this boot has lost, the kernel knows better than the last note.
    boots = {count: _noted(count) for count in HOME.glob("count-*") if count.suffix != ".new"}
    lost = sum(noted[1] for count, noted in boots.items() if count != _count()) + _lost()
    return {"finds": sorted(set(finds)), "execs": sum(noted[0] for noted in boots.values()), "lost": lost}


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    if arguments == ["arm"]:
        arm()
    elif arguments == ["watch"]:
        watch()
    elif arguments == ["search"]:
        sys.stdout.write(json.dumps(search()))
    elif arguments[:1] == ["files"]:
        sys.stdout.write(json.dumps({"finds": sorted(set(in_files(arguments[1:], load())))}))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
