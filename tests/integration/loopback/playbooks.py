# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ``ansible-playbook``, on this machine as the only host."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .daemon import ENVIRONMENT, owned
from .modules import Result
from .site import CHECKOUT, Site

_CALLBACKS = CHECKOUT / "tests" / "integration" / "callback_plugins"


@dataclass(frozen=True)
class Task:
    """What one task did, or one item of its loop.

    :ivar module: full name of its module.
    :ivar status: ok, failed, skipped or unreachable.
    """

    name: str
    module: str
    status: str
    result: Result


@dataclass(frozen=True)
class PlaybookRun:
    """A run of ansible-playbook that has ended.

    :ivar output: what it printed.
    """

    code: int
    output: str
    tasks: list[Task]

    @property
    def failed(self) -> bool:
        return self.code != 0

    def results(self, module: str) -> list[Result]:
        """The results of a module of the collection, by its short name, in order."""
        return [task.result for task in self.tasks if task.module == f"cephclient.rbd.{module}"]


class Playbooks:
    """Runs playbooks in a directory of its own."""

    def __init__(self, site: Site, directory: Path, variables: Mapping[str, Any], python: str) -> None:
        """Describe it.

        :param python: Python of the host; a run's own wins.
        :param variables: extra variables of every run; a run's own win.
        """
        self._site = site
        self._directory = directory
        self._variables = variables
        self._python = python
        self._runs = 0

    def __call__(
        self,
        playbook: str | Path,
        extra_vars: Mapping[str, Any] | None = None,
        *,
        check: bool = False,
        verbosity: int = 0,
        python: str | None = None,
    ) -> PlaybookRun:
        """Run a playbook; a failure is a result, too.

        :param playbook: the path of one, or the text of one.
        :param python: Python of the host, by default the one that has Ceph's bindings. Under another one, such as
            these tests' own, the modules have to go on under that one, which takes them twice as long.
        """
        self._runs += 1
        directory = self._directory / f"run-{self._runs}"
        directory.mkdir(parents=True)
        if isinstance(playbook, str):
            (directory / "playbook.yml").write_text(playbook, encoding="utf-8")
            playbook = directory / "playbook.yml"
        variables = directory / "variables.json"
        variables.write_text(json.dumps({**self._variables, **(extra_vars or {})}), encoding="utf-8")
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "--diff", "--extra-vars", f"@{variables}"]
        argv += [*["--check"] * check, *["-v"] * verbosity, str(playbook)]
        done = subprocess.run(
            owned(argv), capture_output=True, text=True, timeout=300, check=False, cwd=directory,
            env=self._environment(directory, python or self._python),
        )  # fmt: skip
        return PlaybookRun(done.returncode, done.stdout + done.stderr, _tasks(directory / "results.jsonl"))

    def _environment(self, directory: Path, python: str) -> dict[str, str]:
        """The environment of a run; its configuration is in the directory, where one can look at it."""
        inventory = directory / "inventory"
        inventory.write_text(f"localhost ansible_connection=local ansible_python_interpreter={python}\n", "utf-8")
        config = directory / "ansible.cfg"
        config.write_text(
            "[defaults]\n"
            f"home = {directory / 'home'}\n"
            f"inventory = {inventory}\n"
            f"collections_path = {self._site.place}\n"
            f"callback_plugins = {_CALLBACKS}\n"
            "callbacks_enabled = results, cephclient.rbd.progress\n"
            f"remote_tmp = {directory / 'remote'}\n",
            encoding="utf-8",
        )
        return {
            **ENVIRONMENT,
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_ASYNC_DIR": str(directory / "jobs"),
            "RESULTS_FILE": str(directory / "results.jsonl"),
        }


def _tasks(path: Path) -> list[Task]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [Task(row["task"], row["module"], row["status"], Result(row["result"])) for row in rows]
