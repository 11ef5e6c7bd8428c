# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe's key changes with its content, and its commands say what it means."""

from __future__ import annotations

from dataclasses import replace

from rbdlab.recipe import client_recipe, cluster_recipe, mke2fs_argv, mmdebstrap_argv, uml_recipe


def test_the_key_names_the_recipe_and_is_stable() -> None:
    assert client_recipe("bookworm").key == client_recipe("bookworm").key
    assert client_recipe("bookworm").key.startswith("client-bookworm-")


def test_the_key_changes_with_every_part() -> None:
    recipe = cluster_recipe("bookworm")
    variants = [
        recipe,
        cluster_recipe("trixie"),
        replace(recipe, packages=(*recipe.packages, "tree")),
        replace(recipe, excluded=()),
        replace(recipe, hooks={"customize": "true"}),
        replace(recipe, disk_mib=1),
        replace(recipe, variant="extract"),
    ]
    assert len({variant.key for variant in variants}) == len(variants)


def test_mmdebstrap_gets_packages_hooks_and_suite() -> None:
    recipe = client_recipe("trixie")
    argv = mmdebstrap_argv(recipe, "/target", "/options.conf")
    assert argv[:3] == ["unshare", "--mount", "mmdebstrap"]
    assert argv[-3:] == ["trixie", "/target", "-"]
    assert "--aptopt=/options.conf" in argv
    assert f"--customize-hook={recipe.hooks['customize']}" in argv
    include = next(word for word in argv if word.startswith("--include="))
    assert {"linux-image-amd64", "ceph-common", "python3-rbd", "mount"} <= set(include[10:].split(","))


def test_the_tree_of_user_mode_linux_is_unpacked_and_not_installed() -> None:
    argv = mmdebstrap_argv(uml_recipe(), "/target", "/options.conf")
    assert "--variant=extract" in argv
    assert [word.partition("=")[0] for word in argv if "-hook=" in word] == ["--extract-hook"]


def test_the_drivers_that_the_tests_need_stay_on_the_disk() -> None:
    assert not [pattern for pattern in client_recipe("bookworm").excluded if "block/*" in pattern or "rbd" in pattern]


def test_the_disk_is_made_without_a_loop_device() -> None:
    argv = mke2fs_argv("/rootfs", "/disk.raw", 3072)
    assert argv[-4:] == ["-d", "/rootfs", "/disk.raw", "3072M"]
