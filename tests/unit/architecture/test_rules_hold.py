# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of CONTRIBUTING.md that are about the source itself hold in this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.tests.unit.architecture import budgets, metadata, promises, purity

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "rule",
    [
        purity.impure_files,
        budgets.long_files,
        budgets.long_functions,
        budgets.long_wiring,
        budgets.dropped_exceptions,
        budgets.unexplained_suppressions,
        budgets.changed_by_hand,
        metadata.files_without_header,
        metadata.public_module_utils,
        metadata.action_group_differences,
        metadata.wrong_requires_ansible,
        metadata.molecule_prerun,
        metadata.role_default_differences,
        promises.promises_without_test,
    ],
)
def test_rule_holds(rule: Callable[[Path], list[str]]) -> None:
    violations = rule(ROOT)
    assert not violations, "\n" + "\n".join(violations)
