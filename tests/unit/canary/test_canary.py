# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key is found in every place in which it is put, in every form, and is told by its name alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import canary
import pytest

KEY = "AQBCDEFGAAAAABAAQ0FOQVJZQ0FOQVJZQ0FOQQ=="
OTHER = "AQBCDEFGAAAAABAAT1RIRVJPVEhFUk9USEVSTw=="
SECRET = base64.b64decode(KEY)[12:]
FORMS = {
    "as it is": KEY.encode(),
    "without its end": KEY.rstrip("=").encode(),
    "decoded": base64.b64decode(KEY),
    "the secret alone": SECRET,
    "in hex": SECRET.hex().encode(),
    "the secret in base64": base64.b64encode(SECRET),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of files: all that is searched lies in a directory of the test."""
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    told = {"key": {"key": KEY, "allowed": [str(tmp_path / "etc/keyring")]}, "other": {"key": OTHER, "allowed": []}}
    for name, secret in told.items():
        (home / "secrets" / f"{name}.json").write_text(json.dumps(secret), encoding="utf-8")
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(canary, "HOME", home)
    monkeypatch.setattr(canary, "SECRETS", home / "secrets")
    monkeypatch.setattr(canary, "SEEN", home / "seen.jsonl")
    monkeypatch.setattr(canary, "INSTANCE", tmp_path / "tracing")
    monkeypatch.setattr(canary, "TREES", (str(tmp_path / "etc"), str(home)))
    monkeypatch.setattr(canary, "KERNEL", (str(tmp_path / "config_info"),))
    monkeypatch.setattr(canary, "LOGS", {"journal": ("cat", str(tmp_path / "journal"))})
    (tmp_path / "journal").touch()
    return home


@pytest.fixture
def secrets() -> list[canary.Secret]:
    return canary.load()


def search() -> list[tuple[str, str]]:
    found = canary.search()
    assert KEY.rstrip("=") not in json.dumps(found)
    return found["finds"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_key_is_known(secrets: list[canary.Secret], form: str) -> None:
    assert canary.found_in(b"x" + FORMS[form] + b"y", secrets) == ["key"]


def test_what_has_no_key_is_not_accused(secrets: list[canary.Secret]) -> None:
    assert canary.found_in(b"key = AQBCDEFGAAAAABAA" + os.urandom(1000), secrets) == []
    assert search() == []


@pytest.mark.parametrize("place", range(1, len(KEY)))
def test_a_key_that_is_cut_by_the_end_of_a_chunk(secrets: list[canary.Secret], place: int) -> None:
    chunks = [b"a" * 50 + KEY[:place].encode(), KEY[place:].encode() + b"b" * 50]
    assert canary.found_in_stream(chunks, secrets) == ["key"]


@pytest.mark.parametrize("name", ["etc/keyring~", "etc/.rbdmap.x", "etc/a/b/deep", "config_info"])
def test_files(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"\0" * (1 << 20) + KEY.encode())
    assert search() == [("key", str(place))]


def test_names_of_files(tmp_path: Path) -> None:
    place = tmp_path / "etc" / KEY
    place.touch()
    assert canary.search()["finds"] == [("key", str(place))]


def test_the_keyring_may_have_its_own_key_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "etc/keyring").write_text(f"{KEY} {OTHER}", encoding="utf-8")
    assert search() == [("other", str(tmp_path / "etc/keyring"))]


def test_logs(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text(f"MESSAGE={KEY}\n", encoding="utf-8")
    assert search() == [("key", "journal")]


@pytest.mark.parametrize("where", ["cmdline", "environ"])
def test_processes(where: str) -> None:
    program = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
    arguments = [*program, KEY] if where == "cmdline" else program
    environment = {**os.environ, "X": KEY} if where == "environ" else None
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        finds = [place for name, place in search() if name == "key" and f" {process.pid} " in place]
        process.kill()
    assert [place.split(" of ")[0] for place in finds] == [where]


class TestTheWatcher:
    EVENT = (
        b'              sh-297     [000] ...2.   300.9: execve_argv_0: (syscalls.sys_enter_execve) s0="sh" s1="%s"\n'
    )

    @pytest.fixture(autouse=True)
    def recorded(self, tmp_path: Path) -> Path:
        place = tmp_path / "tracing"
        (place / "per_cpu/cpu0").mkdir(parents=True)
        (place / "per_cpu/cpu0/stats").write_text("entries: 3\noverrun: 2\ndropped events: 1\n", encoding="utf-8")
        (place / "trace_pipe").write_bytes(self.EVENT % b"true" + self.EVENT % KEY.encode() + self.EVENT % b"false")
        return place

    def test_tells_what_was_started_with_a_key(self) -> None:
        canary.watch()
        assert search() == [("key", "started program: sh-297     [000] ...2.   300.9: execve_argv_0")]

    def test_reads_in_one_go_what_the_kernel_writes_anew_for_each_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # As the kernel has it: the second read goes on where the first one ended, in a text that is longer by then.
        reads = iter([b"overrun: 2\nnow ts: 9\n", b"\n", b""])
        monkeypatch.setattr(canary.os, "read", lambda _descriptor, _most: next(reads))
        assert canary._lost() == 2

    def test_counts_so_that_it_is_known_to_have_watched(self) -> None:
        canary.watch()
        found = canary.search()
        assert (found["execs"], found["lost"]) == (3, 3)

    def test_goes_on_counting_when_it_is_started_again(self) -> None:
        canary.watch()
        canary.watch()
        assert canary.search()["execs"] == 6

    def test_adds_what_was_noted_in_former_boots_to_what_the_kernel_says_of_this_one(
        self, home: Path, recorded: Path
    ) -> None:
        (home / "count-other").write_text("5 2", encoding="utf-8")
        canary.watch()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        assert {path.name for path in home.glob("count-*")} == {"count-other", f"count-{boot}"}
        found = canary.search()
        assert (found["execs"], found["lost"]) == (5 + 3, 2 + 3)
        (recorded / "per_cpu/cpu0/stats").write_text("overrun: 7\n", encoding="utf-8")
        assert canary.search()["lost"] == 2 + 7

    def test_leaves_out_a_note_that_the_end_of_a_boot_has_cut_off(self, home: Path) -> None:
        (home / "count-other.new").touch()
        canary.watch()
        assert canary.search()["execs"] == 3

    def test_hears_events_of_which_only_a_part_is_there_yet(self, recorded: Path) -> None:
        (recorded / "trace_pipe").unlink()
        os.mkfifo(recorded / "trace_pipe")
        event = self.EVENT % KEY.encode()
        child = os.fork()
        if child == 0:
            with (recorded / "trace_pipe").open("wb", buffering=0) as pipe:
                pipe.write(event[:-20])
                time.sleep(0.1)
                pipe.write(event[-20:])
            os._exit(0)
        canary.watch()
        os.waitpid(child, 0)
        assert len(search()) == 1
