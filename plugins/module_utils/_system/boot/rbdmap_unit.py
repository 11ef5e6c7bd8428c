# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbdmap.service runs at its start: ``rbdmap map`` as Ceph ships it, only where it cannot hang or do harm.

rbdmap asks here before it maps an image: the cluster must answer for it, and nobody else write to it. Then what rbdmap
leaves is mounted, images that were mapped already. The exit code is 1 if an image is not in place, so that systemd
tries again.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .rbdmap_clusters import ANSWER, Clusters, Refused, Silent, Unasked, have_bindings, names, others

RBDMAP = os.environ.get("RBDMAP", "/usr/bin/rbdmap")
FILE = Path(os.environ.get("RBDMAPFILE", "/etc/ceph/rbdmap"))
DEVICES = Path("/dev/rbd")
HOOKS = Path("/etc/ceph/rbd.d")
FSTAB = Path("/etc/fstab")
MOUNTS = Path("/proc/self/mountinfo")
# What the hooks of encrypted images have: they may be run again.
REPEATABLE = "# cephclient.rbd.luks"

# Has a directory for each image, whose lock is held while that is mapped, also by plays: the kernel maps one twice, if
# it is asked twice.
RUN = Path("/run/cephclient.rbd")
# The file in such a directory which has the time at which the cluster began to answer for that image.
ANSWERING = ".answering"
# The file below it which tells that there was an attempt since the boot.
ATTEMPTED = ".attempted"

# Seconds after its first answer in which an attempt waits for the end of doubts. The boot waits for the first attempt.
PATIENCE = 30
# Seconds that one image may take to be mapped and mounted.
STEP = 90
# So many rbdmaps run side by side: what is slow is to start programs, and to mount what was not unmounted.
SIDE_BY_SIDE = 4

# A bash function that rbdmap calls in place of the command, and a hook does not: it tells the parameters of a map on
# ASK, and goes on only with the answer y, unless a play has mapped the image meanwhile. Then it asks again, and unmaps
# if the answer is another one: two hosts that looked at the same moment saw nobody, but now each sees the other. The
# reason of a failed map, which rbdmap drops, goes to the journal.
GATE = r"""
may_map() {
    local answer
    printf '%s\0' "$@" "" >&"$ASK"
    read -r answer <&"$HEAR"
    [ "$answer" = y ]
}
rbd() {
    [ "$0" = "$RBDMAP" ] || { command rbd "$@"; return; }
    local said lock rc=0
    may_map "${@:3}" || return 1
    exec {lock}< "$RUN/$3" && flock --wait 60 "$lock" || return 1
    [ ! -e "$DEVICES/$3" ] || return 1
    said=$(command rbd "$@" 2>&1) || rc=$?
    if [ $rc = 0 ] && ! may_map "${@:3}"; then command rbd device unmap "$DEVICES/$3" >&"$JOURNAL" 2>&1; return 1; fi
    if [ $rc = 0 ]; then printf '%s\n' "$said"; else printf '%s\n' "$said" >&"$JOURNAL"; fi
    return $rc
}
export -f rbd may_map
exec {JOURNAL}>&2
export JOURNAL
exec "$RBDMAP" map
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


def shares(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines in shares, which may be mapped side by side; each has the order of the file.

    Whatever may need that order is in the first share: an image with a hook, which may do anything, and one whose mount
    point is in that of another, or has another in it. If the other is none of these images by its name (but may be one
    by its label), all of them are.
    """
    nested = _nested_devices()
    ordered = [line for line in lines if str(line.device) in nested or os.access(HOOKS / line.spec, os.X_OK)]
    if nested - {str(line.device) for line in lines}:
        ordered = list(lines)
    free = [line for line in lines if line not in ordered]
    # An image that is listed twice is in one share.
    specs = list(dict.fromkeys(line.spec for line in free))
    chosen = [specs[first::SIDE_BY_SIDE] for first in range(SIDE_BY_SIDE)]
    found = [ordered, *([line for line in free if line.spec in share] for share in chosen)]
    return [share for share in found if share]


def _nested_devices() -> set[str]:
    """What fstab mounts, with noauto, at, in or around the mount point of another, as far as their names tell.

    Where a link leads is not looked at: on a file system of a cluster that is away, to look would have no end.
    """
    places = [(device, os.path.normpath(path).rstrip("/") + "/") for device, path in noauto_entries()]
    pairs = (pair for pair in itertools.permutations(places, 2) if pair[0][1].startswith(pair[1][1]))
    return {device for pair in pairs for device, _path in pair}


def rbdmap_map(lines: Sequence[Line], may_map: Callable[[str, tuple[str, ...]], bool]) -> None:
    """Run ``rbdmap map`` for some lines of its file.

    :param may_map: is asked before an image is mapped, with its image-spec and the parameters, and again afterwards.
    :raises Silent: an image took too long. Nothing waits for what not even a kill ends before the cluster is back.
    """
    asked, ask = os.pipe()
    hear, answer = os.pipe()
    with os.fdopen(os.memfd_create("rbdmap"), "wb") as listed:
        listed.write("".join(line.text for line in lines).encode("utf-8", "surrogateescape"))
        listed.flush()
        process = subprocess.Popen(
            ["bash", "-c", GATE],
            env={**os.environ, **_environment(ask, hear, listed.fileno())},
            stdin=subprocess.DEVNULL,
            pass_fds=(ask, hear, listed.fileno()),
            start_new_session=True,
        )
    os.close(ask)
    os.close(hear)
    try:
        for spec, *words in _requests(asked, process.pid):
            (RUN / spec).mkdir(parents=True, exist_ok=True)
            os.write(answer, b"y\n" if may_map(spec, tuple(words)) else b"n\n")
    except Silent:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        os.close(asked)
        os.close(answer)
    process.wait()


def _environment(ask: int, hear: int, listed: int) -> dict[str, str]:
    """What the gate and rbdmap are told."""
    return {
        "RBDMAP": RBDMAP,
        "RBDMAPFILE": f"/proc/self/fd/{listed}",
        "DEVICES": str(DEVICES),
        "RUN": str(RUN),
        "ASK": str(ask),
        "HEAR": str(hear),
        "CEPH_ARGS": f"--client_mount_timeout={ANSWER} {os.environ.get('CEPH_ARGS', '')}",
    }


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


def noauto_entries() -> list[tuple[str, str]]:
    """Device and mount point of each line of fstab with noauto; without it, systemd mounts it by itself."""
    found = []
    # Who only maps images may have none.
    for text in FSTAB.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if FSTAB.exists() else []:
        fields = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in text.split()]
        if len(fields) > 3 and not fields[0].startswith("#") and "noauto" in fields[3].split(","):
            found.append((fields[0], fields[1]))
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
        self._answered = math.inf
        self._refused: set[str] = set()
        self._said: set[str] = set()
        self._hangs = False
        self._saying = threading.Lock()

    def run(self) -> int:
        """Map and mount; the exit code."""
        self._map([line for line in self._lines if not line.mapped])
        failed = sum(not self._finished(line) for line in self._lines)
        if failed:
            tell(f"{len(self._lines) - failed} of {len(self._lines)} images are in place.")
        return 1 if failed else 0

    def _map(self, lines: Sequence[Line]) -> None:
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE + 1) as threads:
            running = [(share, threads.submit(rbdmap_map, share, self._may_map)) for share in shares(lines)]
            for share, ended in running:
                try:
                    ended.result()
                except Silent as error:
                    tell(f"Cannot map and mount what is left: {error}.")
                    # What hung in it would hang again.
                    self._refused.update(line.spec for line in share)

    def _may_map(self, spec: str, words: tuple[str, ...]) -> bool:
        line = next((line for line in self._lines if line.spec == spec), Line("", spec))
        try:
            self._require_free(line, words)
        except Refused as error:
            tell(f"Cannot map {spec}: {error}.")
        except Silent as error:
            with self._saying:
                if str(error) not in self._said:
                    tell(f"Cannot map {spec}: {error}. It is tried again, and so are the others of that cluster.")
                self._said.add(str(error))
            if not isinstance(error, Unasked):
                (RUN / spec / ANSWERING).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001  # one image, whatever is wrong with it, keeps no other from being mapped
            tell(f"Cannot map {spec}: {error!r}.")
        else:
            return True
        self._refused.add(spec)
        return False

    def _require_free(self, line: Line, words: tuple[str, ...]) -> None:
        """Refuse an image that somebody else writes to, or may write to."""
        clients, doubts = self._others(line, words)
        while doubts and time.monotonic() < self._answered + PATIENCE:
            time.sleep(1)
            clients, doubts = self._others(line, words)
        if clients:
            raise Refused(
                f"it is in use by {names(clients)}. Unmap or close it there; if that client is dead, the cluster "
                "forgets it within 30 seconds. Only if its file system is made for several hosts, let its line in "
                f"{FILE} end in '# shared'"
            )
        if doubts:
            raise Refused(doubts)

    def _others(self, line: Line, words: tuple[str, ...]) -> tuple[Sequence[tuple[str, str]], str]:
        """Who else writes to the image, and why that may be a mistake."""
        use = self._clusters.use(line.spec, words)
        self._answered = min(self._answered, time.monotonic())
        return others(use, RUN / line.spec / ANSWERING) if line.alone(words) else ([], "")

    def _finished(self, line: Line) -> bool:
        """Whether the image is in place, with what rbdmap leaves done for it; if not, why is told."""
        if line.spec in self._refused:
            return False
        if not line.mapped:
            tell(f"Cannot map {line.spec}: rbdmap has failed. See what the rbd command says above, and dmesg.")
            return False
        # If it is unmapped, and mapped again, its cluster may have been silent in between.
        (RUN / line.spec / ANSWERING).unlink(missing_ok=True)
        if self._hangs:
            return False
        try:
            repeat_hook(line)
            mount(line.device)
        except Refused as error:
            tell(f"Cannot mount {line.spec}: {error}.")
            return False
        except Silent as error:
            tell(f"Cannot mount {line.spec}, and what comes after it: {error}.")
            self._hangs = True
            return False
        return True


def repeat_hook(line: Line) -> None:
    """Run the hook of an image again, if it is one of those that may be: rbdmap does not look at how it has ended.

    :raises Refused: it has failed.
    """
    hook = HOOKS / line.spec
    if os.access(hook, os.X_OK) and REPEATABLE in hook.read_text(encoding="utf-8", errors="replace").splitlines():
        code = run_bounded(str(hook), "map", str(line.device))
        if code != 0:
            raise Refused(f"its hook {hook} has failed with {code}, and says in the journal why (journalctl -t rbdmap)")


def mount(device: Path) -> None:
    """Mount the device where fstab has it, unless it is mounted.

    :raises Refused: mount has failed.
    """
    for path in [path for source, path in noauto_entries() if source == str(device)]:
        if not is_mounted(device):
            code = run_bounded("mount", path)
            if code != 0:
                raise Refused(f"mount has failed with {code}, and says above why")


def tell(sentence: str) -> None:
    """Tell the journal, at once."""
    sys.stderr.write(f"{sentence}\n")


def main() -> int:
    """Map and mount everything that the file lists; the exit code."""
    if not have_bindings():
        tell("Cannot ask the cluster: there are no Python bindings. Install python3-rados and python3-rbd.")
        return 1
    RUN.mkdir(mode=0o700, exist_ok=True)
    at_boot = not (RUN / ATTEMPTED).exists()
    (RUN / ATTEMPTED).touch()
    return Attempt(read_lines(), Clusters(at_boot=at_boot)).run()


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except Exception:  # noqa: BLE001  # whatever it is, the process ends here, and the next attempt begins
        traceback.print_exc()
    # A connection to a silent cluster cannot be ended, the process can.
    os._exit(code)
