# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot program's texts are found whichever loader has brought the collection to a host."""

from __future__ import annotations

import importlib
import sys
import zipimport
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils import _errors
from ansible_collections.cephclient.rbd.plugins.module_utils._system import boot_program

SOURCES = Path(boot_program.__file__).with_name("boot")
PACKAGE = "boot_of_another_loader"


class Lazy:
    """As Mitogen's: it asks for a module when it creates one, and knows the source of no other. It reads no files."""

    def __init__(self) -> None:
        self._asked = set[str]()

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=name == PACKAGE) if name.partition(".")[0] == PACKAGE else None

    def create_module(self, spec: ModuleSpec) -> None:
        if not _file(spec.name).exists():
            raise ModuleNotFoundError(f"No module named {spec.name!r}")
        self._asked.add(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__name__ == PACKAGE, "the program must not run"

    def get_source(self, name: str) -> str | None:
        return _file(name).read_text(encoding="utf-8") if name in self._asked else None


def _file(name: str) -> Path:
    return SOURCES / f"{name.rpartition('.')[2].replace(PACKAGE, '__init__')}.py"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(boot_program, "_PACKAGE", PACKAGE)
    known = set(sys.modules)
    yield PACKAGE
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_loader_that_fetches_what_is_imported(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _texts_of_files()
    monkeypatch.setattr(sys, "meta_path", [Lazy(), *sys.meta_path])
    assert boot_program.program_texts() == expected
    assert not {name for name in sys.modules if name.startswith(f"{package}.")}


def test_a_zip_file(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _texts_of_files()
    with ZipFile(tmp_path / "sent.zip", "w") as archive:
        for file in SOURCES.glob("*.py"):
            archive.write(file, f"{package}/{file.name}")
    monkeypatch.syspath_prepend(str(tmp_path / "sent.zip"))
    assert boot_program.program_texts() == expected
    assert isinstance(importlib.import_module(package).__loader__, zipimport.zipimporter)


@pytest.mark.parametrize("kept", ["nothing", "package"])
def test_what_was_not_sent_is_named(package: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kept == "package":
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(_errors.RbdError, match=r"^Cannot read rbdmap_\w+\.py: .*Install the collection again\.$"):
        boot_program.program_texts()


def _texts_of_files() -> dict[str, str]:
    """What the files hold, with the import of one another that they have on a host."""
    texts = {path: (SOURCES / Path(path).name).read_text(encoding="utf-8") for path in boot_program.PROGRAM}
    return {path: text.replace("\nfrom .rbdmap_", "\nfrom rbdmap_") for path, text in texts.items()}
