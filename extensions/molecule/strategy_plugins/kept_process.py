# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the modules of a play in one process that stays on each host, with Mitogen.

In an emulated guest, a task costs seconds of a processor to start Python and to import what Ansible sends, and what the
module does, mostly, tenths of one. A process that stays has imported it.
"""

from __future__ import annotations

import ansible_mitogen.affinity
import ansible_mitogen.strategy
from ansible.plugins.strategy.linear import StrategyModule as Linear

DOCUMENTATION = r"""
name: kept_process
short_description: Run modules in a process that stays on each host
description:
  - As the strategy C(linear), with the connections and the processes of Mitogen.
"""

# Mitogen ties each of its processes to one processor, and with them what they start: here, the guests.
ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, Linear):  # type: ignore[misc]  # Mitogen has no types
    """Mitogen's additions to ``linear``, as its own ``mitogen_linear`` puts them together."""
