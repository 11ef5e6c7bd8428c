# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own Debian mirror, read from its apt configuration (pure)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import LabError

#: Suites the laboratory knows, and whether they have -updates and -security suites.
SUITES = {"bookworm": True, "trixie": True, "forky": False}

_DEBIAN = r"buster|bullseye|bookworm|trixie|forky|duke|sid|stable|testing|unstable|oldstable"
_SUITE = re.compile(rf"^(?P<codename>{_DEBIAN})(?P<kind>-updates|-security|/updates)?(?:/updates)?/?$")
_ACQUIRE = re.compile(
    r"^(?:Acquire::(?:https?|ftp|Retries|Check-|Force|Queue|Allow|PDiffs|Languages|By-Hash|Max-)"
    r"|APT::Get::AllowUnauthenticated)"
)


@dataclass(frozen=True)
class Source:
    """One suite of one archive, as apt knows it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def line(self) -> str:
        """Return the one-line form."""
        options = [f"signed-by={self.signed_by}"] if self.signed_by else []
        options += ["trusted=yes"] if self.trusted else []
        words = ["deb", *([f"[{' '.join(options)}]"] if options else []), self.uri, self.suite]
        return " ".join([*words, *self.components])


def parse_list(text: str) -> list[Source]:
    """Parse a one-line-style ``sources.list``."""
    pattern = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>[^#]*)")
    matches = (pattern.match(line.strip()) for line in text.splitlines())
    sources = []
    for match in matches:
        if match is None:
            continue
        options = dict(item.partition("=")[::2] for item in shlex.split(match["options"] or ""))
        sources.append(
            Source(
                match["uri"],
                match["suite"],
                tuple(match["rest"].split()),
                _key_path(options.get("signed-by", "")),
                options.get("trusted", "") == "yes",
            )
        )
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Parse a deb822-style ``.sources`` file."""
    sources = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        components = tuple(fields.get("components", "").split())
        key = _key_path(fields.get("signed-by", ""))
        trusted = fields.get("trusted", "").lower() == "yes"
        sources += [
            Source(uri, suite, components, key, trusted)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return sources


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in " \t" and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, _colon, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _key_path(value: str) -> str:
    """Keep a keyring's path; an embedded key or a fingerprint is left to apt's own trust."""
    return value if value.startswith("/") and "\n" not in value else ""


def for_suite(sources: Iterable[Source], suite: str) -> list[Source]:
    """Return the sources of ``suite``: main always, -updates and -security where the machine has them."""
    if suite not in SUITES:
        raise LabError(f"Cannot use the suite {suite}: it is not one of {', '.join(SUITES)}. Name one of these.")
    chosen: dict[str, Source] = {}
    for source in sources:
        match = _SUITE.match(source.suite)
        if match is None or not source.uri.startswith(("http:", "https:", "ftp:")):
            continue
        kind = {"/updates": "-security"}.get(match["kind"] or "", match["kind"] or "")
        if kind and not SUITES[suite]:
            continue
        chosen.setdefault(kind, Source(source.uri, suite + kind, ("main",), source.signed_by, source.trusted))
    if "" not in chosen:
        raise LabError(
            "Cannot find a Debian mirror: the machine's apt configuration has no Debian entry. "
            "Set RBDLAB_MIRROR to the URL of a Debian archive."
        )
    return [chosen[kind] for kind in sorted(chosen)]


def carried_options(dump: str) -> str:
    """Pick from ``apt-config dump`` what is needed to reach the mirror: proxies, certificates, dates."""
    lines = [line for line in dump.splitlines() if _ACQUIRE.match(line) and not line.endswith('"";')]
    lines += ['Dir::Etc::netrc "/etc/apt/auth.conf";', 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";']
    lines += ['Acquire::Languages "none";', 'Acquire::Check-Valid-Until "false";']
    return "\n".join(lines) + "\n"
