# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let these tests import the program that looks for keys, wherever pytest is started."""

from __future__ import annotations

import sys
from pathlib import Path

CANARY = str(Path(__file__).resolve().parents[2] / "canary")
if CANARY not in sys.path:
    sys.path.insert(0, CANARY)
