# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In a guest, the code that comes in a zip file is compiled once, and runs as if it were compiled each time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from rbdlab.recipe import client_recipe, packaged, packaged_path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import compiled_once
compiled_once.PLACE = sys.argv[2]
compile_source = compiled_once.compile_source
def count(pathname, source):
    print("compiled", pathname.rpartition("/")[2])
    return compile_source(pathname, source)
compiled_once.compile_source = count
sys.path.insert(0, sys.argv[3])
import sent
print(sent.answer(), sent.answer.__code__.co_filename, sent.__spec__.loader)
"""


def run(kept: Path, archive: Path, source: str) -> list[str]:
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("sent.py", source)
    argv = [sys.executable, "-c", PROGRAM, str(packaged_path("").resolve()), str(kept), str(archive)]
    return subprocess.check_output(argv, text=True).splitlines()


def test_only_what_is_new_is_compiled_and_it_knows_where_it_came_from(tmp_path: Path) -> None:
    source = "def answer():\n    return 42\n"
    first, second, third = (tmp_path / f"{name}.zip" for name in ("first", "second", "third"))
    assert run(tmp_path, first, source) == [
        "compiled sent.py",
        f'42 {first}/sent.py <zipimporter object "{first}/">',
    ]
    assert run(tmp_path, second, source) == [f'42 {second}/sent.py <zipimporter object "{second}/">']
    assert run(tmp_path, third, source.replace("42", "43"))[0] == "compiled sent.py"


def test_where_nothing_can_be_kept_it_is_compiled_each_time(tmp_path: Path) -> None:
    for name in ("first.zip", "second.zip"):
        assert run(tmp_path / "missing", tmp_path / name, "def answer(): return 1")[0] == "compiled sent.py"


def test_what_a_power_cut_has_emptied_is_compiled_again(tmp_path: Path) -> None:
    run(tmp_path, tmp_path / "sent.zip", "def answer(): return 1")
    (kept,) = (path for path in tmp_path.iterdir() if path.suffix != ".zip")
    kept.write_bytes(b"")
    for lines in (2, 1):
        assert len(run(tmp_path, tmp_path / "sent.zip", "def answer(): return 1")) == lines


def test_the_recipe_has_its_whole_text() -> None:
    assert packaged("compiled_once.py") in client_recipe("bookworm").hooks["customize"]
