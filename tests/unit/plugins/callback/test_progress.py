# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback prints what is ours and new, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.executor.task_result import CallbackTaskResult
from ansible.inventory.host import Host
from ansible.playbook.task import Task

from ansible_collections.cephclient.rbd.plugins.callback.progress import CallbackModule


class Screen:
    """What is printed."""

    verbosity = 0

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, msg: str, color: str | None = None) -> None:  # noqa: ARG002  # Ansible passes it by name
        self.lines.append(msg)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def callback(screen: Screen) -> CallbackModule:
    made = CallbackModule()
    made._display = screen
    return made


def polled(progress: Any, host: str = "app1", job: str = "j1.2") -> CallbackTaskResult:
    """What Ansible gives a callback after a poll."""
    data = {"ansible_job_id": job, "started": True, "finished": False, "progress": progress}
    return CallbackTaskResult(Host(host), Task(), data, {})


def at(percent: int) -> dict[str, Any]:
    return {"action": "flatten", "subject": "rbd/app", "percent": percent, "text": f"flatten rbd/app: {percent} %"}


@pytest.mark.parametrize("event", ["v2_runner_on_async_poll", "v2_runner_retry"])
def test_each_step_is_printed_once(callback: CallbackModule, screen: Screen, event: str) -> None:
    for percent in (0, 45, 45, 90):
        getattr(callback, event)(polled(at(percent)))
    assert screen.lines == [f"PROGRESS [app1] flatten rbd/app: {percent} %" for percent in (0, 45, 90)]


def test_hosts_and_jobs_are_told_apart(callback: CallbackModule, screen: Screen) -> None:
    for host, job in (("app1", "j1.2"), ("app2", "j1.2"), ("app1", "j3.4")):
        callback.v2_runner_on_async_poll(polled(at(45), host, job))
    assert screen.lines == [f"PROGRESS [{host}] flatten rbd/app: 45 %" for host in ("app1", "app2", "app1")]


@pytest.mark.parametrize("other", [None, 45, "half", [at(45)], {}, {"text": "x"}, {"percent": 4}, {**at(4), "text": 4}])
def test_what_is_not_ours_is_left_alone(callback: CallbackModule, screen: Screen, other: Any) -> None:
    callback.v2_runner_on_async_poll(polled(other))
    assert screen.lines == []


def test_a_poll_without_progress_prints_nothing(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_retry(CallbackTaskResult(Host("app1"), Task(), {"attempts": 1, "retries": 3}, {}))
    assert screen.lines == []


def test_a_host_cannot_write_to_the_terminal_what_it_likes(callback: CallbackModule, screen: Screen) -> None:
    callback.v2_runner_on_async_poll(polled({**at(45), "text": "flatten \x1b[2Jrbd/app\n"}))
    assert screen.lines == ["PROGRESS [app1] flatten ?[2Jrbd/app?"]
