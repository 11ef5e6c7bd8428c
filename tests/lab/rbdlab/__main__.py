# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m rbdlab``: what the program ``lab`` beside this package starts."""

import sys

from .cli import main

sys.exit(main())
