# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks there are, in which tier each is, and what each of them runs (pure)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

TEST, REST = "test", "rest"
# In place of a check to begin with: all that have not passed.
FAILED = "failed"

INTEGRATION = "tests/integration"
# At least one file for each module that librbd serves, chosen by their cost: they are what a newcomer waits for.
INTEGRATION_SHORT = (
    f"{INTEGRATION}/test_rbd_image_basics.py",
    f"{INTEGRATION}/test_rbd_snapshot.py",
    f"{INTEGRATION}/test_rbd_info_basics.py",
    f"{INTEGRATION}/test_rbd_namespace.py",
    f"{INTEGRATION}/test_rbd_pool_basics.py",
    f"{INTEGRATION}/test_rbd_pool_permission.py",
    f"{INTEGRATION}/test_rbd_user_basics.py",
)
# Every failure of a system call, and the order of the writes; what takes minutes is to be killed at each of them.
DURABILITY = "tests/durability"
DURABILITY_SHORT = (f"{DURABILITY}/test_failures.py", f"{DURABILITY}/test_order.py")

# These run once for each Python that is found.
SANITY_OF_EACH_PYTHON = ("compile", "import")


class RefusedError(Exception):
    """The checks cannot be run as they were asked for."""


@dataclass(frozen=True)
class Check:
    """One part of the proof: a session of nox with its arguments."""

    name: str
    tier: str
    session: str
    arguments: tuple[str, ...] = ()
    #: The name (RBDLAB_NAME) of the laboratory that it starts; empty where it has none.
    laboratory: str = ""
    #: What runs its guests (RBDLAB_ACCEL).
    accelerator: str = ""

    @property
    def has_tests(self) -> bool:
        """Whether it is a run of pytest alone, which has to run tests."""
        return self.session in ("unit", "integration", "durability")


def _all_but(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"--ignore={path}" for path in paths)


def _scenario(name: str, tier: str, accelerator: str = "auto") -> Check:
    return Check(name, tier, "molecule", ("--scenario-name", name), name, accelerator)


# In the order in which they begin: of each tier the longest first, since what begins last decides when all is done.
CHECKS = (
    _scenario("default", TEST),
    Check("lint", TEST, "lint"),
    Check("types", TEST, "types"),
    Check("docs", TEST, "docs"),
    Check("unit", TEST, "unit"),
    Check("integration_short", TEST, "integration", INTEGRATION_SHORT),
    Check("durability_short", TEST, "durability", DURABILITY_SHORT),
    Check("sanity", TEST, "sanity", tuple(f"--skip-test={name}" for name in SANITY_OF_EACH_PYTHON)),
    _scenario("boot", REST),
    _scenario("encryption", REST),
    # Neither the kernel of the suite nor a watch over what is started is a part of what these show.
    _scenario("faults", REST, accelerator="fast"),
    _scenario("many", REST),
    Check("integration", REST, "integration", _all_but(INTEGRATION_SHORT)),
    Check("durability", REST, "durability", _all_but(DURABILITY_SHORT)),
    _scenario("refusals", REST, accelerator="fast"),
    Check("lint_scenarios", REST, "lint_scenarios"),
    Check("sanity_pythons", REST, "sanity", tuple(f"--test={name}" for name in SANITY_OF_EACH_PYTHON)),
)


def chosen(
    tiers: Sequence[str], first: str = "", only: Sequence[str] = (), passed: Collection[str] = ()
) -> list[Check]:
    """Return the checks of these tiers, from ``first`` on, or only those named.

    :param first: a check, a tier, or :data:`FAILED` for all but those that have passed.
    :param passed: the names of those that have.
    :raises RefusedError: a name is none of theirs, or there is nothing to run
    """
    checks = [check for check in CHECKS if check.tier in tiers]
    names = [check.name for check in checks]
    unknown = [name for name in only if name not in names]
    unknown += [first] if first not in {"", FAILED, *names, *tiers} else []
    if unknown:
        raise RefusedError(f"Cannot run {unknown[0]}: the checks are {', '.join(names)}. Name one of these.")
    if first == FAILED:
        checks = [check for check in checks if check.name not in passed]
    elif first:
        begin = next(number for number, check in enumerate(checks) if first in {check.name, check.tier})
        checks = checks[begin:]
    found = [check for check in checks if not only or check.name in only]
    if not found:
        none = "all have passed" if first == FAILED else f"none of {', '.join(only)} is among those from {first} on"
        raise RefusedError(f"Cannot run a check: {none}. Leave that out to run all of them.")
    return found
