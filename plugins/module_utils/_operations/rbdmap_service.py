# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation of rbdmap_service."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Callable

from .. import _module, _plan, _service, _service_actions
from .._ownership import TextFile
from .._service_request import DROP_IN, PROGRAM, SERVICE, ServiceCurrent, ServiceRequest, ServiceState
from .._system import files, service


class ServiceOperation:
    """Keeps the boot program, its drop-in and the service; never stops it."""

    def __init__(
        self,
        request: ServiceRequest,
        check_mode: bool,
        place: files.Files,
        services: service.Services,
        program: Callable[[], Mapping[str, str]],
    ) -> None:
        self._request = request
        self._check_mode = check_mode
        self._program = program
        self._files = place
        self._services = services
        self._current = ServiceCurrent(ServiceState("", ""), {})
        self._plan = _plan.Plan()

    def plan(self) -> _plan.Plan:
        """Read the files and the service."""
        request = self._request
        self._current = ServiceCurrent(
            service=self._services.state(SERVICE),
            files={path: self._text_file(path) for path in (*PROGRAM, DROP_IN)},
            release=self._services.release() if request.heals else None,
        )
        self._plan = _service.plan_service(request, self._program(), self._current)
        return self._plan

    def handlers(self) -> _module.Handlers:
        """What applies each kind of action."""
        return {
            _service_actions.OwnFile: lambda action: self._files.set_ownership(action.subject, _service_actions.OWNED),
            _plan.EditFile: self._write,
            _plan.RemoveFile: lambda action: self._files.remove(action.subject),
            _service_actions.ReloadSystemd: lambda _action: self._services.reload(),
            _service_actions.EnableService: lambda action: self._services.enable(action.subject),
            _service_actions.StartService: lambda action: self._services.start(action.subject),
        }

    def report(self) -> dict[str, Any]:
        """What the service is now, or would be."""
        state = _service.predicted(self._current.service, self._plan)
        if self._plan and not self._check_mode:
            state = self._services.state(SERVICE)
        return {
            "state": self._request.state,
            "self_heal": _service.heals(self._current, self._plan),
            "service": {"name": SERVICE, "enabled": state.enabled, "active": state.active},
        }

    def _text_file(self, path: str) -> TextFile:
        text = self._files.read(path)
        return TextFile() if text is None else TextFile(text, self._files.look(path).ownership)

    def _write(self, action: _plan.EditFile) -> None:
        self._files.make_directory(posixpath.dirname(action.subject), _service_actions.DIRECTORY_MODE)
        self._files.edit(action.subject, action.edit, _service_actions.FILE_MODE)
        # A directory may give its group to what is made in it, as /usr/local does on some hosts.
        self._files.set_ownership(action.subject, _service_actions.OWNED)
