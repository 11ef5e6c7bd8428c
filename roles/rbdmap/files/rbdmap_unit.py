# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbdmap.service runs at its start: ``rbdmap map`` as Ceph ships it, only where it cannot hang or do harm.

rbdmap asks here before it maps an image: the cluster must answer for it, and nobody else write to it. Then what rbdmap
leaves is mounted, images that were mapped already. The exit code is 1 if an image is not in place, so that systemd
tries again.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from rbdmap_clusters import ANSWER, Clusters, Refused, Silent, have_bindings, is_local, kernel_clients

RBDMAP = os.environ.get("RBDMAP", "/usr/bin/rbdmap")
FILE = Path(os.environ.get("RBDMAPFILE", "/etc/ceph/rbdmap"))
DEVICES = Path("/dev/rbd")
HOOKS = Path("/etc/ceph/rbd.d")
FSTAB = Path("/etc/fstab")
MOUNTS = Path("/proc/self/mountinfo")
# What the hooks of encrypted images have: they may be run again.
REPEATABLE = "# cephclient.rbd.luks"

# Its lock is held while an image is mapped, also by plays: the kernel maps one twice, if it is asked twice.
RUN = Path("/run/cephclient.rbd")

# Seconds in which this host's own watches from before a crash end.
PREDECESSOR = 30
# Seconds that one image may take to be mapped and mounted.
STEP = 90

# A bash function that rbdmap calls in place of the command, and a hook does not: it tells the parameters of a map on
# fd 3, and goes on only with the answer y, unless a play has mapped the image meanwhile. The reason of a failed map,
# which rbdmap drops, goes to fd 5.
GATE = r"""
rbd() {
    [ "$0" = "$RBDMAP" ] || { command rbd "$@"; return; }
    local answer said rc=0
    printf '%s\0' "${@:3}" "" >&3
    read -r answer <&4
    [ "$answer" = y ] || return 1
    exec 6< "$RUN" && flock --wait 60 6 || return 1
    [ ! -e "$DEVICES/$3" ] || return 1
    said=$(command rbd "$@" 2>&1) || rc=$?
    if [ $rc = 0 ]; then printf '%s\n' "$said"; else printf '%s\n' "$said" >&5; fi
    return $rc
}
export -f rbd
exec 3>&"$1" 4<&"$2" 5>&2
exec "$3" map
"""

# A line to bash's read; one without its newline is never read.
_LINE = re.compile(r"(?s)(?:\\.|[^\\\n])*\n")
_SHARED = re.compile(r"#[ \t]*shared\b")


@dataclass(frozen=True)
class Line:
    """A line of the rbdmap file.

    :ivar spec: the image as rbdmap names it: ``pool/[namespace/]image[@snap]``.
    """

    text: str
    spec: str

    @property
    def device(self) -> Path:
        """The link that udev makes."""
        return DEVICES / self.spec

    @property
    def mapped(self) -> bool:
        """Whether rbdmap takes the image for mapped."""
        return self.device.is_block_device()

    def alone(self, words: Sequence[str]) -> bool:
        """Whether nobody else may write to the image while it is mapped with these parameters."""
        read_only = "--read-only" in words or "@" in self.spec
        for word, value in zip(words, words[1:]):
            flags = [flag for flag in value.split(",") if flag in ("ro", "rw")] if word == "--options" else []
            read_only = flags[-1] == "ro" if flags else read_only
        return not read_only and not _SHARED.match(self.text, max(self.text.find("#"), 0))


def read_lines() -> list[Line]:
    """The lines that name an image."""
    found = []
    for text in _LINE.findall(FILE.read_text(encoding="utf-8", errors="surrogateescape") if FILE.exists() else ""):
        name = text.split(None, 1)[0] if text.strip() else "#"
        if not name.startswith("#"):
            found.append(Line(text, name if "/" in name else f"rbd/{name}"))
    return found


def rbdmap_map(may_map: Callable[[str, tuple[str, ...]], bool]) -> None:
    """Run ``rbdmap map``.

    :param may_map: is asked before an image is mapped, with its image-spec and the parameters.
    :raises Silent: an image took too long. Nothing waits for what not even a kill ends before the cluster is back.
    """
    bounded = f"--client_mount_timeout={ANSWER} {os.environ.get('CEPH_ARGS', '')}"
    places = {"RBDMAP": RBDMAP, "RBDMAPFILE": str(FILE), "DEVICES": str(DEVICES), "RUN": str(RUN)}
    RUN.mkdir(mode=0o700, exist_ok=True)
    asked, ask = os.pipe()
    hear, answer = os.pipe()
    process = subprocess.Popen(
        ["bash", "-c", GATE, "bash", str(ask), str(hear), RBDMAP],
        env={**os.environ, **places, "CEPH_ARGS": bounded},
        stdin=subprocess.DEVNULL,
        pass_fds=(ask, hear),
        start_new_session=True,
    )
    os.close(ask)
    os.close(hear)
    try:
        for spec, *words in _requests(asked, process.pid):
            os.write(answer, b"y\n" if may_map(spec, tuple(words)) else b"n\n")
    except Silent:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        os.close(asked)
        os.close(answer)
    process.wait()


def _requests(pipe: int, pid: int) -> Iterator[list[str]]:
    """What rbdmap asks, until it ends.

    :raises Silent: it neither asks nor ends.
    """
    heard = b""
    # Not until the pipe is closed: what a hook has started may hold it.
    ended = os.pidfd_open(pid)
    try:
        while True:
            ready = select.select([pipe, ended], [], [], STEP)[0]
            told = os.read(pipe, 65536) if pipe in ready else b""
            heard += told
            *requests, heard = heard.split(b"\0\0")
            yield from (request.decode("utf-8", "surrogateescape").split("\0") for request in requests)
            if not ready:
                raise Silent(f"rbdmap has taken more than {STEP} seconds for one image, and was ended")
            if not told:
                return
    finally:
        os.close(ended)


def run_bounded(*command: str) -> int:
    """Run a command; what it says is for the journal.

    :returns: its exit code.
    :raises Silent: it took too long, and was killed with all that it has started.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(STEP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise Silent(f"{' '.join(command)} has taken more than {STEP} seconds, and was ended") from None


def mount_points(device: Path) -> list[str]:
    """Where fstab has the device with noauto; without it, systemd mounts it by itself."""
    found = []
    for text in FSTAB.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in text.split()]
        if len(fields) > 3 and fields[0] == str(device) and "noauto" in fields[3].split(","):
            found.append(fields[1])
    return found


def is_mounted(device: Path) -> bool:
    """Whether the device is mounted anywhere."""
    node = os.path.realpath(device)
    mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return any(os.path.realpath(line.split(" - ", 1)[1].split(" ")[1]) == node for line in mounts)


class Attempt:
    """One attempt to have every image mapped and mounted."""

    def __init__(self, lines: Sequence[Line], clusters: Clusters) -> None:
        self._lines = lines
        self._clusters = clusters
        self._patient_until = time.monotonic() + PREDECESSOR
        self._refused: set[str] = set()
        self._said: set[str] = set()

    def run(self) -> int:
        """Map and mount; the exit code."""
        mapped = [line for line in self._lines if line.mapped]
        if len(mapped) < len(self._lines):
            try:
                rbdmap_map(self._may_map)
            except Silent as error:
                tell(f"Cannot map and mount what is left: {error}.")
        failed = sum(not self._finished(line, line in mapped) for line in self._lines)
        if failed:
            tell(f"{len(self._lines) - failed} of {len(self._lines)} images are in place.")
        return 1 if failed else 0

    def _may_map(self, spec: str, words: tuple[str, ...]) -> bool:
        line = next((line for line in self._lines if line.spec == spec), Line("", spec))
        try:
            self._require_free(line, words)
        except Refused as error:
            tell(f"Cannot map {spec}: {error}.")
        except Silent as error:
            if str(error) not in self._said:
                tell(f"Cannot map {spec}: {error}. It is tried again, and so are the others of that cluster.")
            self._said.add(str(error))
        else:
            return True
        self._refused.add(spec)
        return False

    def _require_free(self, line: Line, words: tuple[str, ...]) -> None:
        """Refuse an image that somebody else writes to. Wait for the end of what this host left open in a crash."""
        others = self._others(line, words)
        while others and all(is_local(address) for _client, address in others):
            if time.monotonic() > self._patient_until:
                break
            time.sleep(1)
            others = self._others(line, words)
        if others:
            users = ", ".join(f"{client} at {address}" for client, address in others)
            raise Refused(
                f"it is in use by {users}. Unmap or close it there; if that client is dead, the cluster forgets it "
                "within 30 seconds. Only if its file system is made for several hosts, let its line in "
                f"{FILE} end in '# shared'"
            )

    def _others(self, line: Line, words: tuple[str, ...]) -> list[tuple[str, str]]:
        watchers = self._clusters.watchers(line.spec, words)
        own = kernel_clients()
        return [watcher for watcher in watchers if watcher[0] not in own] if line.alone(words) else []

    def _finished(self, line: Line, mapped_before: bool) -> bool:
        """Whether the image is in place, with what rbdmap leaves done for it; if not, why is told."""
        if not line.mapped:
            if line.spec not in self._refused:
                tell(f"Cannot map {line.spec}: rbdmap has failed. See what the rbd command says above, and dmesg.")
            return False
        try:
            if mapped_before:
                repeat_hook(line)
            mount(line.device)
        except (Refused, Silent) as error:
            tell(f"Cannot mount {line.spec}: {error}.")
            return False
        return True


def repeat_hook(line: Line) -> None:
    """Run the hook of an image that was mapped already, if it is one of those that may be run again."""
    hook = HOOKS / line.spec
    if os.access(hook, os.X_OK) and REPEATABLE in hook.read_text(encoding="utf-8", errors="replace").splitlines():
        run_bounded(str(hook), "map", str(line.device))


def mount(device: Path) -> None:
    """Mount the device where fstab has it, unless it is mounted.

    :raises Refused: mount has failed.
    """
    for path in mount_points(device):
        if not is_mounted(device):
            code = run_bounded("mount", path)
            if code != 0:
                raise Refused(f"mount has failed with {code}, and says above why")


def tell(sentence: str) -> None:
    """Tell the journal, at once."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201  # the journal reads it


def main() -> int:
    """Map and mount everything that the file lists; the exit code."""
    if not have_bindings():
        tell("Cannot ask the cluster: there are no Python bindings. Install python3-rados and python3-rbd.")
        return 1
    return Attempt(read_lines(), Clusters()).run()


if __name__ == "__main__":
    # A connection to a silent cluster cannot be ended, the process can.
    os._exit(main())
