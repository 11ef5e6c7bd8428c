# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other tests rely on: a cluster that serves, keeps to itself, and is gone afterwards."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from loopback import bounds, cluster as cluster_module, conf
from loopback.cluster import ClusterError, LoopbackCluster
from loopback.daemon import ENVIRONMENT, CommandError
from loopback.forks import MODULES, Forks
from loopback.modules import Modules, Result, ritual
from loopback.playbooks import Playbooks

HERE = Path(__file__).resolve().parent
OF_THE_MACHINE = ("/etc/ceph", "/var/lib/ceph", "/var/run/ceph", "/run/ceph", "/var/log/ceph")
# What Ansible misses before it complains of an option that a module does not have.
NEEDED: dict[str, dict[str, str]] = {
    "rbd_filesystem": {"image": "rbd/data"},
    "rbd_fstab": {"image": "rbd/data"},
    "rbd_image": {"image": "rbd/data"},
    "rbd_info": {"image": "rbd/data"},
    "rbd_keyring": {},
    "rbd_luks": {"image": "rbd/data"},
    "rbd_map": {"image": "rbd/data"},
    "rbd_map_info": {},
    "rbd_namespace": {"pool": "rbd", "namespace": "blue"},
    "rbd_pool": {"pool": "rbd"},
    "rbd_snapshot": {"image": "rbd/data"},
    "rbd_user": {"name": "app"},
    "rbdmap_service": {},
}
# These need the kernel's client or systemd; the scenarios run them in guests.
OF_A_HOST = {"rbd_filesystem", "rbd_fstab", "rbd_luks", "rbd_map", "rbd_map_info", "rbdmap_service"}
OWNER = """
import sys
from pathlib import Path
from loopback.cluster import LoopbackCluster
with LoopbackCluster(Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


def _processes(directory: Path) -> list[str]:
    """Command lines of the processes that name a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        if str(directory) in line and "ceph-" in line:
            found.append(line)
    return found


def _open_files(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]


def test_cluster_serves_and_leaves_the_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEPH_CONF", "/nonexistent")
    monkeypatch.setenv("CEPH_ARGS", "--no-such-option")
    before = sorted(Path("/etc").glob("ceph/**/*"))

    with LoopbackCluster(tmp_path / "cluster") as cluster:
        assert cluster.json("ceph", "status")["health"]["status"] == "HEALTH_OK"
        assert cluster.ceph("fsid").strip() == cluster.fsid
        assert len(_processes(cluster.directory)) == len(cluster.pids) == 3
        opened = {name for pid in cluster.pids for name in _open_files(pid)}

    assert not [name for name in opened if name.startswith(OF_THE_MACHINE)]
    assert sorted(Path("/etc").glob("ceph/**/*")) == before
    assert _processes(cluster.directory) == []


def test_daemons_end_with_their_owner(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parent / 'lab'}"}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert _processes(directory)

        owner.kill()

    deadline = time.monotonic() + 10
    while _processes(directory):
        assert time.monotonic() < deadline, _processes(directory)
        time.sleep(0.05)


def test_port_that_is_taken_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = cluster_module._free_port
    with socket.socket() as other:
        other.bind((conf.ADDRESS, 0))
        other.listen()
        ports = [choose(), int(other.getsockname()[1])]
        monkeypatch.setattr(cluster_module, "_free_port", ports.pop)

        with LoopbackCluster(tmp_path / "cluster") as cluster:
            assert cluster.ceph("fsid").strip() == cluster.fsid
    assert ports == []


def test_daemon_that_does_not_start_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = conf.daemons_conf

    def broken(fsid: str, mon: str, directory: Path, more: dict[str, str]) -> str:
        return text(fsid, mon, directory, more) + "[mgr]\nkeyring = /nonexistent/keyring\n"

    monkeypatch.setattr(conf, "daemons_conf", broken)
    cluster = LoopbackCluster(tmp_path / "cluster")

    with pytest.raises(ClusterError, match=r"(?s)mgr\.a ended.*mgr\.a\.log.*/nonexistent/keyring"):
        cluster.start()

    assert _processes(cluster.directory) == []


def test_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    with pytest.raises(ClusterError, match="not empty"):
        LoopbackCluster(tmp_path).start()

    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_user_may_do_what_its_capabilities_say(cluster: LoopbackCluster, pool: str) -> None:
    keyring = cluster.user("reader", osd=f"profile rbd-read-only pool={pool}")

    assert keyring.stat().st_mode & 0o777 == 0o600
    assert cluster.rbd("ls", pool, user="reader") == ""
    with pytest.raises(CommandError, match="Operation not permitted"):
        cluster.rbd("create", "--size", "8M", f"{pool}/data", user="reader")


def test_condition_that_does_not_come_about_is_an_error(cluster: LoopbackCluster) -> None:
    answers = iter([False, True])
    cluster.until(lambda: next(answers))

    with pytest.raises(ClusterError, match="did not come about"):
        cluster.until(lambda: False, timeout=0.1)


def test_script_reports_what_the_bindings_say(cluster: LoopbackCluster, namespace: str) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    pool, _slash, name = namespace.partition("/")

    result = cluster.python(
        """
        with cluster.open_ioctx(args[0]) as ioctx:
            ioctx.set_namespace(args[1])
            with rbd.Image(ioctx, "data", read_only=True) as image:
                result = {"size": image.size()}
        """,
        pool,
        name,
    )

    assert result == {"size": 8 << 20}


def test_data_pool_may_be_erasure_coded(cluster: LoopbackCluster, pool: str, erasure_coded_pool: str) -> None:
    cluster.rbd("create", "--size", "8M", "--data-pool", erasure_coded_pool, f"{pool}/data")
    cluster.rbd("bench", "--io-type", "write", "--io-size", "64K", "--io-total", "1M", f"{pool}/data")

    assert cluster.json("rbd", "info", f"{pool}/data")["data_pool"] == erasure_coded_pool


@pytest.mark.parametrize("name", MODULES)
def test_module_that_is_called_wrongly_fails_in_a_fork_and_when_started(name: str, module: Modules) -> None:
    forked = module(name)
    assert forked.forks is not None
    started = dataclasses.replace(forked, forks=None)
    wrong = {**NEEDED[name], "sise": "8M"}

    results = [run(wrong) for run in (forked, started)]

    assert results[0].raw == results[1].raw
    assert results[0].failed
    assert "sise" in results[0].msg


@pytest.fixture
def requests(cluster: LoopbackCluster, namespace: str, pool: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Options with which each module that needs nothing but the cluster succeeds, and changes what can be changed."""
    there, blue = f"{namespace}/there", namespace.partition("/")[2]
    cluster.rbd("create", there, "--size", "8M")
    key = cluster.ceph("auth", "get-key", "client.admin").strip()
    return {
        "rbd_image": {"image": f"{namespace}/data", "size": "8M"},
        "rbd_info": {"image": there},
        "rbd_keyring": {"user": "app", "key": key, "keyring": str(tmp_path / "keyring")},
        "rbd_namespace": {"pool": pool, "namespace": "blue"},
        "rbd_pool": {"pool": pool, "size": 2},
        "rbd_snapshot": {"image": there, "snapshot": "one"},
        "rbd_user": {"name": f"user-of-{blue}", "pools": [{"pool": "rbd", "namespace": blue}]},
    }


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OF_A_HOST])
def test_module_succeeds_in_a_process_of_its_own(
    name: str, requests: dict[str, dict[str, Any]], module: Modules
) -> None:
    # The tests run forks of a process that has imported every module, which could hide what one lacks by itself.
    done = dataclasses.replace(module(name), forks=None)(requests[name])

    assert not done.failed, done.msg
    assert done.changed == (name != "rbd_info")


def test_fork_has_the_arguments_input_environment_and_exit_code_of_a_started_program(
    forks: Forks, system_python: str
) -> None:
    script = """
import json, os, sys
print(json.dumps([sys.argv, sys.stdin.read(), dict(os.environ), os.getcwd(), __name__]), flush=True)
print("problem", file=sys.stderr)
sys.exit(3)
"""
    argv = ["-c", script, "one", "two"]
    started = subprocess.run(
        [system_python, *argv], input="text", capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd="/"
    )

    forked = forks.run(argv, stdin="text", environment=ENVIRONMENT)

    assert (forked.returncode, forked.stderr) == (started.returncode, started.stderr) == (3, "problem\n")
    assert forked.stdout == started.stdout


def test_fork_that_takes_too_long_is_ended(forks: Forks) -> None:
    with pytest.raises(CommandError, match="did not end within 0 s"):
        forks.run(["-c", "import time; time.sleep(60)"], timeout=0.1)

    assert forks.run(["-c", "print('next')"]).stdout == "next\n"


@pytest.mark.parametrize(
    ("shares", "took", "below", "holds"),
    [
        ((1, 0), 18.9, 99, True),
        ((1, 0), 19.0, 99, False),
        ((1, 3), 26.9, 99, True),
        ((1, 3), 27.0, 99, False),
        ((3, 3), 19.9, 20, True),
        ((3, 3), 20.0, 20, False),
    ],
)
def test_bound_has_a_share_of_the_machine_as_it_is_before_or_after(
    monkeypatch: pytest.MonkeyPatch, shares: tuple[float, float], took: float, below: float, holds: bool
) -> None:
    measured = iter(shares)
    monkeypatch.setattr(bounds, "_seconds_of", lambda _alike: next(measured))
    bound = bounds.Bound(10, lambda: None)

    with nullcontext() if holds else pytest.raises(AssertionError, match=f"took {took}"):
        bound.check(took, below)


def test_bound_measures_a_run() -> None:
    bounds.Bound(0, lambda: time.sleep(0.5)).check(bounds.PROMISED + 0.5 * bounds.SHARES - 0.1)


SAME: list[dict[str, Any]] = []
ONE = {"changed": True, "actions": [{"action": "grow"}], "diff": [{"before": "1", "after": "2"}]}
NONE = {"changed": False, "actions": SAME, "diff": SAME}


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        ([ONE, ONE, NONE, NONE], True),
        ([NONE, NONE, NONE, NONE], True),
        ([NONE, ONE, NONE, NONE], False),
        ([{**ONE, "diff": SAME}, ONE, NONE, NONE], False),
        ([ONE, ONE, ONE, NONE], False),
        ([ONE, ONE, NONE, ONE], False),
        ([ONE, {**ONE, "failed": True}, NONE, NONE], False),
    ],
)
def test_ritual_holds_only_if_check_mode_predicts_and_nothing_is_left_to_do(
    results: list[dict[str, Any]], holds: bool
) -> None:
    answers, modes = iter(results), []

    def module(_options: object, *, check: bool = False) -> Result:
        modes.append(check)
        return Result(next(answers))

    with nullcontext() if holds else pytest.raises(AssertionError):
        assert ritual(module, {}).raw == results[1]
        assert modes == [True, False, False, True]


def test_playbook_that_fails_is_reported_task_by_task(playbook: Playbooks) -> None:
    run = playbook(
        """
        - hosts: localhost
          gather_facts: false
          tasks:
            - name: Good
              ansible.builtin.debug:
                msg: "{{ item }}"
              loop: [a, b]
            - name: Bad
              cephclient.rbd.rbd_image:
                image: rbd/data
                sise: 8M
        """,
        check=True,
    )

    assert run.failed
    assert [(task.name, task.status) for task in run.tasks] == [("Good", "ok"), ("Good", "ok"), ("Bad", "failed")]
    assert "sise" in run.results("rbd_image")[0].msg
