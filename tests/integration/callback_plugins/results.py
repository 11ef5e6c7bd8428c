# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the whole result of every task, for a test to read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: results
type: aggregate
short_description: Write the whole result of every task
description:
  - Appends one line of JSON for each task and each item of a loop to the file that the environment
    variable RESULTS_FILE names.
"""


class CallbackModule(CallbackBase):
    """A line for each result: its task, module, status and all values."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 (Ansible passes it by name)
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._write("failed", result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def _write(self, status: str, result: Any) -> None:
        # The summary of a loop repeats its items.
        if "results" in result.result and result.task.loop is not None:
            return
        task = result.task
        row = {"task": task.get_name(), "module": task.resolved_action, "status": status, "result": result.result}
        with Path(os.environ["RESULTS_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")
