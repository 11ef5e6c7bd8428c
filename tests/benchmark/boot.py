# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a client of the laboratory takes to boot with many images, with the service as Ceph ships it and with ours.

With ours also while the cluster is away, and until the mounts are there once it has returned; and how long a shutdown
takes while the cluster is away and data are unwritten.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
LAB = HERE.parent / "lab" / "lab"
CLIENT = "client1"

# Seconds; a boot that takes longer is an error of the laboratory.
PATIENCE = 1800

_LOOK = r"""
read -r boot < /proc/sys/kernel/random/boot_id
login=$(systemctl show --property ActiveEnterTimestampMonotonic --value systemd-user-sessions.service)
[ ! -e /run/nologin ] && [ "$login" != 0 ] || login=null
began=$(systemctl show --property ExecMainStartTimestampMonotonic --value rbdmap.service)
ended=$(systemctl show --property ActiveEnterTimestampMonotonic --value rbdmap.service)
mounted=$(findmnt --noheadings --raw --output TARGET | grep --count '^/srv/boot/')
printf '{"boot": "%s", "login": %s, "began": %s, "ended": %s, "mounted": %s}\n' \
    "$boot" "$login" "$began" "$ended" "$mounted"
"""
_AWAY = "pkill -STOP -x 'ceph-(mon|osd)'"
# A lone OSD that was stopped for longer than its lease stays "laggy" until it peers anew.
_RETURN = "pkill -CONT -x ceph-mon && pkill -CONT -x ceph-osd && ceph osd down all"
_CRASH = "sync; (sleep 1; echo b > /proc/sysrq-trigger) > /dev/null 2>&1 &"
_WRITE = "for path in /srv/boot/*; do head -c 1M /dev/urandom > $path/unwritten; done; systemctl poweroff"


Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Look:
    """How far a boot has come; times are in seconds since the kernel began.

    :ivar login: when users could log in, or None if they may not yet.
    :ivar began: when rbdmap.service was started.
    :ivar ended: when it was active; 0 if it is not.
    :ivar mounted: how many of the images are mounted.
    """

    boot: str
    login: float | None
    began: float
    ended: float
    mounted: int


class Laboratory:
    """A laboratory of the benchmark's own, with one client."""

    def __init__(self, place: Path) -> None:
        self._inventory = place / "inventory.yml"
        os.environ["RBDLAB_NAME"] = "boot"

    def up(self) -> None:
        """Begin anew, and prepare cluster and client."""
        _run(LAB, "down")
        _run(LAB, "up", CLIENT)
        self._inventory.write_text(_output(LAB, "inventory"), encoding="utf-8")
        self.play("prepare")

    def down(self) -> None:
        """End everything."""
        _run(LAB, "down")

    def play(self, name: str, **variables: object) -> None:
        """Run a playbook beside this program."""
        playbook = HERE / "boot" / f"{name}.yml"
        _run("ansible-playbook", "--inventory", self._inventory, playbook, "--extra-vars", json.dumps(variables))

    def on(self, host: str, script: str) -> str:
        """What a script prints on a host."""
        return _output(LAB, "ssh", host, script)

    def look(self) -> Look | None:
        """How far the client's boot has come; None while it does not answer."""
        done = _try(LAB, "ssh", CLIENT, _LOOK)
        if done.returncode != 0:
            return None
        seen = json.loads(done.stdout)
        login = None if seen["login"] is None else seen["login"] / 1e6
        return Look(seen["boot"], login, seen["began"] / 1e6, seen["ended"] / 1e6, seen["mounted"])

    def boot(self, command: str, finished: Callable[[Look], bool]) -> Look:
        """Let the client boot anew by a command of its own; how it looks when enough has come to pass."""
        old = _once(self.look, lambda _look: True)
        _try(LAB, "ssh", CLIENT, command)
        return _once(self.look, lambda look: look.boot != old.boot and finished(look))

    def power_off(self) -> float:
        """The seconds that a shutdown with unwritten data takes."""
        began = time.monotonic()
        _try(LAB, "ssh", CLIENT, _WRITE)
        _once(_status, lambda status: status == "stopped")
        return time.monotonic() - began


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--shutdown", action="store_true", help="measure a shutdown with the cluster away, too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cephclient-rbd-boot-") as place:
        laboratory = Laboratory(Path(place))
        laboratory.up()
        try:
            for count in sorted(options.images):
                for row in measure(laboratory, count):
                    # At once, too: it takes long, and may be ended.
                    print(row, flush=True)
                    rows.append(row)
            if options.shutdown:
                laboratory.on("ceph1", _AWAY)
                seconds = laboratory.power_off()
                rows.append(f"{count:3} images with unwritten data, away, power off: {seconds:.0f} s")
        finally:
            laboratory.down()
    print("\n" + "\n".join(rows))


def measure(laboratory: Laboratory, count: int) -> Iterator[str]:
    """The three boots with so many images, a line each."""
    for kind, heals in (("stock", False), ("self-healing", True)):
        laboratory.play("mount", boot_images=count, boot_self_heal=heals)
        look = laboratory.boot("systemctl reboot", lambda look: look.ended > 0 and look.login is not None)
        if look.mounted != count:
            raise SystemExit(f"After a healthy boot {look.mounted} of {count} images are mounted.")
        yield (
            f"{count:3} images, {kind:12}, healthy: login at {look.login:5.1f} s, "
            f"the service took {look.ended - look.began:5.1f} s"
        )
    laboratory.on("ceph1", _AWAY)
    away = laboratory.boot(_CRASH, lambda look: look.login is not None)
    if away.mounted:
        raise SystemExit(f"With the cluster away {away.mounted} images are mounted.")
    laboratory.on("ceph1", _RETURN)
    began = time.monotonic()
    _once(laboratory.look, lambda look: look.mounted == count)
    yield (
        f"{count:3} images, self-healing, away   : login at {away.login:5.1f} s, "
        f"mounted {time.monotonic() - began:5.1f} s after the return"
    )


def _status() -> str:
    told = _try(LAB, "status").stdout
    return next(line.split()[-1] for line in told.splitlines() if line.startswith(f"{CLIENT} "))


def _once(look: Callable[[], Seen | None], enough: Callable[[Seen], bool]) -> Seen:
    """What is seen once it is enough."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        seen = look()
        if seen is not None and enough(seen):
            return seen
        time.sleep(1)
    raise SystemExit(f"The client has not come so far within {PATIENCE} seconds. See '{LAB} console {CLIENT}'.")


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def _output(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout


def _try(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    # With a standard input of its own: ssh would leave ours non-blocking, which Ansible refuses.
    return subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)


if __name__ == "__main__":
    main()
