# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ceph's own commands tell about an image, put as rbd_info has to put it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .cluster import LoopbackCluster


def told(cluster: LoopbackCluster, spec: str, *, counted: bool = True) -> dict[str, Any]:
    """Everything about an image, by some ten commands of ``rbd``.

    :param spec: ``<pool>/[<namespace>/]<image>``.
    :param counted: whether what it uses is to be known.
    """
    info = cluster.json("rbd", "info", spec)
    snapshots = cluster.json("rbd", "snap", "ls", "--all", spec)
    used = _used(cluster, spec) if counted else {}
    return {
        **_named(spec),
        **_described(info),
        **_settings(cluster, spec),
        **_users(cluster, spec),
        "parent": _parent(cluster, info),
        "depth": _depth(cluster, info),
        "children": [child for snap in snapshots for child in _children(cluster, spec, snap)],
        "snapshots": [_snapshot(snap, used) for snap in snapshots if snap["namespace"]["type"] == "user"],
        "hidden_snapshots": [_hidden(snap) for snap in snapshots if snap["namespace"]["type"] != "user"],
        "used": (used[None], sum(used.values())) if counted else (None, None),
    }


def comparable(image: dict[str, Any]) -> dict[str, Any]:
    """What rbd_info tells, with the parts left out that no command tells."""
    shown = {key: value for key, value in image.items() if key not in ("lock", "usage")}
    shown["lockers"] = image["lock"]["lockers"] if image["lock"] else []
    shown["used"] = (image["usage"]["head"], image["usage"]["total"])
    return shown


def _named(spec: str) -> dict[str, Any]:
    pool, *namespace, name = spec.split("/")
    found = {"exists": True, "error": None}
    return {"image": spec, "pool": pool, "namespace": "".join(namespace), "name": name, **found}


def _described(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_id": info["id"],
        **{key: info[key] for key in ("size", "objects", "block_name_prefix", "features", "object_size")},
        "flags": [flag.replace(" ", "-") for flag in info["flags"]],
        "stripe_unit": info.get("stripe_unit", info["object_size"]),
        "stripe_count": info.get("stripe_count", 1),
        "created": _utc(info["create_timestamp"]),
        "accessed": _utc(info["access_timestamp"]),
        "modified": _utc(info["modify_timestamp"]),
        **{key: info.get(key) for key in ("data_pool", "snapshot_limit", "group", "mirroring")},
    }


def _settings(cluster: LoopbackCluster, spec: str) -> dict[str, Any]:
    options = cluster.json("rbd", "config", "image", "ls", spec)
    # It says nothing at all where there is none.
    metadata = json.loads(cluster.rbd("image-meta", "ls", spec, "--format", "json") or "{}")
    return {
        "config": {option["name"]: option["value"] for option in options if option["source"] == "image"},
        "metadata": {key: value for key, value in metadata.items() if not key.startswith("conf_")},
    }


def _users(cluster: LoopbackCluster, spec: str) -> dict[str, Any]:
    watchers = cluster.json("rbd", "status", spec)["watchers"]
    locks = cluster.json("rbd", "lock", "ls", spec)
    return {
        "watchers": [{"client": f"client.{row['client']}", "address": row["address"]} for row in watchers],
        "lockers": [{"client": row["locker"], "address": row["address"], "cookie": row["id"]} for row in locks],
    }


def _used(cluster: LoopbackCluster, spec: str) -> dict[str | None, int]:
    """Bytes that are used by each snapshot, and under None by the image since."""
    return {row.get("snapshot"): row["used_size"] for row in cluster.json("rbd", "du", spec)["images"]}


def _parent(cluster: LoopbackCluster, info: dict[str, Any]) -> dict[str, Any] | None:
    parent = info.get("parent")
    if parent is None:
        return None
    place = "/".join(filter(None, (parent["pool"], parent["pool_namespace"])))
    # The id of a parent is told only where it lies in the trash.
    identity = parent["id"] if parent["trash"] else cluster.json("rbd", "info", f"{place}/{parent['image']}")["id"]
    return {
        "image": f"{place}/{parent['image']}@{parent['snapshot']}",
        "image_id": identity,
        "overlap": parent["overlap"],
        "in_trash": parent["trash"],
    }


def _depth(cluster: LoopbackCluster, info: dict[str, Any]) -> int:
    """Follow the snapshots, not the images: a parent that was flattened since still hangs there on its own."""
    parent = info.get("parent")
    if parent is None:
        return 0
    named = ["--image-id", parent["id"]] if parent["trash"] else ["--image", parent["image"]]
    place = ["--pool", parent["pool"], "--namespace", parent["pool_namespace"], *named]
    snapshots = [snap["name"] for snap in cluster.json("rbd", "snap", "ls", *place)]
    # At a snapshot in the trash no command looks.
    at = ["--snap", parent["snapshot"]] if parent["snapshot"] in snapshots else []
    return 1 + _depth(cluster, cluster.json("rbd", "info", *place, *at))


def _children(cluster: LoopbackCluster, spec: str, snap: dict[str, Any]) -> list[dict[str, Any]]:
    rows = cluster.json("rbd", "children", "--all", "--snap-id", str(snap["id"]), spec)
    return [
        {
            "image": "/".join(filter(None, (row["pool"], row["pool_namespace"], row["image"]))),
            "image_id": row["id"],
            "snapshot": snap["namespace"].get("original_name", snap["name"]),
            "in_trash": row["trash"],
        }
        for row in rows
    ]


def _snapshot(snap: dict[str, Any], used: dict[str | None, int]) -> dict[str, Any]:
    return {
        "name": snap["name"],
        "id": snap["id"],
        "size": snap["size"],
        "created": _utc(snap["timestamp"]),
        "protected": snap["protected"] == "true",
        "used": used.get(snap["name"]),
    }


def _hidden(snap: dict[str, Any]) -> dict[str, Any]:
    namespace = snap["namespace"]
    return {
        "name": snap["name"],
        "id": snap["id"],
        "size": snap["size"],
        "created": _utc(snap["timestamp"]),
        "namespace": namespace["type"],
        "original_name": namespace.get("original_name", namespace.get("group snap")),
        "group": f"{namespace['pool']}/{namespace['group']}" if "group" in namespace else None,
    }


def _utc(text: str) -> str:
    """A time as ``rbd`` prints it, which is ctime(3) in the local time zone."""
    local = datetime.strptime(text, "%a %b %d %H:%M:%S %Y").astimezone()
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
