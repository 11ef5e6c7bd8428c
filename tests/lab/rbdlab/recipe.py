# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the root file systems are made of (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CEPH_COMMON = (
    "ceph-common", "python3-rbd", "python3-rados",
    "openssh-server", "python3", "iproute2", "procps", "mount",
)  # fmt: skip
CLUSTER_PACKAGES = (*CEPH_COMMON, "ceph-mon", "ceph-osd", "ceph-mgr", "xfsprogs", "psmisc")
CLIENT_PACKAGES = (
    *CEPH_COMMON,
    "linux-image-amd64", "initramfs-tools", "zstd", "kmod", "udev", "dbus",
    "systemd", "systemd-sysv", "xfsprogs", "e2fsprogs", "cryptsetup-bin", "psmisc", "lsof", "python3-apt",
)  # fmt: skip

UML_PACKAGES = ("user-mode-linux", "libc6", "libgcc-s1", "busybox-static")

# The kernel is Debian's own; only drivers for hardware that no guest has are left out of the disk.
_DRIVERS = (
    "gpu/", "media/", "net/wireless/", "net/ethernet/", "staging/", "infiniband/", "usb/", "hid/", "iio/", "isdn/",
    "mtd/", "hwmon/", "platform/", "input/", "thunderbolt/", "video/", "i2c/", "power/", "mmc/", "bluetooth/", "ata/",
    "block/floppy.ko",
)  # fmt: skip
_SITE = "/usr/lib/python3/dist-packages/"
_DOCUMENTATION = ("doc", "man", "locale", "info")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a root file system contains."""

    name: str
    suite: str
    packages: tuple[str, ...]
    excluded: tuple[str, ...]
    hooks: Mapping[str, str]
    disk_mib: int = 0
    variant: str = "apt"

    @property
    def key(self) -> str:
        """The name of the result in the cache; it changes with anything in the recipe."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.name}-{self.suite}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def packaged_path(name: str) -> Path:
    """Return the path of a file that belongs to this package."""
    return Path(__file__).resolve().parent / "files" / name


def packaged(name: str) -> str:
    """Return the text of a file that belongs to this package."""
    return packaged_path(name).read_text(encoding="utf-8")


def cluster_recipe(suite: str) -> Recipe:
    """The root file system in which the Ceph daemons run."""
    excluded = tuple(f"/usr/share/{name}/*" for name in _DOCUMENTATION)
    return Recipe("cluster", suite, CLUSTER_PACKAGES, excluded, {"customize": packaged("cluster-customize.sh")})


def client_recipe(suite: str) -> Recipe:
    """The disk, kernel and initramfs of the guests."""
    drivers = [f"{top}lib/modules/*/kernel/{part}*" for top in ("/", "/usr/") for part in _unneeded()]
    excluded = (*(f"/usr/share/{name}/*" for name in _DOCUMENTATION), *drivers)
    customize = packaged("client-customize.sh") + _writes(_SITE + "compiled_once.py", packaged("compiled_once.py"))
    hooks = {"essential": packaged("client-essential.sh"), "customize": customize}
    return Recipe("client", suite, CLIENT_PACKAGES, excluded, hooks, disk_mib=3072)


def uml_recipe() -> Recipe:
    """The kernel, modules and initramfs of User-mode Linux, and the libraries that it runs with."""
    hooks = {"extract": packaged("uml-extract.sh")}  # the only one that this variant runs
    return Recipe("uml", "forky", UML_PACKAGES, (), hooks, variant="extract")


def _writes(path: str, text: str) -> str:
    """Return the lines of a hook that write a file of this package; none of these has such a line itself."""
    return f"cat > \"$1{path}\" <<'END OF FILE'\n{text}END OF FILE\n"


def _unneeded() -> list[str]:
    return ["sound/", "net/wireless/", "net/mac80211/", *(f"drivers/{name}" for name in _DRIVERS)]


def mmdebstrap_argv(recipe: Recipe, target: str, apt_options: str) -> list[str]:
    """Return the build command; the sources are given on its standard input.

    In a mount namespace of its own: what it mounts in the tree is gone with it, even if it is killed.
    """
    argv = ["unshare", "--mount", "mmdebstrap", "--mode=root"]
    argv += [f"--variant={recipe.variant}", "--format=directory", "--skip=check/empty"]
    argv += [f"--aptopt={apt_options}", "--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.excluded]
    argv += [f"--{stage}-hook={text}" for stage, text in recipe.hooks.items()]
    argv += [f"--include={','.join(recipe.packages)}", recipe.suite, target, "-"]
    return argv


def mke2fs_argv(rootfs: str, image: str, mebibytes: int) -> Sequence[str]:
    """Return the command that makes a disk with a copy of a root file system, without a loop device."""
    options = ["-q", "-F", "-t", "ext4", "-L", "root", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    return ["mke2fs", *options, "-d", rootfs, image, f"{mebibytes}M"]
