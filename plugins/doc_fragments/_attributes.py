# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes that all the modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of a module that changes something, and of one that only reads."""

    DOCUMENTATION = r"""
options: {}
attributes:
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description: Runs without changing anything, and predicts every change.
  diff_mode:
    support: full
    description: Returns what has changed, or in check mode what would change.
  platform:
    platforms: Linux
    support: full
    description: The operating systems that the module runs on.
"""

    READ_ONLY = r"""
options: {}
attributes:
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description: Runs without changing anything; it never changes anything.
  diff_mode:
    support: N/A
    description: There is nothing to compare; it never changes anything.
  platform:
    platforms: Linux
    support: full
    description: The operating systems that the module runs on.
"""
