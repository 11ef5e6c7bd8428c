# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the laboratory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from .accelerator import AUTO, FAST, TITLES
from .errors import LabError
from .guest import BOOT_TIMEOUT, follow
from .lab import Lab
from .mirror import SUITES
from .progress import Progress

_DESCRIPTION = """\
A Ceph cluster and guests that are its clients, on this machine, for trying and testing.

The cluster runs without a guest in a network namespace; the guests run under QEMU or as User-mode Linux.
Root file systems are built from the machine's own Debian mirror and cached. Each checkout has a laboratory of its own.
"""
_EPILOG = """\
environment:
  RBDLAB_SUITE     the suite of a new laboratory, where --suite is not given
  RBDLAB_ACCEL     what runs the guests of a new laboratory, where --accel is not given
  RBDLAB_NAME      a word: a second laboratory of the same checkout
  RBDLAB_MIRROR    a Debian archive to use instead of the machine's own
  XDG_CACHE_HOME   where root file systems are kept (cephclient-rbd-lab in it)
  XDG_STATE_HOME   where a laboratory keeps keys, disks and logs until 'down'
"""


def _up(lab: Lab, options: argparse.Namespace) -> int:
    guests = [] if options.no_guests else (options.names or ["client1"])
    lab.up(guests, options.suite, options.accel, kernel_arguments=options.append, timeout=options.timeout)
    return 0


def _down(lab: Lab, _options: argparse.Namespace) -> int:
    lab.down()
    return 0


def _status(lab: Lab, _options: argparse.Namespace) -> int:
    rows = lab.status()
    if not rows:
        print("There is no laboratory for this checkout. Run 'lab up'.")
        return 1
    table = [("NAME", "KIND", "ADDRESS", "STATE"), *((r.name, r.kind, r.address, r.state) for r in rows)]
    for row in table:
        print("{:<16} {:<8} {:<16} {}".format(*row))
    return 0 if all(row.state == "up" for row in rows) else 1


def _ssh(lab: Lab, options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv = lab.ssh_argv(options.name, command)
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _reboot(lab: Lab, options: argparse.Namespace) -> int:
    lab.guest(options.name).reboot(options.timeout)
    return 0


def _power_cut(lab: Lab, options: argparse.Namespace) -> int:
    lab.guest(options.name).power_cut()
    return 0


def _unplug(lab: Lab, options: argparse.Namespace) -> int:
    lab.unplug(options.name)
    return 0


def _plug(lab: Lab, options: argparse.Namespace) -> int:
    lab.plug(options.name)
    return 0


def _console(lab: Lab, options: argparse.Namespace) -> int:
    path = lab.guest(options.name).console
    if options.follow:
        return follow(path)
    sys.stdout.write(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")
    return 0


def _inventory(lab: Lab, options: argparse.Namespace) -> int:
    print(lab.inventory_list() if options.list else lab.inventory(), end="")
    return 0


def _build(lab: Lab, options: argparse.Namespace) -> int:
    lab.build(options.suite)
    return 0


def _clean_cache(lab: Lab, _options: argparse.Namespace) -> int:
    lab.clean_cache()
    return 0


Command = Callable[[Lab, argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("lab", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=formatter)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(function=function)
        return command

    _add_up(add("up", _up, "start the cluster and the guests that are missing"))
    add("down", _down, "end everything and remove all but the cache")
    add("status", _status, "show every host; exit code 0 only if all are up")
    ssh = add("ssh", _ssh, "log in to a host (ceph1, client1, ...) or run a command there")
    ssh.add_argument("name", metavar="NAME")
    ssh.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER)
    reboot = add("reboot", _reboot, "reboot a guest cleanly and wait for the new boot")
    power_cut = add("power-cut", _power_cut, "end a guest as if its power failed; 'up' boots it again")
    unplug = add("unplug", _unplug, "take a guest off the network, as if its cable was pulled out")
    plug = add("plug", _plug, "put a guest back on the network; so does 'up' where it has to boot it")
    console = add("console", _console, "print the console log of a guest")
    for command in (reboot, power_cut, unplug, plug, console):
        command.add_argument("name", metavar="NAME")
    _add_timeout(reboot)
    console.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    listed = add("inventory", _inventory, "print an Ansible inventory with the groups ceph and clients")
    listed.add_argument("--list", action="store_true", help="as an inventory script does; empty without a laboratory")
    build = add("build", _build, "build the root file systems that the cache does not have yet")
    build.add_argument("--suite", choices=sorted(SUITES), help="Debian suite (default: bookworm)")
    add("clean-cache", _clean_cache, "remove the cached root file systems")
    return top


def _add_up(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", metavar="NAME", nargs="*", help="guests (default: client1)")
    command.add_argument("--no-guests", action="store_true", help="only the cluster")
    command.add_argument("--suite", choices=sorted(SUITES), help="Debian suite (default: bookworm)")
    text = "what runs the guests: KVM, QEMU's emulation, or User-mode Linux (default: KVM where it works, else tcg)"
    command.add_argument("--accel", choices=(AUTO, FAST, *TITLES), help=text)
    command.add_argument("--append", metavar="ARGUMENTS", default="", help="further kernel arguments for this boot")
    _add_timeout(command)


def _add_timeout(command: argparse.ArgumentParser) -> None:
    text = f"how long a guest may take for each step of its boot (default: {BOOT_TIMEOUT:.0f})"
    command.add_argument("--timeout", metavar="SECONDS", type=float, default=BOOT_TIMEOUT, help=text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become a sentence on standard error and exit code 1."""
    options = parser().parse_args(arguments)
    function: Command = options.function
    try:
        return function(Lab.here(Progress()), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        for line in error.evidence:
            print(f"  | {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; 'lab up' continues, 'lab down' cleans up.", file=sys.stderr)
        return 130
    except (BrokenPipeError, subprocess.SubprocessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
