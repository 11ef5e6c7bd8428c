# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's apt configuration becomes the sources of any suite."""

from __future__ import annotations

import pytest
from rbdlab.errors import LabError
from rbdlab.mirror import Source, carried_options, for_suite, parse_deb822, parse_list

DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
LIST = """\
# deb http://comment.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] https://mirror.example/debian bookworm main contrib # remark
deb http://mirror.example/debian-security bookworm-security main
deb-src http://mirror.example/debian bookworm main
deb [trusted=yes] https://tools.example/apt cloud-sdk-bookworm main
"""


def test_deb822_gives_one_source_for_each_suite() -> None:
    sources = parse_deb822(DEB822)
    assert [source.suite for source in sources] == ["bookworm", "bookworm-updates", "bookworm-security"]
    assert sources[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert sources[2].signed_by == ""


def test_an_embedded_key_is_no_path() -> None:
    text = "Types: deb\nURIs: http://m/d\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n"
    assert parse_deb822(text) == [Source("http://m/d", "trixie", ("main",))]


def test_one_line_style() -> None:
    sources = parse_list(LIST)
    key = "/usr/share/keyrings/k.gpg"
    assert sources[0] == Source("https://mirror.example/debian", "bookworm", ("main", "contrib"), key)
    assert [source.trusted for source in sources] == [False, False, True]


def test_the_suites_of_the_machine_are_mapped_to_another_release() -> None:
    lines = [source.line() for source in for_suite(parse_deb822(DEB822), "trixie")]
    option = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    assert lines == [
        f"deb {option}http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian-security trixie-security main",
        f"deb {option}http://mirror.example/debian trixie-updates main",
    ]


def test_testing_has_no_updates() -> None:
    assert [source.suite for source in for_suite(parse_deb822(DEB822), "forky")] == ["forky"]


def test_foreign_repositories_are_ignored() -> None:
    foreign = parse_list("deb https://tools.example/apt cloud-sdk-bookworm main\ndeb https://n.example/x nodistro main")
    with pytest.raises(LabError, match="RBDLAB_MIRROR"):
        for_suite(foreign, "bookworm")


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(LabError, match="bookworm, trixie, forky"):
        for_suite(parse_list(LIST), "jessie")


def test_proxies_and_certificates_are_carried_over() -> None:
    dump = (
        'APT "";\nAcquire::http::Proxy "http://proxy.example:3128";\nAcquire::https::CaInfo "/etc/ca.pem";\n'
        'Acquire::cdrom::mount "/media/cdrom/";\nAcquire::Languages "";\nDPkg::Post-Invoke:: "rm -f x";\n'
    )
    lines = carried_options(dump).splitlines()
    assert lines[:2] == ['Acquire::http::Proxy "http://proxy.example:3128";', 'Acquire::https::CaInfo "/etc/ca.pem";']
    assert not [line for line in lines if "cdrom" in line or "Invoke" in line]
    assert 'Acquire::Check-Valid-Until "false";' in lines
