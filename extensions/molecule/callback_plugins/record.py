# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what every task of a run returned, so that a test can compare two runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: record
type: aggregate
short_description: Write what every task returned
description:
  - Writes one JSON object a task and host to a file of its own for each run, below the directory
    that the environment variable RECORD_DIRECTORY names.
  - Of the action rbd_cases, writes one for each case, as if it were an item of a loop with its module.
"""


KEPT = ("changed", "failed", "actions", "diff", "drift", "msg", "failures", "warnings")


class CallbackModule(CallbackBase):
    """One file for each run: ``<number>-<playbook>[-check].jsonl``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file: Path | None = None
        self._began: dict[tuple[str, str], float] = {}

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note when a task begins on a host."""
        self._began[host.get_name(), task._uuid] = time.monotonic()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Keep a result of a loop."""
        self._write(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Keep a failure in a loop."""
        self._write(result)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Open this run's file."""
        place = os.environ.get("RECORD_DIRECTORY")
        if place is None:
            return
        directory = Path(place)
        directory.mkdir(parents=True, exist_ok=True)
        number = len(list(directory.iterdir()))
        name = Path(playbook._file_name).stem
        self._file = directory / f"{number:03}-{name}.jsonl"
        self._file.touch()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep a result."""
        self._write(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 (Ansible passes it by name)
        """Keep a failure."""
        self._write(result)

    def _write(self, result: Any) -> None:
        if self._file is None:
            return
        host, task, now = result.host.get_name(), result.task, time.monotonic()
        row = {
            "host": host,
            "task": task.get_name(),
            "item": result.result.get("_ansible_item_label"),
            "action": task.resolved_action,
            "module": task.resolved_action,
            "check": task.check_mode,
            "seconds": now - self._began.get((host, task._uuid), now),
            "result": {key: result.result.get(key) for key in KEPT},
        }
        # The next item of a loop begins where this one ends.
        self._began[host, task._uuid] = now
        rows = [row, *({**row, **_row(case)} for case in result.result.get("cases", []))]
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(each, default=str) + "\n" for each in rows)


def _row(case: dict[str, Any]) -> dict[str, Any]:
    """What is another in the row of a case than in that of its task."""
    own = {"item": case["name"], **{key: case[key] for key in ("module", "check", "seconds")}}
    return {**own, "result": {key: case["result"].get(key) for key in KEPT}}
