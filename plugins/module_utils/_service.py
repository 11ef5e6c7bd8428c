# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans ``rbdmap.service``: the program that it runs, its drop-in, and that it runs at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ._errors import RbdError
from ._ownership import TextFile
from ._plan import Action, EditFile, Plan, RemoveFile
from ._service_actions import OWNED, EnableService, OwnFile, ReloadSystemd, StartService
from ._service_request import (
    DROP_IN,
    DROP_IN_TEXT,
    OLDEST_THAT_HEALS,
    PROGRAM,
    SERVICE,
    ServiceCurrent,
    ServiceRequest,
    ServiceState,
)

# systemd starts these at boot, or they cannot be enabled.
_ENABLED = ("enabled", "alias", "static", "indirect", "generated")


def plan_service(request: ServiceRequest, program: Mapping[str, str], current: ServiceCurrent) -> Plan:
    """The steps for the service.

    The drop-in never says what is not there: its program comes before it, and goes after systemd has forgotten it.

    :param program: the text of each of the program's files, by its path.
    :raises RbdError: there is no such unit, or it is masked, and it is to run.
    """
    warnings = _require_unit(request, current.service) if request.runs else []
    runs = _run(current.service) if request.runs else []
    if request.heals and not _can_heal(current):
        warnings.append(
            f"{SERVICE} is left as Ceph ships it: systemd {current.release} cannot start a service of its type again; "
            f"that takes systemd {OLDEST_THAT_HEALS}."
        )
        return Plan((*_reload(current, []), *runs), tuple(warnings))
    if request.heals:
        placed = [step for path in PROGRAM for step in _place(path, program[path], current)]
        drop_in = _place(DROP_IN, DROP_IN_TEXT, current)
        return Plan((*placed, *drop_in, *_reload(current, drop_in), *runs), tuple(warnings))
    drop_in = _remove(DROP_IN, current)
    removed = [step for path in reversed(PROGRAM) for step in _remove(path, current)]
    return Plan((*drop_in, *_reload(current, drop_in), *removed, *runs), tuple(warnings))


def heals(current: ServiceCurrent, plan: Plan) -> bool:
    """Whether the drop-in is there once a plan is applied."""
    steps = [step for step in plan.actions if isinstance(step, EditFile) and step.subject == DROP_IN]
    return not isinstance(steps[-1], RemoveFile) if steps else _file(current, DROP_IN).text is not None


def predicted(state: ServiceState, plan: Plan) -> ServiceState:
    """What a unit is once a plan is applied."""
    for step in plan.actions:
        if isinstance(step, EnableService):
            state = replace(state, enabled=step.after())
        elif isinstance(step, StartService):
            state = replace(state, active=step.after())
    return state


def _can_heal(current: ServiceCurrent) -> bool:
    return current.release is not None and current.release >= OLDEST_THAT_HEALS


def _require_unit(request: ServiceRequest, service: ServiceState) -> list[str]:
    """The warnings of a unit that is to run."""
    what = f"use {SERVICE}"
    if not service.loaded:
        raise RbdError(what, "systemd does not answer", "Look at: systemctl status. The host must run under systemd.")
    if service.loaded == "masked" or service.enabled.startswith("masked"):
        raise RbdError(what, "it is masked", f"Run: systemctl unmask {SERVICE}.")
    if service.loaded != "not-found":
        return []
    if not request.assume_installed:
        raise RbdError(what, "there is no such unit on this host", "Install the package ceph-common.")
    assumed = "in check mode it is taken for one that an earlier task installs, and that its package enables and starts"
    return [f"{SERVICE} does not exist; {assumed}."]


def _run(service: ServiceState) -> list[Action]:
    """What is done for a unit that is not there yet is known only once its package is installed."""
    steps: list[Action] = []
    if service.loaded == "not-found":
        return steps
    if service.enabled not in _ENABLED:
        steps.append(EnableService(None, SERVICE, service.enabled))
    if service.active not in ("active", "reloading"):
        steps.append(StartService(None, SERVICE, service.active))
    return steps


def _reload(current: ServiceCurrent, drop_in: Sequence[Action]) -> list[Action]:
    """Whether systemd has to read the unit's files, given the steps for the drop-in."""
    edited = any(isinstance(step, EditFile) for step in drop_in)
    needed = current.service.outdated or (edited and current.service.loaded)
    return [ReloadSystemd(None, SERVICE)] if needed else []


def _place(path: str, text: str, current: ServiceCurrent) -> list[Action]:
    """The steps for one file; it is root's before root's program is written to it."""
    found = _file(current, path)
    steps: list[Action] = []
    if found.text is not None and found.ownership != OWNED:
        steps.append(OwnFile(None, path, found.ownership))
    if found.text != text:
        steps.append(EditFile(None, path, found.text, text, lambda _text: text, str))
    return steps


def _remove(path: str, current: ServiceCurrent) -> list[Action]:
    found = _file(current, path)
    return [] if found.text is None else [RemoveFile.of(path, found.text)]


def _file(current: ServiceCurrent, path: str) -> TextFile:
    return current.files.get(path, TextFile())
