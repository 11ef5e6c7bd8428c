# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that falls silent in the middle of a run ends that run in time, and the next run completes its work."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.forks import Forks
from loopback.modules import Module, Modules, Result
from loopback.site import Site

TIMEOUT = 3
# A run that waits twice takes two of these and more on any machine; one that waits once takes much less.
LONG_TIMEOUT = 15
# So many the OSDs have given when a run is in the middle of reading many images: it takes some for each of them.
ANSWERS = 20
GOLDEN = "golden"

Check = Callable[[LoopbackCluster, str], bool]


@dataclass(frozen=True)
class Work:
    """What a run does to some images.

    :ivar images: how many; enough of them to be in the middle of it when that can be seen from outside.
    :ivar options: of the module.
    :ivar begun: whether the first of them is done.
    :ivar prepared: what has to be there first.
    """

    module: str
    images: int
    options: dict[str, Any]
    begun: Check
    prepared: str = ""


def _first(cluster: LoopbackCluster, namespace: str) -> dict[str, Any]:
    return dict(cluster.json("rbd", "info", f"{namespace}/0"))


def _is_there(cluster: LoopbackCluster, namespace: str) -> bool:
    return bool(set(cluster.json("rbd", "ls", namespace)) - {GOLDEN})


WORKS = {
    "create": Work("rbd_image", 400, {"size": "8M"}, _is_there),
    "clone": Work("rbd_image", 100, {}, _is_there, "parent"),
    "grow": Work("rbd_image", 60, {"size": "16M"}, lambda *at: _first(*at)["size"] == 16 << 20, "images"),
    "remove": Work(
        "rbd_image",
        60,
        {"state": "absent"},
        lambda cluster, namespace: len(cluster.json("rbd", "ls", namespace)) < 60,
        "images",
    ),
    "flatten": Work("rbd_image", 20, {"flatten": True}, lambda *at: "parent" not in _first(*at), "clones"),
    "snapshot": Work(
        "rbd_snapshot",
        60,
        {"snapshot": "one"},
        lambda cluster, namespace: bool(cluster.json("rbd", "snap", "ls", f"{namespace}/0")),
        "images",
    ),
}


def options_of(work: Work, cluster: LoopbackCluster, namespace: str, module: Modules) -> dict[str, Any]:
    """The options of the run, once everything is there that it works on."""
    named = {"images": [{"image": f"{namespace}/{number}"} for number in range(work.images)]}
    parent = {"parent": f"{namespace}/{GOLDEN}@one"}
    if work.prepared in ("parent", "clones"):
        cluster.rbd("create", f"{namespace}/{GOLDEN}", "--size", "8M")
        cluster.rbd("bench", "--io-type", "write", "--io-total", "8M", f"{namespace}/{GOLDEN}")
        cluster.rbd("snap", "create", f"{namespace}/{GOLDEN}@one")
        cluster.rbd("snap", "protect", f"{namespace}/{GOLDEN}@one")
    if work.prepared in ("images", "clones"):
        prepared = module("rbd_image")({**named, **(parent if work.prepared == "clones" else {"size": "8M"})})
        assert not prepared.failed, prepared.msg
    return {**named, **work.options, **(parent if work.prepared == "parent" else {})}


def cut_off(
    run: Callable[[], Result], begun: Callable[[], bool], cluster: LoopbackCluster, silence: Callable[[], None]
) -> tuple[Result, float]:
    """What the run says where the cluster falls silent in the middle of it, and after how many seconds."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        cluster.until(lambda: running.done() or begun())
        silence()
        begin = time.monotonic()
        result = running.result()
    return result, time.monotonic() - begin


@pytest.mark.parametrize("name", WORKS)
def test_osds_that_stop_in_the_middle(name: str, cluster: LoopbackCluster, namespace: str, module: Modules) -> None:
    work = WORKS[name]
    options = options_of(work, cluster, namespace, module)
    run = functools.partial(module(work.module), {**options, "connect_timeout": TIMEOUT})
    # It looks for an image that is not there.
    nothing = {"image": f"{namespace}/none", **work.options, "state": "absent"}
    bound = Bound(TIMEOUT, lambda: module(work.module)(nothing))

    try:
        result, took = cut_off(run, lambda: work.begun(cluster, namespace), cluster, lambda: cluster.pause("osd"))
    finally:
        cluster.resume("osd")

    assert result.failed, "it was done before the OSDs stopped"
    assert f"the cluster did not answer within {TIMEOUT} seconds" in result.msg
    bound.check(took)
    figure = f"{name}: ended {took:.1f} s after the cluster fell silent, with {len(result.actions)} actions done"
    print(figure)  # noqa: T201  # the figure that is measured here
    mended = module(work.module)(options)
    assert not mended.failed, mended.msg
    assert len(mended.actions) <= work.images - len(result.actions)
    again = module(work.module)(options)
    assert (again.failed, again.changed) == (False, False), again.msg


def answers_of_osds(log: Path) -> int:
    """How many answers of OSDs a client has had, by its log."""
    return log.read_text(encoding="utf-8", errors="replace").count("osd_op_reply(") if log.exists() else 0


def test_a_run_that_reads_many_images_waits_once(
    cluster: LoopbackCluster, namespace: str, module: Modules, tmp_path: Path
) -> None:
    named = {"images": [{"image": f"{namespace}/{number}"} for number in range(200)]}
    assert not module("rbd_image")({**named, "size": "8M"}).failed
    started = dataclasses.replace(module("rbd_info"), forks=None)
    bound = Bound(LONG_TIMEOUT, lambda: started({"image": f"{namespace}/0"}))
    # The run's own client writes down what it is answered.
    log, conf = tmp_path / "client.log", tmp_path / "ceph.conf"
    logging = f"\n[client]\nlog_file = {log}\ndebug_ms = 1\n"
    conf.write_text(cluster.conf.read_text(encoding="utf-8") + logging, encoding="utf-8")
    run = functools.partial(started, {**named, "conf": str(conf), "connect_timeout": LONG_TIMEOUT})

    try:
        result, took = cut_off(run, lambda: answers_of_osds(log) > ANSWERS, cluster, lambda: cluster.pause("osd"))
    finally:
        cluster.resume("osd")

    assert result.failed, "it had read them all before the OSDs stopped"
    assert f"{LONG_TIMEOUT} seconds" in result.msg
    assert answers_of_osds(log) > ANSWERS
    bound.check(took, below=2 * LONG_TIMEOUT)
    assert not module("rbd_info")(named).failed


@pytest.mark.parametrize("kind", ["mon", "osd"])
def test_daemons_that_are_killed_in_the_middle(
    kind: str, tmp_path: Path, site: Site, system_python: str, forks: Forks
) -> None:
    with LoopbackCluster(tmp_path / "cluster", python=system_python, forks=forks) as cluster:
        cluster.ceph("osd", "pool", "create", "rbd")
        cluster.rbd("pool", "init", "rbd")
        connection = {"conf": str(cluster.conf), "keyring": str(cluster.admin_keyring), "connect_timeout": TIMEOUT}
        module = Module("rbd_image", site, system_python, connection, forks=forks)

        def create(name: str) -> Result:
            return module({"images": [{"image": f"rbd/{name}{number}"} for number in range(400)], "size": "8M"})

        began = time.monotonic()
        assert not create("before-").failed
        whole = time.monotonic() - began
        # Its options are refused, which needs no cluster. Without monitors the OSDs go on, and so does the run.
        bound = Bound(TIMEOUT if kind == "osd" else whole, lambda: module({"image": "rbd/0", "size": "none"}))

        def begun() -> bool:
            return "0" in cluster.json("rbd", "ls", "rbd")

        result, took = cut_off(lambda: create(""), begun, cluster, lambda: cluster.kill(kind))

    assert result.failed == (kind == "osd"), result.msg
    bound.check(took)
