"""Wishes, comparison and plan of certificates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.kwdb.ha.plugins.module_utils import _certs

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
DAY = timedelta(days=1)
LIFETIMES = _certs.Lifetimes(3660 * DAY, 1830 * DAY, 60 * DAY)
NODE, ROOT = _certs.wanted_certificates(["ha-node01", "192.0.2.11"], ["root"])
GOOD_NODE = _certs.Found(
    common_name="node",
    addresses=("192.0.2.11", "ha-node01"),
    usages=("clientAuth", "serverAuth"),
    not_after=NOW + 1000 * DAY,
    is_authority=False,
    issued_by_authority=True,
    has_key=True,
    key_matches=True,
)
GOOD_ROOT = replace(GOOD_NODE, common_name="root", addresses=(), usages=("clientAuth",))
CA = replace(
    GOOD_NODE, common_name="KWDB CA", addresses=(), usages=(), is_authority=True, key_matches=True
)


def plan(node=GOOD_NODE, root=GOOD_ROOT, authority=CA):
    found = {"node": node, "client.root": root}
    found = {stem: one for stem, one in found.items() if one is not None}
    return _certs.plan([NODE, ROOT], found, authority, NOW, LIFETIMES)


def test_wanted_certificates() -> None:
    assert NODE.addresses == ("192.0.2.11", "ha-node01")
    assert NODE.usages == ("clientAuth", "serverAuth")
    assert _certs.Wanted("client.root", "root") == ROOT
    assert ROOT.usages == ("clientAuth",)
    twice = _certs.wanted_certificates(["HA-node01", "ha-node01.", "::1", "0:0::1"], ["a", "a"])
    assert [one.stem for one in twice] == ["node", "client.a"]
    assert twice[0].addresses == ("::1", "ha-node01")


@pytest.mark.parametrize(
    ("addresses", "word"),
    [
        ([], "cover no host"),
        (["not a name"], "neither"),
        (["-x"], "neither"),
        (["300.1.2.3"], "neither"),
        (["192.0.2"], "neither"),
        (["root"], "database user"),
        (["Node"], "database user"),
    ],
)
def test_check_addresses_refuses(addresses: list[str], word: str) -> None:
    with pytest.raises(_certs.CertsError, match=word):
        _certs.check_addresses(addresses)


def test_users_are_names() -> None:
    with pytest.raises(_certs.CertsError, match="users"):
        _certs.wanted_certificates(["a"], ["../x"])


def test_plan_keeps_what_fits() -> None:
    assert [(step.action, step.reasons) for step in plan()] == [("keep", ()), ("keep", ())]


def test_plan_issues_everything_once() -> None:
    steps = plan(None, None, None)
    assert [step.action for step in steps] == ["create", "create"]
    assert {step.not_after for step in steps} == {NOW + 1830 * DAY}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"addresses": ("ha-node01",)}, "it does not cover 192.0.2.11"),
        ({"addresses": ("192.0.2.11", "ha-node01", "x")}, "it covers x, which is not wanted"),
        ({"common_name": "root"}, "it is for root, not for node"),
        ({"usages": ("clientAuth",)}, "it lacks the usage clientAuth, serverAuth"),
        ({"issued_by_authority": False}, "it was not issued by this CA"),
        ({"has_key": False, "key_matches": False}, "its key is missing"),
        ({"key_matches": False}, "its key belongs to another certificate"),
        ({"not_after": NOW + 59 * DAY}, "it ends on 2027-01-20"),
    ],
)
def test_plan_renews(change: dict[str, object], reason: str) -> None:
    node, root = plan(replace(GOOD_NODE, **change))
    assert (node.action, node.reasons) == ("renew", (reason,))
    assert root.action == "keep"


def test_plan_keeps_until_the_last_day() -> None:
    assert plan(replace(GOOD_NODE, not_after=NOW + 60 * DAY))[0].action == "keep"


def test_plan_closes_a_key_without_a_new_certificate() -> None:
    node = plan(replace(GOOD_NODE, key_is_private=False))[0]
    assert (node.action, node.not_after) == ("protect", GOOD_NODE.not_after)


def test_a_certificate_does_not_outlive_its_ca() -> None:
    short = replace(CA, not_after=NOW + 100 * DAY)
    assert plan(None, authority=short)[0].not_after == NOW + 100 * DAY


@pytest.mark.parametrize(
    ("authority", "word"),
    [
        (replace(CA, is_authority=False), "not the certificate of a CA"),
        (replace(CA, key_matches=False), "does not belong"),
        (replace(CA, not_after=NOW + 59 * DAY), "never replaced"),
        (None, "no ca.crt"),
    ],
)
def test_plan_refuses(authority: _certs.Found | None, word: str) -> None:
    with pytest.raises(_certs.CertsError, match=word):
        plan(authority=authority)


def test_the_cas_key_is_needed_only_to_issue() -> None:
    away = replace(CA, has_key=False, key_matches=False)
    assert [step.action for step in plan(authority=away)] == ["keep", "keep"]
    with pytest.raises(_certs.CertsError, match=r"node must be issued.*ca_key"):
        plan(None, authority=away)


def test_describe() -> None:
    line = _certs.describe("node", "node", ("b", "a"), NOW)
    assert line == "node: CN node, addresses a b, until 2026-11-22\n"
    assert _certs.describe("ca", "KWDB CA", (), NOW) == "ca: CN KWDB CA, until 2026-11-22\n"
