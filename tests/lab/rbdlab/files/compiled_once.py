# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In a guest: compile what Ansible sends only once.

Each task brings its module and what that imports as source in a zip file, Mitogen brings it in messages, and Python
keeps compiled code of files in directories only. In an emulated guest, half of the time of a task that does nothing is
compiling. Python's own hash-based pyc files know a source by the same hash (PEP 552). Every program that Python runs
imports this: it takes only what Python has in it already.
"""

import _imp
import builtins
import marshal
import os
import sys
import zipimport
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = "/var/cache/compiled_once"

compile_source = zipimport._compile_source  # type: ignore[attr-defined]  # CPython's own
compile_text = builtins.compile
# The flags of code that say what it has imported from __future__ (PyCF_MASK); "compile" inherits them from its caller.
_FUTURE = 0x1FE0000


def compiled_once(pathname: str, source: bytes) -> CodeType:
    """Return the code of a source in a zip file, compiled now or earlier, as if it came from ``pathname``."""
    return _once(pathname, source, lambda: compile_source(pathname, source))


def text_compiled_once(source, filename, mode, flags=0, dont_inherit=False, optimize=-1, **options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201
    """Be Python's ``compile``, with as many arguments; only what Mitogen calls it with is not compiled each time."""
    if not dont_inherit:
        flags |= sys._getframe(1).f_code.co_flags & _FUTURE
    elif isinstance(source, str) and (mode, flags, optimize, options) == ("exec", 0, -1, {}):
        text = source.encode("utf-8", "surrogatepass")
        return _once(filename, text, lambda: compile_text(source, filename, mode, 0, True))
    return compile_text(source, filename, mode, flags, True, optimize, **options)


def _once(pathname: str, source: bytes, compiled: "Callable[[], CodeType]") -> CodeType:
    place = f"{PLACE}/{_imp.source_hash(sys.hexversion, source).hex()}"
    try:
        with open(place, "rb") as file:
            code: CodeType = marshal.loads(file.read())  # marshal.load reads each object by itself
    except (OSError, EOFError, ValueError, TypeError):  # a power cut leaves new files empty
        code = compiled()
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
builtins.compile = text_compiled_once
