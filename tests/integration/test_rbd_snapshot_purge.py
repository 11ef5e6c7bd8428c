# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many snapshots are removed by a pattern; those that somebody needs stay."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import Any

import pytest
from loopback.cluster import LoopbackCluster
from loopback.modules import Modules, Ritual
from loopback.playbooks import Playbooks
from loopback.site import CHECKOUT
from loopback.snapshots import clone, listed, steps, take

NAMES = ["daily-1", "weekly-1", "daily-2", "daily-3", "weekly-2", "daily-4"]


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> str:
    """An image with some snapshots."""
    spec = f"{namespace}/data"
    cluster.rbd("create", "--size", "8M", spec)
    take(cluster, spec, *NAMES)
    return spec


@pytest.mark.parametrize(
    ("options", "removed"),
    [
        ({"pattern": "*"}, NAMES),
        ({"pattern": "daily-*"}, ["daily-1", "daily-2", "daily-3", "daily-4"]),
        ({"pattern": "daily-[!1-3]"}, ["daily-4"]),
        ({"pattern": "daily-*", "keep": 2}, ["daily-1", "daily-2"]),
        ({"pattern": "*", "keep": 5}, ["daily-1"]),
        ({"pattern": "*", "keep": 6}, []),
        ({"pattern": "*", "older_than": "1h"}, []),
        ({"pattern": "weekly-?", "older_than": "0s"}, ["weekly-1", "weekly-2"]),
        ({"pattern": "weekly-*", "older_than": "0s", "keep": 1}, ["weekly-1"]),
        ({"pattern": "monthly-*"}, []),
    ],
    ids=str,
)
def test_what_goes_and_what_stays(
    cluster: LoopbackCluster, image: str, ritual: Ritual, options: dict[str, Any], removed: list[str]
) -> None:
    before = listed(cluster, image)

    purged = ritual("rbd_snapshot", {"image": image, "state": "absent", **options})

    assert steps(purged) == [("remove", f"{image}@{name}") for name in removed]
    assert listed(cluster, image) == {name: text for name, text in before.items() if name not in removed}
    lines = [f"{image}@{name}: {before[name]}\n" for name in removed]
    assert "".join(part["before"] for part in purged.diff) == "".join(lines)


def test_those_protected_or_cloned_stay_with_the_reason(
    cluster: LoopbackCluster, image: str, namespace: str, ritual: Ritual
) -> None:
    cluster.rbd("snap", "protect", f"{image}@daily-1")
    cluster.rbd("snap", "protect", f"{image}@daily-2")
    clone(cluster, f"{image}@daily-2", f"{namespace}/vm1", 1)
    clone(cluster, f"{image}@daily-3", f"{namespace}/vm2", 2)
    wish = {"image": image, "state": "absent", "pattern": "daily-*", "keep": 1}

    purged = ritual("rbd_snapshot", wish)

    assert purged.actions == []
    newest = {"snapshot": "daily-4", "reason": "it is among the newest 1"}
    held = [
        {"snapshot": "daily-2", "reason": f"it has clones: {namespace}/vm1"},
        {"snapshot": "daily-3", "reason": f"it has clones: {namespace}/vm2"},
    ]
    protected = {"snapshot": "daily-1", "reason": "it is protected"}
    assert purged.raw["images"] == [
        {"image": image, "pattern": "daily-*", "kept": [protected, *held, newest]},
    ]

    purged = ritual("rbd_snapshot", {**wish, "protected": False})
    assert steps(purged) == [("unprotect", f"{image}@daily-1"), ("remove", f"{image}@daily-1")]
    assert purged.raw["images"][0]["kept"] == [*held, newest]


def test_what_no_user_made_is_not_touched(cluster: LoopbackCluster, image: str, namespace: str, ritual: Ritual) -> None:
    clone(cluster, f"{image}@daily-1", f"{namespace}/vm", 2)
    cluster.rbd("snap", "rm", "--no-progress", f"{image}@daily-1")  # puts it aside, since it has a clone
    cluster.rbd("group", "create", f"{namespace}/group")
    cluster.rbd("group", "image", "add", f"{namespace}/group", image)
    cluster.rbd("group", "snap", "create", f"{namespace}/group@all")

    def hidden() -> list[dict[str, Any]]:
        every = cluster.json("rbd", "snap", "ls", "--all", image)
        return [snap for snap in every if snap["namespace"]["type"] != "user"]

    before = hidden()
    assert [snap["namespace"]["type"] for snap in before] == ["trash", "group"]

    ritual("rbd_snapshot", {"image": image, "state": "absent", "pattern": "*", "protected": False})

    assert listed(cluster, image) == {}
    assert hidden() == before


def test_taking_and_purging_in_one_call_counts_what_it_takes(
    cluster: LoopbackCluster, image: str, ritual: Ritual
) -> None:
    purge = {"image": image, "pattern": "daily-*", "keep": 3, "state": "absent"}

    rotated = ritual("rbd_snapshot", {"images": [purge, {"image": image, "snapshot": "daily-5"}]})

    assert steps(rotated) == [
        ("create", f"{image}@daily-5"),
        ("remove", f"{image}@daily-1"),
        ("remove", f"{image}@daily-2"),
    ]
    assert list(listed(cluster, image)) == ["weekly-1", "daily-3", "weekly-2", "daily-4", "daily-5"]
    assert [item.get("pattern") for item in rotated.raw["images"]] == ["daily-*", None]


def test_exactly_those_named_can_be_left(cluster: LoopbackCluster, image: str, ritual: Ritual) -> None:
    names = [{"image": image, "snapshot": name} for name in ("daily-2", "new")]

    ritual("rbd_snapshot", {"images": [*names, {"image": image, "pattern": "*", "state": "absent"}]})

    assert list(listed(cluster, image)) == ["daily-2", "new"]


def test_one_pattern_for_many_images(cluster: LoopbackCluster, image: str, namespace: str, module: Modules) -> None:
    other = f"{namespace}/other"
    cluster.rbd("create", "--size", "4M", other)
    take(cluster, other, "daily-1", "daily-2")

    purged = module("rbd_snapshot")(
        {"pattern": "daily-*", "keep": 1, "state": "absent", "images": [{"image": image}, {"image": other}]}
    )

    assert not purged.failed, purged.msg
    assert list(listed(cluster, image)) == ["weekly-1", "weekly-2", "daily-4"]
    assert listed(cluster, other) == {"daily-2": "snapshot of 4 MiB"}


def test_play_of_the_guide_keeps_its_schedule(cluster: LoopbackCluster, pool: str, playbook: Playbooks) -> None:
    text = (CHECKOUT / "docs" / "docsite" / "rst" / "guide_snapshots.rst").read_text(encoding="utf-8")
    block = text.partition("    # /etc/ansible/snapshots.yml\n")[2].partition("\n\nBecause")[0]
    admin = "conf: '{{ ceph_conf }}'\n      keyring: '{{ ceph_keyring }}'"
    play = textwrap.dedent(block).replace("user: snapper", admin)
    images = [f"{pool}/data", f"{pool}/log"]
    for image in images:
        cluster.rbd("create", "--size", "8M", image)
        take(cluster, image, "daily-1", "weekly-1", "hourly-1", "daily-2")
    options = {"images": [{"image": image} for image in images], "served": {"daily": 2}}

    # In the first run, rbd_snapshot has to go on under another Python.
    runs = [playbook(play, options, python=python) for python in (sys.executable, None)]

    assert [run.failed for run in runs] == [False, False], runs[0].output
    assert [result.changed for run in runs for result in run.results("rbd_snapshot")] == [True, True, False, False]
    for image in images:
        *others, today = listed(cluster, image)
        assert others == ["weekly-1", "hourly-1", "daily-2"]
        assert re.fullmatch(r"daily-\d{4}-\d\d-\d\d", today)
