# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine that is a client of the cluster."""

from __future__ import annotations

import signal
import subprocess
import uuid
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from . import accelerator, subnet
from .errors import EndedError, LabError, tail
from .machine import Hardware, Machine, boot_failure
from .network import Network
from .paths import Paths
from .privilege import as_root
from .process import ProcessRecord, run
from .progress import Progress
from .seed import Identity, initrd
from .ssh import Ssh, answers
from .state import State

BOOT_TIMEOUT = 420.0
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
_FINISHED = "timeout 15 systemctl is-system-running --wait || :"
_ANSWER_TIMEOUT = 45


class Origin(NamedTuple):
    """The directories of the cache that a guest is made from: its disk's, and that of its kernel and initramfs."""

    disk: Path
    system: Path


class Guest:
    """One guest: its disk, its process, its console."""

    def __init__(self, name: str, paths: Paths, state: State, ssh: Ssh, progress: Progress) -> None:
        self.name = name
        self.directory = paths.guest(name)
        self._paths = paths
        self._state = state
        self._ssh = ssh
        self._progress = progress

    @property
    def address(self) -> IPv4Address:
        """Where the guest is reached."""
        return self._state.guest_address(self.name)

    @property
    def tap(self) -> str:
        """The guest's port of the bridge."""
        return f"tap{self._state.guests[self.name]}"

    @property
    def console(self) -> Path:
        """The log of the console."""
        return self.directory / "console.log"

    @property
    def _record(self) -> Path:
        return self.directory / "machine.json"

    @property
    def _booted(self) -> Path:
        return self.directory / "booted"

    @property
    def _offset(self) -> Path:
        return self.directory / "console-offset"

    def say(self, text: str) -> None:
        """Report progress."""
        self._progress.say(self.name, text)

    def process(self) -> ProcessRecord | None:
        """Return the process that is the guest, if it runs."""
        record = ProcessRecord.load(self._record)
        return record if record is not None and record.alive() else None

    def up(self, base: Callable[[], Origin], network: Network, kernel_arguments: str, timeout: float) -> None:
        """Boot the guest unless it runs, and wait until it has booted."""
        if self.process() is not None and self._booted.exists() and answers(self.address):
            self.say(f"up at {self.address}")
            return
        if self.process() is not None:
            self.wait_booted(timeout)
            return

        def boot() -> None:
            self._boot_begins()
            self._start(base, network, kernel_arguments)
            self.wait_booted(timeout)

        try:
            boot()
        except EndedError as error:
            # QEMU 7.2 was once seen to crash while it emulated a boot (a segmentation fault of its own).
            if self._state.accelerator != accelerator.TCG:
                raise
            self.say(f"booting again: {error}")
            boot()

    def _start(self, base: Callable[[], Origin], network: Network, kernel_arguments: str) -> None:
        hardware, machine = self._machine(base, kernel_arguments)
        hardware.initrd.write_bytes(initrd((hardware.system / "initrd").read_bytes(), self._identity()))
        network.tap(hardware.tap)
        self.say(f"booting with {accelerator.TITLES[self._state.accelerator]}")
        for path in (hardware.pid, hardware.console):  # root may write them, but they are ours
            path.touch()
        argv = as_root(network.inside(list(machine.argv())))
        run(argv, timeout=60, purpose=f"start {self.name}")
        record = ProcessRecord.of(int(hardware.pid.read_text(encoding="ascii")))
        if record is None:
            raise LabError(f"Cannot start {self.name}: its process ended at once.", tail(self.console))
        record.save(self._record)

    def _machine(self, base: Callable[[], Origin], kernel_arguments: str) -> tuple[Hardware, Machine]:
        """Return the guest with a disk of its own; its kernel is the one that the disk was made with."""
        record = self.directory / "origin"
        known = [Path(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []
        origin = Origin(known[0], known[-1]) if known else base()
        hardware = Hardware(
            self.name, self.directory, origin.disk, origin.system, self.tap,
            subnet.mac(self._paths.id, self._state.guests[self.name]), kernel_arguments,
        )  # fmt: skip
        machine = accelerator.machine(self._state.accelerator, hardware)
        if not known or not machine.overlay.exists():
            machine.overlay.unlink(missing_ok=True)
            argv = machine.overlay_argv()
            if argv:
                run(argv, purpose=f"make the disk of {self.name}")
            record.write_text("".join(f"{path}\n" for path in origin), encoding="utf-8")
        return hardware, machine

    def _identity(self) -> Identity:
        host_key = self._ssh.host_key(self.name)
        return Identity(
            name=self.name,
            machine_id=uuid.uuid5(uuid.UUID(self._state.fsid), self.name).hex,
            subnet=self._state.network,
            address=self.address,
            hosts=self._state.hosts(),
            authorized_key=self._ssh.public(self._ssh.key),
            host_key=host_key.read_text(encoding="utf-8"),
            host_key_public=self._ssh.public(host_key),
        )

    def wait_booted(self, timeout: float, old_boot_id: str | None = None) -> None:
        """Wait until SSH answers from another boot than the old one, and systemd has finished booting."""

        def new_boot() -> str | None:
            if not answers(self.address):
                return None
            boot_id = self._ssh.ask(self.address, _BOOT_ID, _ANSWER_TIMEOUT)
            return boot_id if boot_id != old_boot_id else None

        self.say("waiting for SSH")
        self._await("answer by SSH", new_boot, timeout)
        self.say("waiting for systemd to finish booting")

        def finished() -> str | None:
            answer = (self._ssh.ask(self.address, _FINISHED, _ANSWER_TIMEOUT) or "").strip()
            return answer if answer in {"running", "degraded"} else None

        system = self._await("finish booting", finished, timeout)
        self._booted.touch()
        self.say(f"up at {self.address}" + (" (some units failed)" if system == "degraded" else ""))

    def _await(self, what: str, probe: Callable[[], str | None], timeout: float) -> str:
        def checked() -> str | None:
            running = self.process() is not None  # before its last words are read
            cause = boot_failure("\n".join(tail(self.console, 200, self._boot_offset())))
            if cause:
                raise self._failure(what, cause)
            if not running:
                raise self._failure(what, "its process has ended", EndedError)
            return probe()

        return self._progress.wait(
            checked, timeout, lambda: self._failure(what, f"{timeout:.0f} s have passed"), interval=0.5
        )

    def _failure(self, what: str, cause: str, kind: type[LabError] = LabError) -> LabError:
        remedy = f"See 'lab console {self.name}'; 'lab power-cut {self.name}' and 'lab up {self.name}' boot it again."
        console = tail(self.console, offset=self._boot_offset()) or ["(the console is empty)"]
        return kind(f"{self.name} does not {what}: {cause}. {remedy}", console)

    def _boot_begins(self) -> None:
        """Remember where the console of the coming boot begins, and that it has not finished."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._booted.unlink(missing_ok=True)
        size = self.console.stat().st_size if self.console.exists() else 0
        self._offset.write_text(f"{size}\n", encoding="ascii")

    def _boot_offset(self) -> int:
        return int(self._offset.read_text(encoding="ascii")) if self._offset.exists() else 0

    def require_running(self, verb: str) -> None:
        """Refuse to do something to a guest that does not run.

        :param verb: what that is, as in "Cannot <verb> client1".
        """
        if self.process() is None:
            raise LabError(f"Cannot {verb} {self.name}: it does not run. Run 'lab up {self.name}'.")

    def reboot(self, timeout: float) -> None:
        """Reboot cleanly and wait for the new boot."""
        self.require_running("reboot")
        old = self._ssh.ask(self.address, _BOOT_ID, _ANSWER_TIMEOUT)
        if old is None:
            raise self._failure("answer by SSH", f"{_ANSWER_TIMEOUT} s have passed, so it cannot be asked to reboot")
        self._boot_begins()
        self.say("rebooting")
        self._ssh.ask(self.address, "systemctl reboot", _ANSWER_TIMEOUT)
        self.wait_booted(timeout, old)

    def power_cut(self) -> None:
        """End the guest as if its power had failed."""
        process = self.process()
        if process is not None and not process.end(signal.SIGKILL):
            raise LabError(f"Cannot end {self.name}: process {process.pid} survives SIGKILL. Look at it with ps.")
        self._booted.unlink(missing_ok=True)

    def status(self) -> str:
        """Say in a word how the guest is."""
        if self.process() is None:
            return "stopped"
        if not answers(self.address):
            return "no answer"
        return "up" if self._booted.exists() else "booting"


def follow(path: Path) -> int:
    """Print a console as it grows, until interrupted."""
    return subprocess.run(["tail", "-n", "+1", "-F", str(path)], check=False).returncode
