# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of the collection with many sets of arguments in one process of the host.

In an emulated guest the start of a module takes seconds, and what it does, mostly, tenths of one. Everything that
Ansible does for a task is done for a case, and by Ansible's own code: the module that is installed is found and
packed with what it imports, gets its arguments beside Ansible's, and its answer is read. Only what is between the
two is another: the packages are joined, and forked.py runs all of them.

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

import ast
import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

FORKED = Path(__file__).parents[1] / "forked.py"
# Where in the program that AnsiballZ makes the call with all that is in it begins.
CALL = b'\nif __name__ == "__main__":\n'
SENT = ("module_fqn", "params", "profile", "zip_data")


class _Sent(Exception):
    """What would be sent to a host; this ends the first half of a case, and is no error."""

    def __init__(self, command: str, program: bytes) -> None:
        super().__init__(command)
        self.command = command
        self.program = program


class ActionModule(ActionBase):
    """Every case goes through :meth:`_execute_module` twice: until it is sent, and from its answer on."""

    _VALID_ARGS = frozenset(("cases", "defaults", "look"))

    #: What a module has answered, while that is read.
    _answer: dict[str, Any] | None = None

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run all cases."""
        super().run(tmp, task_vars)
        defaults = self._task.args.get("defaults", {})
        cases = [
            {
                **case,
                "module": f"cephclient.rbd.{case['module']}",
                "args": {**defaults, **case["args"]},
                "check": bool(case.get("check", self._task.check_mode)),
            }
            for case in self._task.args["cases"]
        ]
        sent = [self._sent(case, task_vars) for case in cases]
        answer = self._run_there(sent[0].command, [_arguments(each.program) for each in sent])
        rows = []
        for case, self._answer in zip(cases, answer["cases"], strict=True):
            rows.append(_row(case, self._answer["seconds"], self._execute(case, task_vars)))
        failed = [row for row in rows if row["result"].get("failed") and not row["may_fail"]]
        return {
            "changed": any(row["result"].get("changed") for row in rows),
            "failed": bool(failed),
            "msg": "\n".join(f"{row['name']}: {row['result'].get('msg')}" for row in failed),
            "cases": rows,
            "looks": answer["looks"],
        }

    def _sent(self, case: Mapping[str, Any], task_vars: dict[str, Any] | None) -> _Sent:
        try:
            self._execute(case, task_vars)
        except _Sent as sent:
            return sent
        raise AnsibleActionFail(f"{case['module']} sends nothing.")

    def _execute(self, case: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        check, self._task.check_mode = self._task.check_mode, case["check"]
        try:
            arguments = dict(case["args"])
            result: dict[str, Any] = self._execute_module(case["module"], arguments, task_vars=task_vars)
        finally:
            self._task.check_mode = check
        return result

    def _is_pipelining_enabled(self, *_arguments: Any, **_options: Any) -> bool:
        return True

    def _low_level_execute_command(self, cmd: str, *_arguments: Any, **options: Any) -> dict[str, Any]:
        """Stand between Ansible and the host."""
        if self._answer is None:
            raise _Sent(cmd, options["in_data"])
        return {"stdout_lines": [], "stderr_lines": [], **self._answer}

    def _run_there(self, command: str, cases: list[dict[str, str]]) -> dict[str, Any]:
        archive = base64.b64encode(_joined({case.pop("zip_data") for case in cases})).decode()
        told = {"archive": archive, "cases": cases, "look": self._task.args.get("look", "")}
        program = f"{FORKED.read_text(encoding='utf-8')}\n\nmain({told!r})\n"
        execute: Callable[..., dict[str, Any]] = super()._low_level_execute_command
        done = execute(command, in_data=program.encode())
        answers = [line for line in done["stdout"].splitlines() if line.startswith('{"cases": ')]
        if len(answers) != 1:
            raise AnsibleActionFail(f"The cases have ended with {done['rc']}: {done['stdout']}{done['stderr']}")
        answer: dict[str, Any] = json.loads(answers[0])
        return answer


def _arguments(program: bytes) -> dict[str, str]:
    """What AnsiballZ's program calls itself with."""
    (block,) = ast.parse(program[program.rindex(CALL) :]).body
    (call,) = (node for node in ast.walk(block) if isinstance(node, ast.Call) and len(node.keywords) >= len(SENT))
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg in SENT}


def _joined(packages: Iterable[str]) -> bytes:
    """One zip file with all that is in several."""
    joined: dict[str, bytes] = {}
    for package in packages:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(package))) as archive:
            joined.update({name: archive.read(name) for name in archive.namelist()})
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(joined.items()):
            archive.writestr(name, content)
    return output.getvalue()


def _row(case: Mapping[str, Any], seconds: float, result: dict[str, Any]) -> dict[str, Any]:
    # What Ansible does with those of a task at its end.
    warnings = [warning if isinstance(warning, str) else warning.event.msg for warning in result.get("warnings", [])]
    return {
        "name": case["name"],
        "module": case["module"],
        "check": case["check"],
        "may_fail": "says" in case,
        "seconds": seconds,
        "result": {**result, "warnings": warnings},
    }
