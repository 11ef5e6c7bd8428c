# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capability matrix: what users made by rbd_user may do, and what the cluster refuses them."""

from __future__ import annotations

import functools
import shlex
import uuid
from collections.abc import Callable, Iterable, Iterator

import pytest
from loopback import attempts
from loopback.cluster import LoopbackCluster
from loopback.daemon import CommandError
from loopback.forks import Forks
from loopback.modules import Module, Modules
from loopback.site import Site

PLACES = ("own", "own/blue", "own/green", "other")
USERS = {
    "writer": [{"pool": "own"}],
    "reader": [{"pool": "own", "profile": "rbd-read-only"}],
    "blue-writer": [{"pool": "own", "namespace": "blue"}],
    "blue-reader": [{"pool": "own", "namespace": "blue", "profile": "rbd-read-only"}],
    "mixed": [{"pool": "own", "namespace": "blue"}, {"pool": "other", "profile": "rbd-read-only"}],
}
# What each of them may do, and where. Everything else is refused.
MAY_READ = {
    "writer": {"own", "own/blue", "own/green"},
    "reader": {"own", "own/blue", "own/green"},
    "blue-writer": {"own/blue"},
    "blue-reader": {"own/blue"},
    "mixed": {"own/blue", "other"},
}
MAY_WRITE = {
    "writer": {"own", "own/blue", "own/green"},
    "reader": set(),
    "blue-writer": {"own/blue"},
    "blue-reader": set(),
    "mixed": {"own/blue"},
}
WRITERS = [user for user in USERS if MAY_WRITE[user]]
READERS = [user for user in USERS if not MAY_WRITE[user]]

# In the words of python-rbd: what the rbd command does for it, too.
READING = {
    "list the images": "rbd.RBD().list(ioctx)",
    "look at an image": "within(image, lambda it: (it.stat(), it.features(), it.flags()), read_only=True)",
    "list the snapshots": "within(image, lambda it: list(it.list_snaps()), read_only=True)",
    "read an image": "within(image, lambda it: it.read(0, it.size()), read_only=True)",
    "read a snapshot": "within(image, lambda it: it.read(0, it.size()), read_only=True, snapshot='kept')",
}
WRITING = {
    "create an image": "rbd.RBD().create(ioctx, f'{image}-new', 2**20)",
    "write to an image": "within(image, lambda it: (it.write(bytes(4096), 0), it.flush()))",
    "grow an image": "within(image, lambda it: it.resize(2**21))",
    "make a snapshot": "within(image, lambda it: it.create_snap('more'))",
    "unprotect a snapshot": "within(image, lambda it: it.unprotect_snap('kept'))",
    "protect a snapshot": "within(image, lambda it: it.protect_snap('kept'))",
    "clone within the pool": "rbd.RBD().clone(ioctx, image, 'kept', ioctx, f'{image}-clone')",
    "set metadata": "within(image, lambda it: it.metadata_set('key', 'value'))",
    "break the lock of another client": "within(f'{image}-locked', lambda it: it.break_lock(locker, 'held'))",
    "lock an image": "within(f'{image}-locked', lambda it: it.lock_exclusive('mine'))",
    "move an image to the trash": "rbd.RBD().trash_move(ioctx, f'{image}-unwanted')",
    "remove an image": "rbd.RBD().remove(ioctx, f'{image}-useless')",
}
# The same for the rbd command: what it does around each of them needs capabilities, too.
RBD = {
    "list the images": "ls {place}",
    "look at an image": "info {image}",
    "list the snapshots": "snap ls {image}",
    "read an image": "export --no-progress {image} -",
    "read a snapshot": "export --no-progress {image}@kept -",
    "create an image": "create --size 1M {image}-new",
    "write to an image": "bench --io-type write --io-size 4K --io-total 4K {image}",
    "grow an image": "resize --no-progress --size 2M {image}",
    "make a snapshot": "snap create --no-progress {image}@more",
    "unprotect a snapshot": "snap unprotect {image}@kept",
    "protect a snapshot": "snap protect {image}@kept",
    "clone within the pool": "clone {image}@kept {image}-clone",
    "set metadata": "image-meta set {image} key value",
    "break the lock of another client": "lock rm {image}-locked held {locker}",
    "lock an image": "lock add {image}-locked mine",
    "move an image to the trash": "trash mv {image}-unwanted",
    "remove an image": "rm --no-progress {image}-useless",
}
# No user of RBD may do any of these.
ADMINISTRATION = (
    "osd pool delete own own --yes-i-really-really-mean-it",
    "osd pool create another",
    "osd pool rename own another",
    "osd pool set own size 2",
    "osd pool application enable own rgw --yes-i-really-mean-it",
    "osd set noout",
    "osd down 0",
    "osd blocklist rm 10.9.9.9:0/1",
    "auth ls",
    "auth get client.admin",
    "auth get-key client.admin",
    "auth caps client.{user} mon 'allow *'",
    "config-key ls",
    "config-key get any",
    "config set global debug_rbd 1",
    "rbd task add flatten other/image",
)
# A daemon of this cluster refuses such a command, but would not carry it out: it has no admin socket.
TELL = {"tell osd.0 config get keyring": (["osd", "0"], {"prefix": "config get", "var": "keyring"})}

# Takes the lock of an image by writing to it, and is killed with the lock in its hands.
HOLDER = """
import os, signal
with cluster.open_ioctx(args[0]) as ioctx:
    ioctx.set_namespace(args[1])
    image = rbd.Image(ioctx, args[2])
    image.write(b"unfinished", 0)
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITE_OBJECT = """
with cluster.open_ioctx("own") as ioctx:
    try:
        ioctx.write_full("object", b"data")
    except rados.Error as error:
        result = type(error).__name__
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, system_python: str, forks: Forks) -> Iterator[LoopbackCluster]:
    """A cluster of its own, where a client that died is noticed after 2 instead of 30 seconds."""
    directory = tmp_path_factory.mktemp("matrix") / "cluster"
    options = {"osd_client_watch_timeout": "2"}
    with LoopbackCluster(directory, python=system_python, options=options, forks=forks) as running:
        yield running


@pytest.fixture(scope="module")
def prepared(cluster: LoopbackCluster, site: Site, system_python: str, forks: Forks) -> LoopbackCluster:
    """The cluster with places and users, all of them made by the modules."""
    connection = {"conf": str(cluster.conf), "keyring": str(cluster.admin_keyring)}

    def run(name: str, **options: object) -> None:
        result = Module(name, site, system_python, connection, forks=forks)(options)
        assert not result.failed, result.msg

    run("rbd_pool", pools=[{"pool": "own"}, {"pool": "other"}])
    run("rbd_namespace", pool="own", namespaces=[{"namespace": "blue"}, {"namespace": "green"}])
    users = [
        {"name": name, "pools": pools, "keyring_file": str(cluster.directory / f"ceph.client.{name}.keyring")}
        for name, pools in USERS.items()
    ]
    run("rbd_user", users=users)
    return cluster


@pytest.fixture(scope="module")
def administration(prepared: LoopbackCluster) -> dict[str, attempts.Command]:
    """The commands as ``ceph`` would send them."""
    return {**attempts.translate(prepared, ADMINISTRATION), **TELL}


def new_name() -> str:
    """A name of its own for a test's images."""
    return uuid.uuid4().hex[:8]


def verdict(attempt: Callable[[], object]) -> str:
    """``allowed`` or ``refused``; what fails for any other reason says so."""
    try:
        attempt()
    except CommandError as error:
        words = str(error)
        denied = ("Operation not permitted", "Permission denied", "access denied", "EACCES")
        return "refused" if any(word in words for word in denied) else words
    return "allowed"


def expected(names: Iterable[str], places: set[str]) -> dict[str, dict[str, str]]:
    """Each operation is allowed in some places, and refused in the others."""
    return {place: dict.fromkeys(names, "allowed" if place in places else "refused") for place in PLACES}


@pytest.mark.parametrize("user", USERS)
def test_a_user_may_use_its_places_and_no_others(prepared: LoopbackCluster, user: str) -> None:
    images = attempts.prepare(prepared, new_name(), PLACES)

    assert attempts.attempt(prepared, user, READING, images) == expected(READING, MAY_READ[user])
    assert attempts.attempt(prepared, user, WRITING, images) == expected(WRITING, MAY_WRITE[user])


@pytest.mark.parametrize("user", USERS)
def test_the_rbd_command_gets_the_same_answers(prepared: LoopbackCluster, user: str) -> None:
    listed = {place: verdict(functools.partial(prepared.rbd, "ls", place, user=user)) for place in PLACES}

    assert listed == {place: "allowed" if place in MAY_READ[user] else "refused" for place in PLACES}


@pytest.mark.parametrize("user", ["writer", "blue-reader"])
def test_the_commands_themselves_may_do_the_same(prepared: LoopbackCluster, user: str) -> None:
    assert list(RBD) == [*READING, *WRITING]

    def attempt(words: str, image: attempts.Prepared) -> str:
        argv = words.format(place=image.place, image=image.spec, locker=image.locker).split()
        return verdict(lambda: prepared.rbd(*argv, user=user))

    images = attempts.prepare(prepared, new_name(), PLACES)
    for names, places in ((READING, MAY_READ[user]), (WRITING, MAY_WRITE[user])):
        tried = {image.place: {name: attempt(RBD[name], image) for name in names} for image in images}
        assert tried == expected(names, places)

    commands = {words: shlex.split(words.format(user=user)) for words in [*ADMINISTRATION, *TELL]}
    refused = {words: verdict(functools.partial(prepared.ceph, *argv, user=user)) for words, argv in commands.items()}
    assert refused == dict.fromkeys(commands, "refused")


@pytest.mark.parametrize("user", USERS)
def test_no_user_may_administer_the_cluster(
    prepared: LoopbackCluster, administration: dict[str, attempts.Command], user: str
) -> None:
    assert attempts.command(prepared, user, administration) == dict.fromkeys([*ADMINISTRATION, *TELL], "refused")


@pytest.mark.parametrize("user", USERS)
def test_only_a_user_who_writes_may_blocklist_a_client(prepared: LoopbackCluster, user: str) -> None:
    expected = "allowed" if user in WRITERS else "refused"
    assert verdict(lambda: prepared.ceph("osd", "blocklist", "add", "10.9.9.9:0/1", user=user)) == expected
    prepared.ceph("osd", "blocklist", "rm", "10.9.9.9:0/1")


@pytest.mark.parametrize("user", WRITERS)
def test_a_writer_takes_the_lock_over_from_a_client_that_died(prepared: LoopbackCluster, user: str) -> None:
    (image,) = attempts.prepare(prepared, new_name(), ["own/blue"])
    with pytest.raises(CommandError, match="ended with -9"):
        prepared.python(HOLDER, *image.spec.split("/"), user=user)
    (owner,) = prepared.json("rbd", "lock", "ls", image.spec)

    written = ("--io-type", "write", "--io-size", "4K", "--io-total", "4K")
    prepared.rbd("bench", *written, image.spec, user=user)

    assert owner["address"] in prepared.ceph("osd", "blocklist", "ls")


def test_the_modules_work_for_a_user_of_one_namespace(prepared: LoopbackCluster, module: Modules) -> None:
    user = {"user": "blue-writer", "keyring": str(prepared.directory / "ceph.client.blue-writer.keyring")}

    made = module("rbd_image")({"image": "own/blue/made", "size": "1M", **user})
    assert not made.failed, made.msg
    assert prepared.json("rbd", "info", "own/blue/made")["size"] == 1 << 20

    refused = module("rbd_image")({"image": "own/green/made", "size": "1M", **user})
    assert "client.blue-writer lacks the capability osd 'profile rbd pool=own namespace=green'" in refused.msg


def test_objects_themselves_are_refused_not_only_what_a_command_looks_at_first(prepared: LoopbackCluster) -> None:
    may_write = {user: prepared.python(WRITE_OBJECT, user=user) for user in USERS}

    assert may_write == {user: None if "own" in MAY_WRITE[user] else "PermissionError" for user in USERS}
