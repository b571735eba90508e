# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module pcs_constraint when it has something to do."""

from __future__ import annotations

from ansible_collections.kwdb.ha.plugins.module_utils import _cluster_module
from ansible_collections.kwdb.ha.plugins.plugin_utils._cluster_action import ClusterAction


class ActionModule(ClusterAction):
    """The action behind tasks of pcs_constraint."""

    spec = _cluster_module.CONSTRAINT_OPTIONS
    declared = staticmethod(_cluster_module.declared_constraint)
