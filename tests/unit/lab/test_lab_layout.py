"""Names, addresses and what others are told about them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from labkit import hosts, inventory, layout


def make_lab(count: int = 2, run_dir: str = "/srv/x") -> layout.Lab:
    return layout.Lab(
        run_dir=run_dir,
        release="bookworm",
        image="bare",
        memory=1024,
        disk=512,
        extra_disk=64,
        kernel="7.2.7",
        kernel_dir="/cache/kernel",
        kernel_options=["seccomp=auto"],
        hosts=layout.make_hosts(count, [0, 1]),
    )


def test_make_hosts() -> None:
    one, two, three = layout.make_hosts(3, [4, 6])
    assert (one.name, one.address, one.replication_address) == (
        "ha-node01",
        "10.77.1.11",
        "10.77.2.11",
    )
    assert [host.core for host in (one, two, three)] == [4, 6, 4]
    assert two.bmc_port == 9002
    assert not set(one.taps + one.macs) & set(two.taps + two.macs)


@pytest.mark.parametrize("count", [0, 81])
def test_make_hosts_refuses(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 80"):
        layout.make_hosts(count, [0])


def test_addresses_stay_apart() -> None:
    many = layout.make_hosts(80, [0])
    used = {host.address for host in many}
    assert len(used) == 80
    assert not used & {layout.OUTSIDE, layout.VIP}


def test_names_differ_by_run_dir() -> None:
    first, second = Path("/srv/a"), Path("/srv/b")
    assert layout.namespace(first) != layout.namespace(second)
    # A network device or a socket path of the lab must stay short.
    assert len(f"{layout.state_dir(first)}/s-{layout.VIP}-root.{'x' * 17}") < 108


def test_json_round_trip() -> None:
    assert layout.from_json(layout.to_json(make_lab())) == make_lab()


def test_unknown_host_is_named() -> None:
    with pytest.raises(KeyError, match=r"no host db9 .* ha-node01, ha-node02"):
        make_lab().host("db9")


def test_inventory_is_yaml_for_ansible() -> None:
    passwords = {"ha-node01": "s1: '#", "ha-node02": "0123"}
    values = inventory.values(make_lab(), passwords)
    assert yaml.safe_load(inventory.to_yaml(values)) == values
    group = values["all"]["children"]["kwdb_pair"]
    assert group["vars"]["pair_vip"] == "10.77.1.100"
    second = group["hosts"]["ha-node02"]
    assert second["pair_fence_options"]["ipport"] == 9002
    assert second["pair_fence_options"]["password"] == "0123"
    assert "0123" not in inventory.ssh_config(make_lab())


def test_command_names_disks_and_core() -> None:
    lab = make_lab()
    words = hosts.command(lab, lab.hosts[1])
    assert words[:3] == ["taskset", "--cpu-list", "1"]
    assert "ubd1=/srv/x/hosts/ha-node02/data.img,,lab-data" in words
    assert "ubd2=/srv/x/hosts/ha-node02/extra.img,,lab-extra" in words
    assert words[-1] == "seccomp=auto"
