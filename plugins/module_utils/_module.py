# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which every module runs: plan, apply unless in check mode, tell."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Callable, NoReturn, Protocol

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ._errors import AlreadyDone, ItemErrors, Overtaken, RbdError
from ._plan import Action, Plan, printable, printable_tree
from ._system import bindings, ceph_errors, cluster, connection
from ._system.progress import Progress, Silence

# Distributions build Ceph's bindings for their own Python alone.
SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/bin/python3.11", "/usr/bin/python3.12")

# How often a run looks again because another one was faster; two runs of the same play need one.
LOOKS = 5

Handlers = Mapping[type, Callable[[Any], None]]


class Operation(Protocol):
    """What a module does, in the three parts that every module has."""

    def plan(self) -> Plan:
        """Read the current state and plan; changes nothing."""

    def handlers(self) -> Handlers:
        """What applies each kind of action."""

    def report(self) -> dict[str, Any]:
        """The module's own return values, after the plan was applied (or predicted, in check mode)."""


def execute(
    module: AnsibleModule,
    operation: Operation,
    progress: Progress | None = None,
    session: cluster.LibrbdSession | None = None,
) -> NoReturn:
    """Run an operation to the module's end. The only place where an RbdError becomes a failure.

    :param progress: is told of each step; for operations that may take long.
    :param session: where given, its silence ends the run.
    """
    run = _Run(module, operation, progress or Silence())
    if session is not None:
        to = session.connection
        session.heartbeat.on_silence = lambda what: run.cut_short(ceph_errors.unanswered(what, to))
    try:
        plan = run.to_the_end()
        report = operation.report()
    except RbdError as error:
        run.speak()
        _fail(module, error, run.done, run.current)
    run.speak()
    module.exit_json(changed=bool(plan), actions=_results(plan.actions), diff=plan.diff(), **printable_tree(report))


class _Run:
    """One run: what was done so far, and what is being done.

    :ivar done: the actions that were applied.
    :ivar current: the action that is being applied, or failed.
    """

    def __init__(self, module: AnsibleModule, operation: Operation, progress: Progress) -> None:
        self._module = module
        self._operation = operation
        self._progress = progress
        self._said: set[str] = set()
        self._speaking = threading.Lock()
        self.done: list[Action] = []
        self.current: Action | None = None

    def to_the_end(self) -> Plan:
        """Plan and apply, and plan anew where another run was faster.

        :returns: the plan; with what was done, which leaves out what the other run did.
        """
        plan = self._plan()
        for _look in range(LOOKS - 1):
            try:
                return self._apply(plan)
            except Overtaken:
                self.current = None
                plan = self._plan()
        return self._apply(plan)

    def speak(self) -> None:
        """Be the one to give the module's answer. Waits for ever where that is given by :meth:`cut_short`."""
        self._speaking.acquire()

    def cut_short(self, error: RbdError) -> None:
        """End the process with that failure, from another thread: the run is in a call that does not return."""
        if self._speaking.acquire(blocking=False):
            with suppress(SystemExit):
                _fail(self._module, error, self.done, self.current)
            _leave(1)

    def _plan(self) -> Plan:
        plan = self._operation.plan()
        for warning in plan.warnings:
            if warning not in self._said:
                self._module.warn(printable(warning))
                self._said.add(warning)
        return plan

    def _apply(self, plan: Plan) -> Plan:
        if self._module.check_mode:
            return plan
        handlers = self._operation.handlers()
        for number, action in enumerate(plan.actions, start=1):
            self.current = action
            self._progress.step(action.kind, action.subject, number, len(plan.actions))
            try:
                handlers[type(action)](action)
            except AlreadyDone:
                continue
            self.done.append(action)
        self.current = None
        return Plan(tuple(self.done), plan.warnings)


def _fail(module: AnsibleModule, error: RbdError, done: list[Action], failing: Action | None) -> NoReturn:
    """Say which item failed, and what had already been done by then."""
    failures: list[dict[str, Any]] = []
    message = str(error)
    if isinstance(error, ItemErrors):
        # Where another run was faster, the plan that fails may be the second one.
        message += " Nothing was changed." if error.total > 1 and not done else ""
        failures = [printable_tree(failure.result()) for failure in error.failures]
    elif failing is not None:
        failures = [printable_tree({"index": failing.index, "item": failing.subject, "msg": message})]
    module.fail_json(
        msg=printable(message),
        changed=bool(done),
        actions=_results(done),
        failures=failures,
    )


def _results(actions: Iterable[Action]) -> list[dict[str, Any]]:
    return [printable_tree(action.result()) for action in actions]


def require_bindings() -> None:
    """Go on under a Python that has Ceph's bindings, if this one lacks them and another is there."""
    if bindings.have_bindings() or has_respawned():
        return
    interpreter = probe_interpreters_for_module(SYSTEM_PYTHONS, bindings.BINDINGS)
    if interpreter is not None:
        respawn_module(interpreter)


@contextmanager
def cluster_session(module: AnsibleModule) -> Iterator[cluster.LibrbdSession]:
    """A session with the cluster that the connection options describe; it connects when first asked."""
    session = cluster.LibrbdSession(connection_of(module.params))
    try:
        yield session
    except SystemExit as end:
        # The answer is given. A connection to a cluster that is silent cannot be ended, the process can.
        if not session.close():
            _leave(end.code)
        raise
    finally:
        session.close()


def _leave(code: object) -> NoReturn:
    """End the process at once, whatever its threads wait for."""
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


def connection_of(params: Mapping[str, Any]) -> connection.Connection:
    """The connection options as a value."""
    return connection.Connection(
        conf=params["conf"],
        cluster=params["cluster"],
        user=params["user"],
        keyring=params["keyring"],
        timeout=params["connect_timeout"],
    )
