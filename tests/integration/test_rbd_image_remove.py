# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rbd_image removes, trashes, restores and renames only what nobody uses, and only what was meant."""

from __future__ import annotations

import datetime as dt

import pytest
from loopback.cluster import LoopbackCluster
from loopback.holder import holding
from loopback.modules import Modules, Ritual

MIB = 2**20

# For how many seconds the one image in the trash of a namespace is kept there.
_KEPT = """
ioctx = cluster.open_ioctx(args[0])
ioctx.set_namespace(args[1])
(entry,) = rbd.RBD().trash_list(ioctx)
result = (entry["deferment_end_time"] - entry["deletion_time"]).total_seconds()
ioctx.close()
"""


@pytest.fixture
def image(cluster: LoopbackCluster, namespace: str) -> str:
    """An image of 8 MiB."""
    spec = f"{namespace}/data"
    cluster.rbd("create", spec, "--size", "8M")
    return spec


class TestAbsent:
    def test_snapshots_are_named_and_go_only_if_told_so(
        self, cluster: LoopbackCluster, image: str, module: Modules, ritual: Ritual
    ) -> None:
        for name in ("one", "two"):
            cluster.rbd("snap", "create", f"{image}@{name}")
        cluster.rbd("snap", "protect", f"{image}@one")
        for check in (True, False):
            refused = module("rbd_image")({"image": image, "state": "absent"}, check=check)
            assert "it has snapshots: one, two" in refused.msg

        done = ritual("rbd_image", {"image": image, "state": "absent", "purge_snapshots": True})

        assert [action["action"] for action in done.actions] == ["purge_snapshots", "remove"]
        assert done.actions[0]["snapshots"] == ["one", "two"]

    def test_clones_are_named_and_never_lose_their_parent(
        self, cluster: LoopbackCluster, namespace: str, image: str, module: Modules
    ) -> None:
        cluster.rbd("snap", "create", f"{image}@one")
        cluster.rbd("snap", "protect", f"{image}@one")
        for name in ("vm1", "vm2"):
            cluster.rbd("clone", f"{image}@one", f"{namespace}/{name}")
        cluster.rbd("trash", "move", f"{namespace}/vm2")
        for check in (True, False):
            refused = module("rbd_image")({"image": image, "state": "absent", "purge_snapshots": True}, check=check)
            assert f"its snapshots have clones: {namespace}/vm1, {namespace}/vm2 (in the trash)" in refused.msg
        assert cluster.json("rbd", "snap", "ls", image)[0]["name"] == "one"

    def test_clones_of_a_removed_snapshot_are_named_too(
        self, cluster: LoopbackCluster, namespace: str, image: str, module: Modules
    ) -> None:
        cluster.rbd("snap", "create", f"{image}@one")
        cluster.rbd("clone", f"{image}@one", f"{namespace}/vm", "--rbd-default-clone-format", "2")
        cluster.rbd("snap", "remove", f"{image}@one")
        refused = module("rbd_image")({"image": image, "state": "absent"})
        assert f"its snapshots have clones: {namespace}/vm." in refused.msg

    def test_user_of_one_pool_cannot_know_the_clones(
        self, cluster: LoopbackCluster, pool: str, module: Modules
    ) -> None:
        # The profile rbd would let it see the clones in every pool.
        keyring = cluster.user("purger", osd=f"allow rwx pool={pool}", mgr="")
        image = {"image": f"{pool}/data", "state": "absent", "user": "purger", "keyring": str(keyring)}
        cluster.rbd("create", f"{pool}/data", "--size", "8M")
        cluster.rbd("snap", "create", f"{pool}/data@one")
        cluster.rbd("snap", "protect", f"{pool}/data@one")

        assert "it has snapshots: one." in module("rbd_image")(image).msg
        refused = module("rbd_image")({**image, "purge_snapshots": True})
        assert "whether its snapshots have clones cannot be told" in refused.msg

        # Of one that is not protected there can only be clones of version 2, which the image itself lists.
        cluster.rbd("snap", "unprotect", f"{pool}/data@one")
        assert module("rbd_image")({**image, "purge_snapshots": True}).changed

    def test_watchers_are_named(
        self, cluster: LoopbackCluster, image: str, module: Modules, system_python: str
    ) -> None:
        with holding(cluster.conf, system_python, image) as client:
            for state in ("absent", "trashed"):
                for check in (True, False):
                    refused = module("rbd_image")({"image": image, "state": state}, check=check)
                    assert f"it is in use by {client} at 127.0.0.1" in refused.msg
        assert cluster.json("rbd", "info", image)["size"] == 8 * MIB


class TestTrash:
    def test_image_goes_there_and_comes_back(
        self, cluster: LoopbackCluster, namespace: str, image: str, ritual: Ritual
    ) -> None:
        identity = cluster.json("rbd", "info", image)["id"]

        done = ritual("rbd_image", {"image": image, "state": "trashed", "retention": "7d"})
        assert (done.actions[0]["action"], done.actions[0]["retention"]) == ("trash", 7 * 86400)
        (entry,) = cluster.json("rbd", "trash", "ls", "--all", "--long", namespace)
        assert (entry["id"], entry["name"]) == (identity, "data")
        kept = cluster.python(_KEPT, *namespace.split("/"))
        assert dt.timedelta(seconds=kept) == dt.timedelta(days=7)

        done = ritual("rbd_image", {"image": image, "size": "12M", "metadata": {"back": True}})
        assert [action["action"] for action in done.actions] == ["restore", "grow", "set_metadata"]
        info = cluster.json("rbd", "info", image)
        assert (info["id"], info["size"]) == (identity, 12 * MIB)

    def test_restore_may_be_declined(
        self, cluster: LoopbackCluster, namespace: str, image: str, ritual: Ritual
    ) -> None:
        identity = cluster.json("rbd", "info", image)["id"]
        cluster.rbd("trash", "move", image)

        done = ritual("rbd_image", {"image": image, "size": "8M", "restore": False})

        assert [action["action"] for action in done.actions] == ["create"]
        assert cluster.json("rbd", "info", image)["id"] != identity
        assert [entry["id"] for entry in cluster.json("rbd", "trash", "ls", namespace)] == [identity]

    def test_several_of_the_same_name_are_named_and_none_is_taken(
        self, cluster: LoopbackCluster, namespace: str, image: str, module: Modules
    ) -> None:
        identities = [cluster.json("rbd", "info", image)["id"]]
        cluster.rbd("trash", "move", image)
        cluster.rbd("create", image, "--size", "8M")
        identities.append(cluster.json("rbd", "info", image)["id"])
        cluster.rbd("trash", "move", image)

        for check in (True, False):
            refused = module("rbd_image")({"image": image, "size": "8M"}, check=check)
            assert f"the trash of {namespace} has several images of that name" in refused.msg
            assert all(identity in refused.msg for identity in identities)
        assert cluster.json("rbd", "ls", namespace) == []

    @pytest.mark.parametrize("state", ["absent", "trashed"])
    def test_what_was_never_there_is_left_so(self, namespace: str, module: Modules, state: str) -> None:
        result = module("rbd_image")({"image": f"{namespace}/none", "state": state})
        assert (result.failed, result.changed) == (False, False)


class TestRename:
    def test_the_same_image_has_the_new_name(
        self, cluster: LoopbackCluster, namespace: str, image: str, ritual: Ritual
    ) -> None:
        identity = cluster.json("rbd", "info", image)["id"]

        done = ritual("rbd_image", {"image": f"{namespace}/new", "renamed_from": image, "size": "12M"})

        assert [action["action"] for action in done.actions] == ["rename", "grow"]
        assert cluster.json("rbd", "ls", namespace) == ["new"]
        assert cluster.json("rbd", "info", f"{namespace}/new")["id"] == identity

    def test_not_while_somebody_has_it_open(
        self, cluster: LoopbackCluster, namespace: str, image: str, module: Modules, system_python: str
    ) -> None:
        with holding(cluster.conf, system_python, image) as client:
            refused = module("rbd_image")({"image": f"{namespace}/new", "renamed_from": image})
        assert f"Cannot rename {image}: it is in use by {client}" in refused.msg

    def test_two_images_are_not_mixed_up(
        self, cluster: LoopbackCluster, namespace: str, image: str, module: Modules
    ) -> None:
        cluster.rbd("create", f"{namespace}/new", "--size", "8M")
        refused = module("rbd_image")({"image": f"{namespace}/new", "renamed_from": image})
        assert "both names are there, as two images" in refused.msg

    def test_only_within_its_pool_and_namespace(self, image: str, module: Modules) -> None:
        refused = module("rbd_image")({"image": "rbd/new", "renamed_from": image})
        assert "an image keeps its pool and namespace" in refused.msg
