# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The heartbeat: whom it tells of the cluster's silence, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._system import heartbeat

SOON = 0.01
LONG = 5.0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", SOON)
    monkeypatch.setattr(heartbeat, "GRACE", SOON)


class Listener:
    """A heart that beats, and what was heard of it."""

    def __init__(self, answers: Iterator[bool], waiting: str | None = "grow rbd/a") -> None:
        self.asked = 0
        self.exhausted, self.told = threading.Event(), threading.Event()
        self.heard: list[str] = []
        self.asked_by_then = 0
        self._left = answers
        self.heart = heartbeat.Heartbeat(self._answers, lambda: waiting)
        self.heart.on_silence = self._hear

    def _answers(self) -> bool:
        self.asked += 1
        try:
            return next(self._left)
        except StopIteration:
            self.exhausted.set()
            return True

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        self.asked_by_then = self.asked
        self.told.set()


def test_silence_is_told_with_what_waits_for_the_cluster() -> None:
    listener = Listener(iter([True, True, False]))
    listener.heart.start()
    assert listener.told.wait(LONG)
    assert listener.heard == ["grow rbd/a"]
    assert listener.asked_by_then == 3
    assert listener.heart.stop()


@pytest.mark.parametrize(("answers", "waiting"), [([True] * 5, "grow rbd/a"), ([False] * 3, None)])
def test_neither_answers_nor_silence_that_nothing_waits_for_are_told(answers: list[bool], waiting: str | None) -> None:
    listener = Listener(iter(answers), waiting)
    listener.heart.start()
    assert listener.exhausted.wait(LONG)
    assert listener.heard == []
    assert listener.heart.stop()


def test_the_work_may_notice_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "GRACE", LONG)
    listener = Listener(iter([False]))
    listener.heart.start()
    while not listener.asked:
        listener.told.wait(SOON)
    assert listener.heart.stop()
    assert listener.heard == []


def test_nothing_is_asked_in_a_short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", LONG)
    listener = Listener(iter([]))
    listener.heart.start()
    listener.heart.start()
    assert listener.heart.stop()
    assert listener.asked == 0


def test_a_question_without_an_answer_is_told_at_the_end() -> None:
    answered = threading.Event()
    heart = heartbeat.Heartbeat(lambda: answered.wait(LONG), lambda: None)
    heart.start()
    threading.Event().wait(5 * SOON)
    assert not heart.stop()
    answered.set()
    assert heartbeat.Heartbeat(lambda: True, lambda: None).stop()
