# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host: run modules with many sets of arguments in one process, which imports once and forks for each of them.

The action rbd_cases sends this to the Python that would run the modules, with a call of :func:`main` behind it.
"""

from __future__ import annotations

import base64
import gc
import importlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

# Seconds after which a case hangs, and is killed.
LIMIT = 180


def main(told: dict[str, Any]) -> None:
    """Run all cases in order, and print what each has printed.

    :param told: ``archive``, what all the modules import, as a zip file in base64; ``cases``, for each the arguments
        of AnsiballZ; and ``look``, a command of the shell that shows what must not change, or nothing.
    """
    parent = os.getpid()
    place = tempfile.mkdtemp(prefix="rbd_cases_")
    try:
        archive = f"{place}/modules.zip"
        Path(archive).write_bytes(base64.b64decode(told["archive"]))
        _import_once(archive, {case["module_fqn"] for case in told["cases"]})
        before = _look(told["look"])
        done = [_run(case, archive) for case in told["cases"]]
        sys.stdout.write(json.dumps({"cases": done, "looks": [before, _look(told["look"])]}) + "\n")
    finally:
        # A child that ends comes by here, too.
        if os.getpid() == parent:
            shutil.rmtree(place)


def _look(command: str) -> str:
    return subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True).stdout


def _import_once(archive: str, modules: set[str]) -> None:
    sys.path.insert(0, archive)
    for name in sorted(modules):
        importlib.import_module(name)
        # Each child runs it as its main program, and Python warns of one that was imported before.
        del sys.modules[name]
    gc.freeze()


def _run(case: dict[str, Any], archive: str) -> dict[str, Any]:
    # Files, since a process that a module leaves behind would keep a pipe open.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_the_module(case, archive, output, errors)
        code = _code_of(child)
        seconds = time.monotonic() - began
        return {"seconds": seconds, "rc": code, "stdout": _text(output), "stderr": _text(errors)}


def _be_the_module(case: dict[str, Any], archive: str, output: IO[bytes], errors: IO[bytes]) -> None:
    """Do as AnsiballZ does once it has unpacked a module. This raises :class:`SystemExit`, as a module does."""
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    loader = importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    loader.run_module(
        json_params=case["params"].encode(),
        profile=case["profile"],
        module_fqn=case["module_fqn"],
        modlib_path=archive,
        extensions={},
    )


def _code_of(child: int) -> int:
    """Wait until a child has ended, or for so long that it hangs."""
    ended = os.pidfd_open(child)
    if not select.select([ended], [], [], LIMIT)[0]:
        os.killpg(child, signal.SIGKILL)
    os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")
