# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths, processes, waiting, and what a laboratory remembers."""

from __future__ import annotations

import io
import signal
import subprocess
import threading
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from rbdlab.cli import parser
from rbdlab.errors import CancelledError, LabError, tail
from rbdlab.lab import chosen_accelerator
from rbdlab.paths import Paths, lab_id, locked
from rbdlab.process import ProcessRecord, run
from rbdlab.progress import Progress
from rbdlab.state import State


def test_each_checkout_has_its_own_laboratory() -> None:
    here, there = lab_id(Path("/a")), lab_id(Path("/b"))
    assert here != there
    assert lab_id(Path("/a"), "second") != here
    assert lab_id(Path("/a")) == here


def test_paths_follow_xdg() -> None:
    paths = Paths.of(Path("/a"), {"HOME": "/home/u", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "relative"})
    assert paths.cache == Path("/c/cephclient-rbd-lab")
    assert paths.state == Path("/home/u/.local/state/cephclient-rbd-lab") / paths.id
    assert len(paths.interface) <= 15


def test_a_state_path_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(LabError, match="XDG_STATE_HOME"):
        Paths.of(Path("/a"), {"HOME": "/h", "XDG_STATE_HOME": "/" + "x" * 80})


def test_a_name_that_is_no_word_is_refused() -> None:
    with pytest.raises(LabError, match=r"Cannot use the name 'bad name!' for a laboratory: .*RBDLAB_NAME"):
        Paths.of(Path("/a"), {"HOME": "/h"}, "bad name!")
    assert Paths.of(Path("/a"), {"HOME": "/h"}, "many-2.x").id


def test_state_survives_saving(tmp_path: Path) -> None:
    state = State.new("bookworm", IPv4Network("198.18.5.0/24"))
    state.add_guest("client1")
    state.save(tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == state
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert State.load(tmp_path / "none.json") is None


def test_a_laboratory_keeps_what_runs_its_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBDLAB_ACCEL", "uml")
    assert chosen_accelerator(None, None) == "uml"
    assert chosen_accelerator(None, "tcg") == "tcg"
    state = State.new("bookworm", IPv4Network("198.18.5.0/24"), "tcg")
    assert [chosen_accelerator(state, wanted) for wanted in (None, "auto", "tcg")] == ["tcg"] * 3
    with pytest.raises(LabError, match=r"Cannot switch to uml: the laboratory runs tcg\. Run 'lab down' first"):
        chosen_accelerator(state, "uml")


def test_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"suite": 1}')
    with pytest.raises(LabError, match="lab down"):
        State.load(tmp_path / "state.json")


def test_guests_keep_their_addresses() -> None:
    state = State.new("bookworm", IPv4Network("198.18.5.0/24"))
    for name in ("client1", "client2", "client1"):
        state.add_guest(name)
    addresses = {name: str(address) for name, address in state.hosts().items()}
    assert addresses == {"ceph1": "198.18.5.2", "client1": "198.18.5.11", "client2": "198.18.5.12"}


@pytest.mark.parametrize("name", ["ceph1", "Client", "a_b", "", "x" * 16, "-a"])
def test_unusable_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="Choose another"):
        State.new("bookworm", IPv4Network("198.18.5.0/24")).add_guest(name)


def test_a_process_is_known_by_more_than_its_number(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    record = ProcessRecord.of(child.pid)
    assert record is not None
    record.save(tmp_path / "pid")
    assert ProcessRecord.load(tmp_path / "pid") == record
    impostor = replace(record, start_ticks=record.start_ticks - 1)
    assert impostor.end(signal.SIGKILL)
    assert record.alive()
    assert not replace(record, boot_id="another").alive()
    assert record.end(signal.SIGKILL)
    assert not record.alive()  # although it is still a zombie
    child.wait()


def test_a_damaged_process_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("12")
    assert ProcessRecord.load(tmp_path / "pid") is None
    assert ProcessRecord.load(tmp_path / "absent") is None


def test_a_failing_command_shows_its_last_lines() -> None:
    with pytest.raises(LabError, match=r"Cannot try it: sh ended with exit code 3") as caught:
        run(["sh", "-c", "echo why >&2; exit 3"], purpose="try it")
    assert caught.value.evidence == ("why",)


def test_a_missing_command_names_the_packages() -> None:
    with pytest.raises(LabError, match=r"packages\.txt"):
        run(["no-such-command-here"])


def test_waiting_is_bounded_and_can_be_given_up() -> None:
    progress = Progress(io.StringIO())
    answers = iter([None, None, "yes"])
    assert progress.wait(lambda: next(answers), 5, lambda: LabError("late"), interval=0.001) == "yes"
    with pytest.raises(LabError, match="late"):
        progress.wait(lambda: None, 0.01, lambda: LabError("late"), interval=0.001)
    progress.cancel()
    with pytest.raises(CancelledError):
        progress.wait(lambda: None, 5, lambda: LabError("late"))


def test_progress_lines_have_the_elapsed_time() -> None:
    stream = io.StringIO()
    Progress(stream).say("client1", "waiting for SSH")
    assert stream.getvalue() == "[   0.0s] client1: waiting for SSH\n"


def test_the_tail_begins_at_an_offset(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("old\nnew\n\nlast\n")
    assert tail(log, offset=4) == ["new", "last"]
    assert tail(log, lines=1) == ["last"]
    assert tail(tmp_path / "absent") == []


def test_a_lock_is_waited_for_aloud(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a"
    busy = threading.Event()

    def second() -> None:
        with locked(path, busy.set):
            pass

    thread = threading.Thread(target=second, daemon=True)
    with locked(path):
        thread.start()
        assert busy.wait(10)
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()


def test_the_command_line_knows_its_commands() -> None:
    options = parser().parse_args(["up", "client1", "client2", "--suite", "trixie"])
    assert (options.names, options.suite, options.no_guests) == (["client1", "client2"], "trixie", False)
    options = parser().parse_args(["ssh", "client1", "ls", "-l"])
    assert options.command == ["ls", "-l"]
