# Copyright (c) 2026, kwdb.ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index answers as a walk of the tree would, and says when it was gone behind."""

from __future__ import annotations

import time
from typing import Any, Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.kwdb.ha.plugins.module_utils import _cib, _declaration, _plan, _tree


def tree() -> ElementTree.Element:
    return ElementTree.fromstring(
        '<top><a id="a"><b id="b"/></a><ref><resource_ref id="c"/></ref><c id="c"/></top>'
    )


def test_what_names_another_is_not_the_other() -> None:
    top = tree()
    outside = _tree.by_id(top, "c")
    with _tree.indexed(top):
        assert _tree.by_id(top, "c") is outside is top[2]


EDITS: list[Callable[[ElementTree.Element], Any]] = [
    lambda top: ElementTree.SubElement(top, "x", {"id": "x"}),
    lambda top: top.remove(top[0]),
    lambda top: top[0].insert(0, ElementTree.Element("x")),
    lambda top: top[2].append(top[0][0]),
]


@pytest.mark.parametrize("edit", EDITS)
def test_edit_behind_its_back_is_noticed(edit: Callable[[ElementTree.Element], Any]) -> None:
    top = tree()
    with pytest.raises(_tree.IndexBroken, match="changed without"), _tree.indexed(top):
        edit(top)
    # Outside, any edit will do.
    edit(top)
    assert not _tree.is_taken(top, "nothing")


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "drop", "move", "wrap"]), st.integers(0, 50), st.integers(0, 50)
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(steps=steps)
def test_index_answers_like_a_walk(steps: list[tuple[str, int, int]]) -> None:
    top = tree()
    with _tree.indexed(top):
        for number, (step, one, other) in enumerate(steps):
            there = list(top.iter())
            child, parent = there[one % len(there)], there[other % len(there)]
            if step == "add":
                _tree.add(parent, "n", {"id": f"n{number}"})
            elif child is not top and parent not in set(child.iter()):
                above = _tree.parent_of(top, child)
                assert above is not None
                _tree.drop(above, child)
                if step == "wrap":
                    around = ElementTree.Element("w", {"id": f"w{number}"})
                    around.append(child)
                    child = around
                if step != "drop":
                    _tree.insert(parent, 0, child)
        parents = {one: above for above in top.iter() for one in above}
        for one_ in top.iter():
            assert _tree.parent_of(top, one_) is parents.get(one_)
        for name in ["a", "b", "c", *(f"n{number}" for number in range(len(steps)))]:
            walked = [
                one_ for one_ in top.iter() if one_.get("id") == name and one_.tag != "resource_ref"
            ]
            assert _tree.by_id(top, name) is (walked[0] if walked else None)


def unchanged(count: int) -> float:
    """Seconds of work for a plan of so many resources and constraints that changes nothing."""
    agent = "ocf:pacemaker:Dummy"
    params = {
        "resources": [
            {"id": f"r{n}", "agent": agent, "options": {"a": n}, "meta": {"b": 1}}
            for n in range(count)
        ],
        "constraints": [
            {"id": f"c{n}", "type": "order", "first": f"r{n - 1}", "then": f"r{n}"}
            for n in range(1, count)
        ],
    }
    declared = _declaration.declaration(params)
    empty = (
        "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"
    )
    whole = _plan.plan(_cib.parse(empty), declared, lambda name: None)
    found = []
    for _try in range(3):
        begin = time.process_time()
        again = _plan.plan(whole, declared, lambda name: None)
        assert _cib.equal(again, whole)
        found.append(time.process_time() - begin)
    return min(found)


def test_plan_grows_with_what_is_declared_and_no_faster() -> None:
    """Ten times as much takes about ten times as long; a walk for each object would be a hundred."""
    small, large = unchanged(60), unchanged(600)
    assert large < 35 * small
