# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ceph cluster on 127.0.0.1, and the collection's modules run against it."""
