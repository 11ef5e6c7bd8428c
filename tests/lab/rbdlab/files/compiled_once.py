# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In a guest: compile what Ansible sends only once.

Each task brings its module and what that imports as source in a zip file, and Python keeps compiled code of
files in directories only. In an emulated guest, half of the time of a task that does nothing is compiling.
Python's own hash-based pyc files know a source by the same hash (PEP 552). Every program that Python runs
imports this: it takes only what Python has in it already.
"""

import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

PLACE = "/var/cache/compiled_once"

compile_source = zipimport._compile_source  # type: ignore[attr-defined]  # CPython's own


def compiled_once(pathname: str, source: bytes) -> CodeType:
    """Return the code of a source, compiled now or earlier, as if it came from ``pathname``."""
    place = f"{PLACE}/{_imp.source_hash(sys.hexversion, source).hex()}"
    try:
        with open(place, "rb") as file:
            code: CodeType = marshal.loads(file.read())  # marshal.load reads each object by itself
    except (OSError, EOFError, ValueError, TypeError):  # a power cut leaves new files empty
        code = compile_source(pathname, source)
        _keep(place, code)
    else:
        _imp._fix_co_filename(code, pathname)  # type: ignore[attr-defined]  # as importlib calls it
    return code


def _keep(place: str, code: CodeType) -> None:
    new = f"{place}.{os.getpid()}"
    try:
        with open(new, "wb") as file:
            marshal.dump(code, file)
        os.replace(new, place)
    except OSError:  # another user's program, or a disk that is full
        return


zipimport._compile_source = compiled_once  # type: ignore[attr-defined]  # CPython's own
