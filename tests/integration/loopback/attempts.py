# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cephx user is allowed: many attempts by one process, each with its own verdict.

A verdict is ``allowed`` or ``refused``. An attempt that fails for another reason than a refusal has that reason as its
verdict. Each place is tried over a connection of its own, and each attempt opens what it uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .cluster import LoopbackCluster

_VERDICT = """
import errno

def verdict(attempt):
    try:
        attempt()
    except Exception as error:
        code = abs(getattr(error, "errno", None) or 0)
        return "refused" if code in (errno.EPERM, errno.EACCES) else f"{type(error).__name__}: {error}"
    return "allowed"
"""
_PREPARE = """
def prepare(place, name):
    pool, _slash, namespace = place.partition("/")
    with cluster.open_ioctx(pool) as ioctx:
        ioctx.set_namespace(namespace)
        for each in (name, name + "-locked", name + "-unwanted", name + "-useless"):
            rbd.RBD().create(ioctx, each, 2**20)
        with rbd.Image(ioctx, name) as image:
            image.create_snap("kept")
            image.protect_snap("kept")
        with rbd.Image(ioctx, name + "-locked") as image:
            image.lock_exclusive("held")
            (locker,) = image.list_lockers()["lockers"]
        return {"place": place, "name": name, "locker": locker[0]}

result = [prepare(place, args[0]) for place in args[1:]]
"""
_ATTEMPT = (
    _VERDICT
    + """
def within(name, work, **how):
    with rbd.Image(ioctx, name, **how) as image:
        return work(image)

operations = json.loads(args[0])
result = {}
for given in json.loads(args[1]):
    pool, _slash, namespace = given["place"].partition("/")
    with rados.Rados(conffile=conf, rados_id=user) as own:
        ioctx = own.open_ioctx(pool)
        ioctx.set_namespace(namespace)
        scope = {"rbd": rbd, "within": within, "ioctx": ioctx, "image": given["name"], "locker": given["locker"]}
        result[given["place"]] = {name: verdict(lambda: eval(words, scope)) for name, words in operations.items()}
        ioctx.close()
"""
)
_TRANSLATE = """
import shlex
import ceph_argparse

code, output, words = ceph_argparse.json_command(cluster, prefix="get_command_descriptions")
assert code == 0, words
known = ceph_argparse.parse_json_funcsigs(output.decode(), "cli")

def translate(words):
    request = ceph_argparse.validate_command(known, words)
    assert request, f"no such command: {words}"
    return request.pop("target", ("mon", "")), request

result = {words: translate(shlex.split(words)) for words in args}
"""
_COMMAND = (
    _VERDICT
    + """
import ceph_argparse

def send(target, request):
    code, _output, words = ceph_argparse.json_command(cluster, target=tuple(target), argdict=request)
    if code:
        raise OSError(abs(code), words)

result = [verdict(lambda: send(*command)) for command in json.loads(args[0].replace("{user}", user))]
"""
)

#: The daemon that a command goes to, and what is sent to it.
Command = tuple[list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """An image in a place, with the protected snapshot ``kept``, and images named after it: one that a client has
    locked that has ended since (``-locked``), and ones to be moved (``-unwanted``) and removed (``-useless``).

    :ivar place: ``<pool>`` or ``<pool>/<namespace>``.
    :ivar locker: the client that locked it.
    """

    place: str
    name: str
    locker: str

    @property
    def spec(self) -> str:
        return f"{self.place}/{self.name}"


def prepare(cluster: LoopbackCluster, name: str, places: Iterable[str]) -> list[Prepared]:
    """Make what attempts are made on, in several places."""
    return [Prepared(**made) for made in cluster.python(_PREPARE, name, *places)]


def attempt(
    cluster: LoopbackCluster, user: str, operations: Mapping[str, str], prepared: Iterable[Prepared]
) -> dict[str, dict[str, str]]:
    """Try all operations in all places, in this order.

    :param operations: by their names: expressions in ``ioctx`` (the place), ``image`` (a name), ``locker``, and
        ``within(name, work)``, which opens an image, lets ``work`` have it and closes it.
    :returns: the verdict by place and name of the operation.
    """
    images = json.dumps([asdict(each) for each in prepared])
    verdicts: dict[str, dict[str, str]] = cluster.python(_ATTEMPT, json.dumps(operations), images, user=user)
    return verdicts


def translate(cluster: LoopbackCluster, commands: Iterable[str]) -> dict[str, Command]:
    """Commands of ``ceph`` to the monitor or the manager as it would send them; its own code translates them."""
    translated: dict[str, Command] = cluster.python(_TRANSLATE, *commands)
    return translated


def command(cluster: LoopbackCluster, user: str, commands: Mapping[str, Command]) -> dict[str, str]:
    """Try commands, in which ``{user}`` stands for the user's name.

    :returns: the verdict by command.
    """
    verdicts: list[str] = cluster.python(_COMMAND, json.dumps(list(commands.values())), user=user)
    return dict(zip(commands, verdicts, strict=True))
