# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building root file systems into the cache, once for each recipe."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from . import mirror
from .errors import LabError
from .paths import locked
from .privilege import as_root
from .process import run, run_root
from .progress import Progress
from .recipe import Recipe, mke2fs_argv, mmdebstrap_argv

BUILD_TIMEOUT = 1800


def sources(suite: str) -> list[mirror.Source]:
    """Return the archives for a suite: RBDLAB_MIRROR, or what the machine's apt uses."""
    configured = os.environ.get("RBDLAB_MIRROR")
    if configured:
        return mirror.for_suite([mirror.Source(configured, "bookworm", ("main",))], suite)
    found: list[mirror.Source] = []
    directory = Path("/etc/apt/sources.list.d")
    for path in [Path("/etc/apt/sources.list"), *sorted(directory.glob("*.list"))]:
        found += mirror.parse_list(path.read_text(encoding="utf-8")) if path.exists() else []
    for path in sorted(directory.glob("*.sources")):
        found += mirror.parse_deb822(path.read_text(encoding="utf-8"))
    return mirror.for_suite(found, suite)


class Cache:
    """The directory of finished root file systems."""

    def __init__(self, directory: Path, progress: Progress) -> None:
        self._directory = directory
        self._progress = progress

    def get(self, recipe: Recipe) -> Path:
        """Return the directory with the result of a recipe; build it if nobody has."""
        final = self._directory / recipe.key
        if final.exists():
            return final
        label = f"{recipe.suite} {recipe.name}"

        def busy() -> None:
            self._progress.say(label, "waiting for another laboratory that is building it")

        with locked(self._directory / "locks" / recipe.key, busy):
            if not final.exists():
                self._build(recipe, final, label)
        return final

    def _build(self, recipe: Recipe, final: Path, label: str) -> None:
        working = self._directory / f"building-{recipe.key}"
        _remove(working)
        working.mkdir(mode=0o755, parents=True)
        log = self._directory / f"{recipe.key}.log"
        self._progress.say(label, "building the root file system (once; about a minute)")
        self._bootstrap(recipe, working / "rootfs", log)
        if recipe.disk_mib:
            self._progress.say(label, "making the disk image")
            argv = mke2fs_argv(str(working / "rootfs"), str(working / "disk.raw"), recipe.disk_mib)
            run_root(argv, timeout=600, purpose=f"make the disk image for {label}")
            _remove(working / "rootfs")
        working.rename(final)
        log.unlink(missing_ok=True)
        self._progress.say(label, f"ready in the cache as {recipe.key}")

    def _bootstrap(self, recipe: Recipe, target: Path, log: Path) -> None:
        purpose = f"build the root file system {recipe.name} of {recipe.suite}"
        dump = run(["apt-config", "dump"], purpose="read the machine's apt configuration")
        lines = "".join(source.line() + "\n" for source in sources(recipe.suite))
        with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as options:
            options.write(mirror.carried_options(dump))
            options.flush()
            argv = as_root(mmdebstrap_argv(recipe, str(target), options.name))
            try:
                run(argv, stdin=lines, timeout=BUILD_TIMEOUT, purpose=purpose, log=log)
            except LabError as error:
                raise LabError(f"{error} The whole log is {log}.", error.evidence) from error

    def clear(self) -> None:
        """Remove everything."""
        _remove(self._directory)


def _remove(path: Path) -> None:
    if path.exists():
        # Never what is mounted in it.
        run_root(["rm", "-rf", "--one-file-system", str(path)], timeout=300)
