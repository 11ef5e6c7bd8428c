# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that changes nothing costs the same few module executions, however many images there are."""

from __future__ import annotations

import json

import pytest
from expected import newest_record
from testinfra.host import Host

# One for each step, and one more for ceph.conf, since to copy a file takes two.
MOST = 12


def _executions(host: Host, name: str) -> list[str]:
    """The modules that were executed between two marks in the journal, where each tells that it begins.

    Its program's name there is ``ansible-`` and its own (AnsibleModule.log() in ansible-core).
    """
    # Without --all, what is longer than 4096 bytes is left out.
    lines = host.check_output("journalctl --sync && journalctl --boot --all --output json").splitlines()
    said = [(str(row.get("SYSLOG_IDENTIFIER")), str(row["MESSAGE"])) for row in map(json.loads, lines)]
    counted = said[said.index(("counted", f"{name} begins")) : said.index(("counted", f"{name} ends"))]
    return [program for program, text in counted if program.startswith("ansible-") and text.startswith("Invoked with")]


def test_twenty_images_take_as_many_executions_as_one(host: Host) -> None:
    one, twenty = _executions(host, "one"), _executions(host, "all")
    assert one == twenty
    assert 0 < len(twenty) <= MOST


@pytest.mark.parametrize("playbook", ["count_one", "count_all"])
def test_the_counted_run_changed_nothing(playbook: str) -> None:
    rows = [row for row in newest_record(playbook) if "rbdmap : " in row["task"]]
    assert len(rows) > 10
    assert not [row["task"] for row in rows if row["result"]["changed"]]
