# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program that maps at boot learns of an image's users, from a real cluster."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback.bounds import Bound
from loopback.cluster import LoopbackCluster
from loopback.conf import ADDRESS
from loopback.holder import holding
from loopback.site import CHECKOUT

# Seconds that a cluster has to answer here.
ANSWER = 2
# By so much the clocks that measure it may differ.
ABOUT = 1
PROGRAM = str(CHECKOUT / "plugins/module_utils/_system/boot")


_ASK = """
import sys
place, spec, *words = args
sys.path.insert(0, place)
import rbdmap_clusters
use = rbdmap_clusters.Clusters(at_boot=True).use(spec, words)
result = [use.watchers, use.owners, use.locking]
assert use.cluster == cluster.get_fsid()
"""
# How each image ends, in which words, and after how many seconds. Threads that hang would keep Python from ending.
_ASK_IN_TURN = """
import os, time
place, at_boot, answer, asked = args
sys.path.insert(0, place)
import rbdmap_clusters
rbdmap_clusters.ANSWER, rbdmap_clusters.SILENCES = int(answer), 1
clusters = rbdmap_clusters.Clusters(at_boot=json.loads(at_boot))
told = []
for spec, words in json.loads(asked):
    begin = time.monotonic()
    try:
        clusters.use(spec, words)
        end = ["answered", ""]
    except rbdmap_clusters.Silent as error:
        end = [type(error).__name__, str(error)]
    told.append([*end, time.monotonic() - begin])
print(json.dumps(told), flush=True)
os._exit(0)
"""


@pytest.fixture
def ask(cluster: LoopbackCluster) -> Callable[[str], Any]:
    """Watchers, owners of the lock and whether there are locks, with the words of a line of rbdmap."""
    return lambda spec: cluster.python(_ASK, PROGRAM, spec, *words_of(cluster, cluster.conf))


def words_of(cluster: LoopbackCluster, conf: Path) -> list[str]:
    return ["--id", "admin", "--keyring", str(cluster.admin_keyring), "--conf", str(conf)]


def in_turn(cluster: LoopbackCluster, images: list[tuple[str, Path]], *, at_boot: bool) -> list[tuple[str, str, float]]:
    """How it ends for each image with the conf of its line, one after the other; with one silence of a pool allowed."""
    asked = json.dumps([[spec, words_of(cluster, conf)] for spec, conf in images])
    told = cluster.python(_ASK_IN_TURN, PROGRAM, json.dumps(at_boot), str(ANSWER), asked)
    return [tuple(end) for end in told]


def test_an_image_that_nobody_uses(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    assert ask(f"{namespace}/data") == [[], [], True]


def test_a_writer_watches_and_holds_the_lock(
    cluster: LoopbackCluster, namespace: str, system_python: str, ask: Callable[[str], Any]
) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    with holding(cluster.conf, system_python, f"{namespace}/data", locked=True) as client:
        watchers, owners, locking = ask(f"{namespace}/data")
    assert [[name for name, _address in found] for found in (watchers, owners)] == [[client], [client]]
    # The same address in both, so that it tells in both whether that is this host.
    assert watchers == owners
    assert locking


def test_a_lock_by_hand_is_no_writers(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    cluster.rbd("lock", "add", f"{namespace}/data", "by hand")
    assert ask(f"{namespace}/data") == [[], [], True]


def test_an_image_without_locks(cluster: LoopbackCluster, namespace: str, ask: Callable[[str], Any]) -> None:
    cluster.rbd("create", "--size", "8M", "--image-feature", "layering", f"{namespace}/data")
    assert ask(f"{namespace}/data") == [[], [], False]


def test_who_may_only_read_may_ask(cluster: LoopbackCluster, namespace: str) -> None:
    cluster.rbd("create", "--size", "8M", f"{namespace}/data")
    keyring = cluster.user("reader", mon="profile rbd", osd="profile rbd-read-only")
    words = ["--id", "reader", "--keyring", str(keyring), "--conf", str(cluster.conf)]
    found = cluster.python(_ASK, PROGRAM, f"{namespace}/data", *words)
    assert found == [[], [], True]


class TestSilence:
    """Of OSDs that are away, and of monitors."""

    def test_at_boot_two_images_are_waited_for_and_the_rest_is_left(
        self, cluster: LoopbackCluster, namespace: str
    ) -> None:
        images = made(cluster, f"{namespace}/a", f"{namespace}/b", f"{namespace}/c")
        bound = Bound(2 * ANSWER, lambda: in_turn(cluster, images, at_boot=True))
        with cluster.paused("osd"):
            ends = in_turn(cluster, images, at_boot=True)
        assert [kind for kind, _text, _took in ends] == ["Silent", "Silent", "Unasked"]
        assert {text for _kind, text, _took in ends[:2]} == {f"no OSD has answered within {ANSWER} seconds"}
        assert ends[2][1].startswith("2 images have not answered")
        assert ends[2][2] < ANSWER
        bound.check(sum(took for _kind, _text, took in ends))

    def test_after_the_boot_a_pool_that_is_silent_keeps_no_other_from_being_asked(
        self, cluster: LoopbackCluster, namespace: str, pool: str
    ) -> None:
        images = made(cluster, f"{namespace}/a", f"{namespace}/b", f"{pool}/a", f"{pool}/b")
        with cluster.paused("osd"):
            ends = in_turn(cluster, images, at_boot=False)
        assert [kind for kind, _text, _took in ends] == ["Silent", "Unasked"] * 2
        assert ends[2][1] == f"no OSD has answered within {ANSWER} seconds"
        assert ends[2][2] > ANSWER - ABOUT
        assert max(ends[1][2], ends[3][2]) < ANSWER

    def test_monitors_that_are_away_are_waited_for_once_and_another_cluster_is_asked(
        self, cluster: LoopbackCluster, namespace: str, nowhere: Path
    ) -> None:
        images = made(cluster, f"{namespace}/a", f"{namespace}/b")
        away = [(spec, nowhere) for spec, _conf in images]
        bound = Bound(ANSWER, lambda: in_turn(cluster, images, at_boot=True))
        ends = in_turn(cluster, [*away, *images], at_boot=True)
        assert [kind for kind, _text, _took in ends] == ["Silent", "Silent", "answered", "answered"]
        assert {text for _kind, text, _took in ends[:2]} == {f"no monitor has answered within {ANSWER} seconds"}
        assert ends[0][2] > ANSWER - ABOUT
        bound.check(ends[0][2])
        assert ends[1][2] < ANSWER

    @pytest.fixture
    def nowhere(self, cluster: LoopbackCluster, tmp_path: Path) -> Iterator[Path]:
        """The conf of a cluster at whose address nobody answers, and nobody else begins to."""
        conf = tmp_path / "ceph.conf"
        with socket.socket() as taken:
            taken.bind((ADDRESS, 0))
            address = f"mon_host = [v2:{ADDRESS}:{taken.getsockname()[1]}]"
            text, changed = re.subn(r"(?m)^mon_host *=.*$", address, cluster.conf.read_text(encoding="utf-8"))
            assert changed == 1
            conf.write_text(text, encoding="utf-8")
            yield conf


def made(cluster: LoopbackCluster, *images: str) -> list[tuple[str, Path]]:
    """New images, each with the conf of the cluster."""
    for image in images:
        cluster.rbd("create", "--size", "8M", image)
    return [(image, cluster.conf) for image in images]
