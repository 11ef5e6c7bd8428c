# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks share: a cluster of their own, contenders that take turns, and a table with ratios."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback.cluster import LoopbackCluster
from loopback.modules import Module
from loopback.site import Site

POOL = "bench"

_CREATE_POOL = """
cluster.create_pool(args[0])
with cluster.open_ioctx(args[0]) as ioctx:
    rbd.RBD().pool_init(ioctx, True)
"""


@dataclass(frozen=True)
class Bench:
    """A cluster with the pool :data:`POOL`, and the modules of this checkout."""

    cluster: LoopbackCluster
    site: Site
    python: str

    def module(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module in a process of its own, as Ansible does on the host.

        :raises RuntimeError: it failed.
        """
        connection = {"conf": str(self.cluster.conf), "keyring": str(self.cluster.admin_keyring)}
        result = Module(name, self.site, self.python, connection)(options)
        if result.failed:
            raise RuntimeError(result.msg)
        return dict(result.raw)


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Start a cluster, and end it with the block."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory, "site"))
        python = site.system_python()
        with LoopbackCluster(Path(directory, "cluster"), python=python) as cluster:
            cluster.python(_CREATE_POOL, POOL)
            yield Bench(cluster, site, python)


def race(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The seconds of each contender's fastest round. They take turns, so that a busy machine is so for all of them."""
    fastest = dict.fromkeys(contenders, float("inf"))
    for _round in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            fastest[name] = min(fastest[name], time.perf_counter() - began)
    return fastest


def show(title: str, seconds: Mapping[str, float], count: int) -> None:
    """Print what each contender needs for ``count`` images, in all, for one of them, and beside the first contender."""
    width = max(len(name) for name in seconds)
    reference = next(iter(seconds.values()))
    print(f"\n{title}")
    print(f"  {'':{width}}  {'s':>7}  {'ms each':>7}  {'ratio':>5}")
    for name, needed in seconds.items():
        print(f"  {name:{width}}  {needed:7.3f}  {needed / count * 1000:7.2f}  {needed / reference:5.2f}")
