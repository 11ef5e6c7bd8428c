# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that rbdmap.service runs, ready to be run here."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.cephclient.rbd.tests.unit.plugins.module_utils.test_rbdmap_oracle import script
from ansible_collections.cephclient.rbd.tests.unit.roles.boot_program import CLUSTER, MOUNT, RBD, Unit, place_program

__all__ = ["script"]  # the fixture: rbdmap as it is shipped

NAMES = ("rbdmap_clusters", "rbdmap_unit")


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The part of the program that asks clusters, by itself."""
    monkeypatch.syspath_prepend(place_program(tmp_path / "program"))
    for name in NAMES:
        # So that it is not there afterwards, either.
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        del sys.modules[name]
    return importlib.import_module(NAMES[0])


@pytest.fixture
def unit(script: Path, clusters: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    module = importlib.import_module(NAMES[1])
    monkeypatch.setattr(module, "RBDMAP", str(script))
    for name in ("FILE", "DEVICES", "HOOKS", "FSTAB", "MOUNTS", "RUN"):
        monkeypatch.setattr(module, name, tmp_path / name.lower())
    monkeypatch.setattr(module.Line, "mapped", property(lambda line: line.device.exists()))
    monkeypatch.setattr(clusters, "kernel_clients", {CLUSTER: {"client.1"}}.__getitem__)
    for name, text in {"rbd": RBD, "mount": MOUNT, "logger": "#!/bin/sh\n"}.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(text, encoding="utf-8")
        command.chmod(0o755)
    for name in ("fstab", "mounts", "calls"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("PLACE", str(tmp_path))
    return Unit(module, tmp_path)


@pytest.fixture
def clock(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds from the beginning of the test: it passes only while the program sleeps; its ticks."""
    ticks = [0.0]
    monkeypatch.setattr(unit.module.time, "monotonic", lambda: ticks[-1])
    monkeypatch.setattr(unit.module.time, "sleep", lambda seconds: ticks.append(ticks[-1] + seconds))
    return ticks
