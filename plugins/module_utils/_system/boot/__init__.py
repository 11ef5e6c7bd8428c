# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``rbdmap.service`` runs on a host: modules place these files there as they are, and do not run them."""
