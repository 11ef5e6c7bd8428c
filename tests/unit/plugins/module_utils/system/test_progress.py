# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: what is told to whom and how often, and that telling never harms what is told of."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._system import progress
from ansible_collections.cephclient.rbd.plugins.module_utils._system.progress import (
    HostLog,
    JobFile,
    Report,
    Reporter,
    Silence,
)
from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.support import CANARY

# As ansible-core 2.19's async_wrapper writes it.
RUNNING = {"started": True, "finished": False, "ansible_job_id": "j123.456"}
JOB = "j123.456"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The file of a running job."""
    path = tmp_path / "jobs" / JOB
    path.parent.mkdir()
    path.write_text(json.dumps(RUNNING), encoding="utf-8")
    path.chmod(0o644)
    return path


def shown(job: Path) -> Any:
    """What a poll finds."""
    return json.loads(job.read_text(encoding="utf-8")).get("progress")


def left(job: Path) -> list[str]:
    """The names in the directory of the jobs."""
    return [path.name for path in job.parent.iterdir()]


def flattened(percent: int | None, subject: str = "rbd/app", step: int = 1, steps: int = 1) -> Report:
    return Report("flatten", subject, percent, step, steps)


# The report


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (Report("flatten", "rbd/app", 45), "flatten rbd/app: 45 %"),
        (Report("flatten", "rbd/app", 0, 2, 7), "flatten rbd/app: 0 % (2 of 7)"),
        (Report("rollback", "rbd/app@s", None), "rollback rbd/app@s"),
        (Report("make_directory", "/srv", None, 7, 7), "make directory /srv (7 of 7)"),
    ],
)
def test_a_report_is_one_line(report: Report, text: str) -> None:
    assert report.text == text
    assert report.result()["text"] == text


# The reporter


def test_what_is_watched_belongs_to_the_step_of_the_plan() -> None:
    told: list[Report] = []
    reporter = Reporter([told.append])
    reporter.step("flatten", "rbd/app", 2, 3)
    on_progress = reporter.watch("flatten", "rbd/app")
    assert on_progress(115, 256) == 0
    assert told == [flattened(None, step=2, steps=3), flattened(44, step=2, steps=3)]


@given(done=st.integers(-5, 2**64), total=st.integers(-5, 2**64))
def test_a_percentage_is_one_whatever_is_told(done: int, total: int) -> None:
    told: list[Report] = []
    assert Reporter([told.append]).watch("flatten", "rbd/app")(done, total) == 0
    percent = told[0].percent
    if total <= 0:
        assert percent is None
    else:
        assert percent is not None
        assert 0 <= percent <= 100


def test_a_sink_that_fails_is_not_asked_again_and_harms_nobody() -> None:
    told: list[Report] = []
    asked: list[Report] = []

    def broken(report: Report) -> None:
        asked.append(report)
        raise RuntimeError("nobody expected this")

    on_progress = Reporter([broken, told.append]).watch("flatten", "rbd/app")
    assert [on_progress(done, 4) for done in range(4)] == [0, 0, 0, 0]
    assert len(asked) == 1
    assert [report.percent for report in told] == [0, 25, 50, 75]


def test_threads_do_not_wait_for_each_other() -> None:
    told: list[int | None] = []
    inside, go_on = threading.Event(), threading.Event()

    def slow(report: Report) -> None:
        told.append(report.percent)
        inside.set()
        assert go_on.wait(10)

    on_progress = Reporter([slow]).watch("flatten", "rbd/app")
    thread = threading.Thread(target=on_progress, args=(1, 2))
    thread.start()
    assert inside.wait(10)
    assert on_progress(2, 2) == 0
    go_on.set()
    thread.join()
    assert told == [50]


def test_a_name_that_is_not_utf_8_can_be_printed() -> None:
    told: list[Report] = []
    Reporter([told.append]).step("mount", b"/srv/\xff".decode("utf-8", "surrogateescape"), 1, 1)
    assert told[0].subject == r"/srv/\xff"


def test_silence_answers_as_librbd_wants_it() -> None:
    silence = Silence()
    silence.step("flatten", "rbd/app", 1, 1)
    assert silence.watch("flatten", "rbd/app")(1, 2) == 0


# The job file


def test_a_poll_finds_the_report_beside_what_ansible_wrote(job: Path, clock: Clock) -> None:
    JobFile(str(job), clock)(flattened(45, step=2, steps=3))
    assert json.loads(job.read_text(encoding="utf-8")) == {
        **RUNNING,
        "progress": {
            "action": "flatten",
            "subject": "rbd/app",
            "percent": 45,
            "step": 2,
            "steps": 3,
            "text": "flatten rbd/app: 45 % (2 of 3)",
        },
    }
    assert stat.S_IMODE(job.stat().st_mode) == 0o644
    assert left(job) == [JOB]


def test_percentages_are_written_once_a_second(job: Path, clock: Clock) -> None:
    tell = JobFile(str(job), clock)
    tell(flattened(1))
    clock.now += 0.9
    tell(flattened(2))
    assert shown(job)["percent"] == 1
    clock.now += 0.2
    tell(flattened(3))
    assert shown(job)["percent"] == 3


def test_the_same_percentage_is_not_written_again(job: Path, clock: Clock) -> None:
    tell = JobFile(str(job), clock)
    tell(flattened(1))
    written = job.stat().st_ino
    clock.now += 60
    tell(flattened(1))
    assert job.stat().st_ino == written


def test_several_actions_at_a_time_do_not_write_more_often(job: Path, clock: Clock) -> None:
    tell = JobFile(str(job), clock)
    for percent in range(100):
        for name in ("rbd/a", "rbd/b"):
            tell(flattened(percent, name))
    assert shown(job)["text"] == "flatten rbd/a: 0 %"


def test_the_beginning_of_an_action_is_written_at_once(job: Path, clock: Clock) -> None:
    tell = JobFile(str(job), clock)
    tell(flattened(99, step=1, steps=2))
    tell(Report("rollback", "rbd/b@s", None, 2, 2))
    assert shown(job)["text"] == "rollback rbd/b@s (2 of 2)"


def test_a_reader_never_sees_half_a_file(job: Path) -> None:
    tell = JobFile(str(job))
    over = threading.Event()

    def write() -> None:
        for number in range(300):
            tell(flattened(None, subject=f"rbd/{number}"))
        over.set()

    thread = threading.Thread(target=write)
    thread.start()
    reads = 0
    while not over.is_set() or not reads:
        assert json.loads(job.read_text(encoding="utf-8"))["started"]
        reads += 1
    thread.join()
    assert shown(job)["subject"] == "rbd/299"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"changed": true, "actions": []}', id="the result"),
        pytest.param('{"msg": "Timeout exceeded", "failed": true, "child_pid": 7}', id="a timeout"),
        pytest.param('{"started": 1, "finished": 1}', id="finished"),
        pytest.param("", id="empty"),
        pytest.param("[]", id="something else"),
    ],
)
def test_what_is_not_a_running_job_is_left_alone(job: Path, content: str) -> None:
    job.write_text(content, encoding="utf-8")
    on_progress = Reporter([JobFile(str(job))]).watch("flatten", "rbd/app")
    assert on_progress(1, 2) == 0
    assert job.read_text(encoding="utf-8") == content


def test_a_job_that_was_cleaned_up_does_not_come_back(job: Path) -> None:
    job.unlink()
    assert Reporter([JobFile(str(job))]).watch("flatten", "rbd/app")(1, 2) == 0
    assert left(job) == []


def test_a_failed_write_leaves_nothing_behind(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse)
    assert Reporter([JobFile(str(job))]).watch("flatten", "rbd/app")(1, 2) == 0
    assert left(job) == [JOB]
    assert shown(job) is None


# The log


def test_what_is_short_is_not_logged(clock: Clock) -> None:
    logged: list[str] = []
    tell = HostLog(logged.append, clock)
    for percent in range(0, 100, 10):
        tell(flattened(percent))
        clock.now += 0.9
    assert logged == []


def test_what_lasts_long_is_logged_each_ten_percent(clock: Clock) -> None:
    logged: list[str] = []
    tell = HostLog(logged.append, clock)
    for half in range(200):
        clock.now += 11
        tell(flattened(half // 2))
    assert logged == [f"flatten rbd/app: {percent} %" for percent in range(0, 100, 10)]


def test_many_short_actions_are_logged_each_ten_seconds(clock: Clock) -> None:
    logged: list[str] = []
    tell = HostLog(logged.append, clock)
    for number in range(1, 1001):
        clock.now += 0.5
        tell(Report("remove", f"rbd/{number}", None, number, 1000))
    assert len(logged) == 50
    assert logged[0] == "remove rbd/20 (20 of 1000)"


# Who is told


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A /proc of this process's ancestors, the nearest one first, each given by its command line."""

    def make(*ancestors: list[str]) -> str:
        monkeypatch.setattr(os, "getppid", lambda: 100)
        for number, argv in enumerate(ancestors):
            process = tmp_path / "proc" / str(100 + number)
            process.mkdir(parents=True)
            (process / "cmdline").write_text("".join(f"{word}\0" for word in argv), encoding="utf-8")
            (process / "stat").write_text(f"{100 + number} (a) b (c) S {101 + number} 1 1 0", encoding="utf-8")
        return str(tmp_path / "proc")

    return make


WRAPPER = ["python3", "/root/.ansible/tmp/ansible-tmp-1/async_wrapper.py", "j123", "60", "/root/AnsiballZ_x.py", "_"]
PYTHON = ["/usr/libexec/platform-python", "/root/.ansible/tmp/ansible-tmp-1/AnsiballZ_x.py"]
SHELL = ["/bin/sh", "-c", "async_wrapper.py j123"]


@pytest.mark.parametrize("between", [0, 1, 2])
def test_the_job_is_found_behind_a_respawn_and_sudo(
    job: Path, processes: Callable[..., str], monkeypatch: pytest.MonkeyPatch, between: int
) -> None:
    monkeypatch.setenv("ANSIBLE_ASYNC_DIR", str(job.parent))
    (job.parent / "j123.456.tmp").touch()
    (job.parent / "j1234.5").touch()
    assert progress.find_job(processes(*[PYTHON] * between, WRAPPER)) == str(job)


def test_the_job_is_found_in_the_home_directory(
    job: Path, processes: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANSIBLE_ASYNC_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    job.parent.rename(tmp_path / ".ansible_async")
    assert progress.find_job(processes(WRAPPER)) == str(tmp_path / ".ansible_async" / JOB)


@pytest.mark.parametrize(
    "ancestors",
    [
        pytest.param([], id="a parent that has ended"),
        pytest.param([SHELL, SHELL, SHELL], id="no job"),
        pytest.param([PYTHON, SHELL, PYTHON, WRAPPER], id="the job that started another Ansible"),
        pytest.param([[*WRAPPER[:2], "j999"]], id="a job without a file"),
        pytest.param([WRAPPER[:2]], id="not called as Ansible does"),
    ],
)
def test_without_a_job_there_is_no_file(
    job: Path, processes: Callable[..., str], monkeypatch: pytest.MonkeyPatch, ancestors: list[list[str]]
) -> None:
    monkeypatch.setenv("ANSIBLE_ASYNC_DIR", str(job.parent))
    assert progress.find_job(processes(*ancestors)) is None


def module(logged: list[str], *, no_log: bool = False) -> AnsibleModule:
    """The part of a module that matters here."""
    return cast(
        AnsibleModule,
        SimpleNamespace(no_log=no_log, no_log_values={CANARY}, log=logged.append),
    )


def test_a_module_tells_its_job_and_the_log(
    job: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, processes: Callable[..., str]
) -> None:
    monkeypatch.setattr("time.monotonic", clock)
    found = progress.find_job
    monkeypatch.setattr(progress, "find_job", lambda: found(proc))
    monkeypatch.setenv("ANSIBLE_ASYNC_DIR", str(job.parent))
    proc = processes(WRAPPER)
    logged: list[str] = []
    told = progress.for_module(module(logged))
    told.step("flatten", "rbd/app", 1, 1)
    assert shown(job)["text"] == "flatten rbd/app"
    assert logged == []


def test_what_must_not_be_logged_is_not_told(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "find_job", lambda: str(job))
    told = progress.for_module(module([], no_log=True))
    told.step("flatten", "rbd/app", 1, 1)
    assert told.watch("flatten", "rbd/app")(1, 2) == 0
    assert shown(job) is None


def test_a_secret_is_not_told_even_if_an_image_is_called_so(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "find_job", lambda: str(job))
    progress.for_module(module([])).step("flatten", f"rbd/{CANARY}", 1, 1)
    assert shown(job)["action"] == "flatten"
    assert CANARY not in job.read_text(encoding="utf-8")
