# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of the collection with many sets of arguments in one task.

Arguments of the task:

``cases``
    A list of ``name``, ``module`` (of the collection), ``args``, and perhaps ``check: true`` for check mode. One
    without ``says`` must succeed, or the task fails; what one with it must be told, the tests of a scenario demand.
``defaults``
    Arguments for all of them. A case's own win.
``look``
    A command of the shell. What it prints before and after the cases is returned as ``looks``.

The callback record writes a row for each case as for an item of a loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Each case is executed as Ansible executes the module of a task."""

    _VALID_ARGS = frozenset(("cases", "defaults", "look"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run all cases."""
        super().run(tmp, task_vars)
        before = self._look()
        rows = [self._row(case, task_vars) for case in self._task.args["cases"]]
        failed = [row for row in rows if row["result"].get("failed") and not row["may_fail"]]
        return {
            "changed": any(row["result"].get("changed") for row in rows),
            "failed": bool(failed),
            "msg": "\n".join(f"{row['name']}: {row['result'].get('msg')}" for row in failed),
            "cases": rows,
            "looks": [before, self._look()],
        }

    def _look(self) -> str:
        command = self._task.args.get("look")
        if not command:
            return ""
        execute: Callable[..., dict[str, Any]] = self._low_level_execute_command
        done = execute(command)
        if done["rc"]:
            raise AnsibleActionFail(f"The look has ended with {done['rc']}: {done['stdout']}{done['stderr']}")
        return str(done["stdout"])

    def _row(self, case: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        module = f"cephclient.rbd.{case['module']}"
        arguments = {**self._task.args.get("defaults", {}), **case["args"]}
        check, self._task.check_mode = self._task.check_mode, bool(case.get("check", self._task.check_mode))
        began = time.monotonic()
        try:
            result: dict[str, Any] = self._execute_module(module, arguments, task_vars=task_vars)
            return {
                "name": case["name"],
                "module": module,
                "check": self._task.check_mode,
                "may_fail": "says" in case,
                "seconds": time.monotonic() - began,
                "result": {**result, "warnings": [_text(warning) for warning in result.get("warnings", [])]},
            }
        finally:
            self._task.check_mode = check


def _text(warning: Any) -> str:
    """Return a warning as Ansible shows it at the end of a task."""
    return warning if isinstance(warning, str) else str(warning.event.msg)
