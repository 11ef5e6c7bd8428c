# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another client, which has an image open."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SCRIPT = """\
import sys
import rados, rbd
conf, pool, namespace, name, *locked = sys.argv[1:]
cluster = rados.Rados(conffile=conf)
cluster.connect()
ioctx = cluster.open_ioctx(pool)
ioctx.set_namespace(namespace)
with rbd.Image(ioctx, name) as image:
    if locked:
        image.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
    print(cluster.get_instance_id(), flush=True)
    sys.stdin.read()
ioctx.close()
cluster.shutdown()
"""


@contextlib.contextmanager
def holding(conf: Path, python: str, image: str, *, locked: bool = False, dies: bool = False) -> Iterator[str]:
    """Hold an image open for writing within the block, as a process of its own.

    :param python: the Python that has Ceph's bindings.
    :param image: ``<pool>/<namespace>/<image>`` or ``<pool>/<image>``.
    :param locked: take the lock of the feature exclusive-lock, as the first write does.
    :param dies: end by SIGKILL, rather than close the image.
    :returns: the client as the cluster calls it, for example ``client.4123``.
    """
    pool, *namespace, name = image.split("/")
    argv = [python, "-c", _SCRIPT, str(conf), pool, *(namespace or [""]), name, *["locked"] * locked]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            said = process.stdout.readline().strip()
            assert said, f"{image} could not be opened"
            yield f"client.{said}"
        finally:
            if dies:
                process.kill()
            process.stdin.close()
            process.wait(timeout=60)


def died_holding(conf: Path, python: str, image: str) -> str:
    """Have a client die with an image open for writing, as after a power cut. The cluster takes it for alive at first.

    :returns: the client, as of :func:`holding`.
    """
    with holding(conf, python, image, dies=True) as client:
        return client
