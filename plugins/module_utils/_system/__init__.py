# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only room with I/O: one narrow port and one real adapter for each part of the system."""
