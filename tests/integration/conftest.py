# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests are given: a cluster, a place in it, and ways to run modules and playbooks."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from loopback import modules
from loopback.cluster import LoopbackCluster
from loopback.forks import Forks
from loopback.modules import Module, Modules, Result, Ritual
from loopback.playbooks import Playbooks
from loopback.site import Site

SESSION_POOL = "rbd"

_CREATE_POOL = """
cluster.create_pool(args[0])
with cluster.open_ioctx(args[0]) as ioctx:
    rbd.RBD().pool_init(ioctx, True)
"""
_REMOVE_POOL = """
cluster.delete_pool(args[0])
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """From where modules and playbooks import this checkout."""
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def system_python(site: Site) -> str:
    """The Python that has Ceph's bindings, which these tests themselves need not run under."""
    return site.system_python()


@pytest.fixture(scope="session")
def forks(site: Site, system_python: str) -> Iterator[Forks]:
    """Where modules, scripts and ``ceph`` are run without starting Python and importing what they need each time."""
    with Forks(site, system_python) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, system_python: str, forks: Forks) -> Iterator[LoopbackCluster]:
    """A cluster for all tests of this process, with the pool ``rbd``; its OSDs suffice for an erasure-coded pool."""
    with LoopbackCluster(tmp_path_factory.mktemp("cluster"), osds=3, python=system_python, forks=forks) as running:
        running.python(_CREATE_POOL, SESSION_POOL)
        yield running


@pytest.fixture
def namespace(cluster: LoopbackCluster) -> str:
    """A new, empty namespace as ``<pool>/<namespace>``: the usual place for a test, since it costs next to nothing."""
    spec = f"{SESSION_POOL}/ns-{uuid.uuid4().hex[:8]}"
    cluster.rbd("namespace", "create", spec)
    return spec


@pytest.fixture
def pool(cluster: LoopbackCluster) -> Iterator[str]:
    """A new, empty pool, for what does not work in a namespace."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    cluster.python(_CREATE_POOL, name)
    yield name
    cluster.python(_REMOVE_POOL, name)


@pytest.fixture(scope="session")
def erasure_coded_pool(cluster: LoopbackCluster) -> str:
    """An erasure-coded pool, which can be the data pool of images."""
    name = "erasure-coded"
    cluster.ceph("osd", "erasure-code-profile", "set", name, "k=2", "m=1", "crush-failure-domain=osd")
    cluster.ceph("osd", "pool", "create", name, "erasure", name)
    cluster.ceph("osd", "pool", "set", name, "allow_ec_overwrites", "true")
    cluster.ceph("osd", "pool", "application", "enable", name, "rbd")
    return name


@pytest.fixture
def connection(cluster: LoopbackCluster) -> dict[str, Any]:
    """The modules' connection options for the cluster's administrator."""
    return {"conf": str(cluster.conf), "user": "admin", "keyring": str(cluster.admin_keyring)}


@pytest.fixture
def module(site: Site, system_python: str, forks: Forks, connection: dict[str, Any]) -> Modules:
    """Make a module, by its short name, something to call with its options."""
    return functools.partial(Module, site=site, python=system_python, defaults=connection, forks=forks)


@pytest.fixture
def ritual(module: Modules) -> Ritual:
    """Check, do, do again and check again with a module, by its short name; returns the result of doing it."""

    def perform(name: str, options: Mapping[str, Any]) -> Result:
        return modules.ritual(module(name), options)

    return perform


@pytest.fixture
def playbook(site: Site, tmp_path: Path, system_python: str, connection: dict[str, Any]) -> Playbooks:
    """Run a playbook on this machine, with the connection options as the variables ``ceph_<option>``."""
    variables = {f"ceph_{name}": value for name, value in connection.items()}
    return Playbooks(site, tmp_path / "playbooks", variables, system_python)
