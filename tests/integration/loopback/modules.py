# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of this checkout, each run in a process of its own under the system's Python, without a controller."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .daemon import owned
from .forks import Forks
from .site import COLLECTION, Site

#: Seconds after which a module hangs; the longest legitimate wait is the default connect_timeout.
TIMEOUT = 180


@dataclass(frozen=True)
class Result:
    """What a module returned.

    :ivar raw: all of it.
    """

    raw: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        return bool(self.raw.get("failed", False))

    @property
    def msg(self) -> str:
        return str(self.raw.get("msg", ""))

    @property
    def changed(self) -> bool:
        return bool(self.raw.get("changed", False))

    @property
    def actions(self) -> list[dict[str, Any]]:
        return list(self.raw["actions"])

    @property
    def diff(self) -> list[dict[str, str]]:
        return list(self.raw["diff"])

    @property
    def failures(self) -> list[dict[str, Any]]:
        return list(self.raw.get("failures", []))

    @property
    def warnings(self) -> list[str]:
        # A controller makes them texts; a module alone gives ansible-core's own kind of object.
        given = self.raw.get("warnings", [])
        return [warning if isinstance(warning, str) else str(warning["event"]["msg"]) for warning in given]


@dataclass(frozen=True)
class Module:
    """A module that can be called.

    :ivar defaults: options for every call; a call's own win.
    :ivar prefix: a command that runs the one behind it, such as ``strace``.
    :ivar forks: where it is run, unless there is a prefix; without it each run starts a Python.
    """

    name: str
    site: Site
    python: str
    defaults: Mapping[str, Any]
    prefix: Sequence[str] = ()
    forks: Forks | None = None

    def __call__(
        self, options: Mapping[str, Any], *, check: bool = False, diff: bool = True, no_log: bool = False
    ) -> Result:
        """Run it once; a failure is a result, too.

        :param check: run it in check mode.
        """
        done = self._run(self._input(options, check, diff, no_log))
        # Whether it succeeds or fails, a module says so as JSON. Only one that breaks has something else to say.
        assert done.stdout.startswith("\n{"), f"{self.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return Result(json.loads(done.stdout))

    @contextlib.contextmanager
    def started(self, options: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
        """Have it at work within the block, for a test of what becomes of its work when it is killed."""
        with subprocess.Popen(
            self._argv(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env=self.site.environment, cwd="/",
        ) as process:  # fmt: skip
            assert process.stdin is not None
            process.stdin.write(self._input(options, check=False, diff=True, no_log=False))
            process.stdin.close()
            try:
                yield process
            finally:
                process.kill()

    def _run(self, stdin: str) -> subprocess.CompletedProcess[str]:
        environment = self.site.environment
        if self.forks and not self.prefix:
            return self.forks.run(self._program(), stdin=stdin, timeout=TIMEOUT, environment=environment)
        return subprocess.run(
            self._argv(), input=stdin, capture_output=True, text=True,
            timeout=TIMEOUT, check=False, env=environment, cwd="/",
        )  # fmt: skip

    def _argv(self) -> list[str]:
        return owned([*self.prefix, self.python, *self._program()])

    def _program(self) -> list[str]:
        return ["-m", f"{COLLECTION}.plugins.modules.{self.name}"]

    def _input(self, options: Mapping[str, Any], check: bool, diff: bool, no_log: bool) -> str:
        internal = {
            "_ansible_check_mode": check,
            "_ansible_diff": diff,
            "_ansible_no_log": no_log,
            "_ansible_module_name": f"cephclient.rbd.{self.name}",
            "_ansible_remote_tmp": str(self.site.place / "remote"),
        }
        return json.dumps({"ANSIBLE_MODULE_ARGS": {**self.defaults, **options, **internal}})


# What the fixtures of these names are.
Modules = Callable[[str], Module]
Ritual = Callable[[str, Mapping[str, Any]], Result]


def ritual(module: Callable[..., Result], options: Mapping[str, Any]) -> Result:
    """Check, do, do again, check again: check mode predicts what is done, and nothing is left to do after it.

    :returns: the result of doing it.
    """
    predicted, done = module(options, check=True), module(options)
    for result in (predicted, done):
        assert not result.failed, result.msg
    assert _effect(predicted) == _effect(done)
    for again in (module(options), module(options, check=True)):
        assert not again.failed, again.msg
        assert _effect(again) == (False, [], [])
    return done


def _effect(result: Result) -> tuple[bool, list[dict[str, Any]], list[dict[str, str]]]:
    return result.changed, result.actions, result.diff
