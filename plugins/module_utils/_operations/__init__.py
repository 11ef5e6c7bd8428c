# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module does: read through the ports, plan, apply. One file for each module."""
