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


SENT_AS_TEXT = """
import sys
sys.path.insert(0, sys.argv[1])
import compiled_once
compiled_once.PLACE = sys.argv[2]
compile_text = compiled_once.compile_text
def count(source, *more, **options):
    print("compiled")
    return compile_text(source, *more, **options)
compiled_once.compile_text = count
for name in ("master:/first.py", "master:/second.py"):
    code = compile("def answer(): return 42", name, "exec", flags=0, dont_inherit=True)
    known = {}
    exec(code, known)
    print(known["answer"](), known["answer"].__code__.co_filename)
"""
AS_ALWAYS = """
from __future__ import annotations
import ast, sys
sys.path.insert(0, sys.argv[1])
import compiled_once
compiled_once.PLACE = sys.argv[2]
text = "def answer(argument: unknown): return 42"
for arguments in (("exec",), ("exec", 0, True)):
    known = {}
    try:
        exec(compile(text, "here", *arguments), known)
        print(known["answer"].__annotations__)
    except NameError as error:
        print(error)
print(compile("6 * 7", "here", "eval", dont_inherit=True).co_name, ast.literal_eval("42"))
try:
    compile("6 *", "here", "exec", dont_inherit=True)
except SyntaxError as error:
    print(error.filename, error.lineno)
"""


def run_program(program: str, kept: Path) -> list[str]:
    argv = [sys.executable, "-c", program, str(packaged_path("").resolve()), str(kept)]
    return subprocess.check_output(argv, text=True).splitlines()


def test_what_mitogen_sends_as_text_is_compiled_once_too(tmp_path: Path) -> None:
    answers = ["42 master:/first.py", "42 master:/second.py"]
    assert run_program(SENT_AS_TEXT, tmp_path) == ["compiled", *answers]
    assert run_program(SENT_AS_TEXT, tmp_path) == answers


def test_all_others_compile_as_always(tmp_path: Path) -> None:
    expected = ["{'argument': 'unknown'}", "name 'unknown' is not defined", "<module> 42", "here 1"]
    assert run_program(AS_ALWAYS, tmp_path) == expected
