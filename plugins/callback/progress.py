# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints how far an asynchronous task of this collection is, each time that Ansible looks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Print how far long operations on RBD images are
version_added: 0.1.0
author: cephclient.rbd contributors (@cephclient)
description:
  - >-
    Prints a line such as C(PROGRESS [app1] flatten rbd/app: 45 %) whenever Ansible polls a task of this collection that
    runs with C(async), and finds it further than before.
  - Works with C(poll) greater than 0, and with M(ansible.builtin.async_status) in an C(until) loop.
  - A task without C(async) returns once, at its end, so there is nothing to print before.
requirements:
  - Must be enabled, with C(callbacks_enabled = cephclient.rbd.progress) in the section C([defaults]) of ansible.cfg
    or with the environment variable E(ANSIBLE_CALLBACKS_ENABLED).
seealso:
  - module: ansible.builtin.async_status
"""

from typing import Any  # noqa: E402  # Ansible wants the documentation first

from ansible import constants  # noqa: E402  # Ansible wants the documentation first
from ansible.plugins.callback import CallbackBase  # noqa: E402  # Ansible wants the documentation first


class CallbackModule(CallbackBase):
    """One line for each step that a poll finds."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "cephclient.rbd.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[tuple[str, str], str] = {}

    def v2_runner_on_async_poll(self, result: Any) -> None:
        """Ansible has polled a task with ``poll`` greater than 0."""
        self._show(result)

    def v2_runner_retry(self, result: Any) -> None:
        """An ``until`` loop, perhaps over async_status, goes on."""
        self._show(result)

    def _show(self, result: Any) -> None:
        host = self.host_label(result)
        text = _text(result.result)
        job = (host, str(result.result.get("ansible_job_id")))
        if text is None or text == self._shown.get(job):
            return
        self._shown[job] = text
        self._display.display(f"PROGRESS [{host}] {text}", color=constants.config.get_config_value("COLOR_VERBOSE"))


def _text(polled: Any) -> str | None:
    """The line that the module wrote, if it is one of ours. It comes from a host: no control characters."""
    progress = polled.get("progress")
    if not isinstance(progress, dict) or not isinstance(progress.get("text"), str) or "percent" not in progress:
        return None
    return "".join(character if character.isprintable() else "?" for character in progress["text"])
