# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of written files are given: modules of this checkout as processes, and how often to kill them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from loopback.forks import Forks
from loopback.modules import Module
from loopback.site import Site

# For each kind of file, in every run and in a thorough one.
KILLS = (7, 70)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="also what takes minutes, and ten times as many kills")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--thorough"):
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: --thorough"))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many runs to kill at random instants."""
    return KILLS[bool(request.config.getoption("--thorough"))]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """From where the modules import this checkout."""
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def forks(site: Site) -> Iterator[Forks]:
    """Where runs are that nobody watches or kills."""
    with Forks(site, sys.executable, imports=()) as running:
        yield running


@pytest.fixture
def module(site: Site, forks: Forks) -> Callable[..., Module]:
    """Make a module, by its short name, something to run. It needs no bindings of Ceph's, so any Python will do."""
    if os.geteuid() != 0:
        pytest.skip("files that belong to others take root's rights")
    return functools.partial(Module, site=site, python=sys.executable, defaults={}, forks=forks)
