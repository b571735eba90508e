"""What a host says, from the files and tools that say it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kwdb.ha.plugins.module_utils import _kwdb_host

FIXTURES = Path(__file__).parents[2] / "fixtures"


def networks() -> list[_kwdb_host.Network]:
    """The networks of a captured host."""
    text = (FIXTURES / "iproute2-6.1/address-show.json").read_text()
    return _kwdb_host.networks_of(text)


def test_networks_of() -> None:
    shown = [(one.interface, str(one.network), one.answers_arp) for one in networks()]
    assert shown == [
        ("lo", "127.0.0.0/8", False),
        ("eth1", "198.51.100.0/26", True),
        ("eth0", "192.0.2.0/24", True),
        ("eth0", "192.0.2.0/24", True),
    ]
    assert _kwdb_host.networks_of("") == []


def test_network_of() -> None:
    own = _kwdb_host.network_of("192.0.2.100", networks())
    assert own is not None and (own.mac, own.prefix) == ("52:54:00:00:00:01", 24)
    assert _kwdb_host.network_of("192.0.2.99", networks()) is None


def test_listening_inodes() -> None:
    text = (FIXTURES / "linux-6.18/proc-net-tcp.txt").read_text()
    assert _kwdb_host.listening_inodes(text) == {26257: 516537}
    text = (FIXTURES / "linux-6.18/proc-net-tcp6.txt").read_text()
    assert _kwdb_host.listening_inodes(text) == {8080: 516538}
    assert _kwdb_host.listening_inodes("") == {}


def test_unit_of() -> None:
    assert _kwdb_host.unit_of("0::/system.slice/kaiwudb.service\n") == "kaiwudb.service"
    text = "9:name=systemd:/system.slice/ssh.service\n8:pids:/\n0::/\n"
    assert _kwdb_host.unit_of(text) == "ssh.service"
    assert _kwdb_host.unit_of("0::/user.slice/session-1.scope\n") == "session-1.scope"
    assert _kwdb_host.unit_of("0::/\n") == ""


def test_properties_of() -> None:
    text = "ActiveState=active\nExecStart={ path=/x ; argv[]=a=b }\nUnitFileState=\n"
    found = _kwdb_host.properties_of(text)
    assert found["ActiveState"] == "active" and found["UnitFileState"] == ""
    assert found["ExecStart"] == "{ path=/x ; argv[]=a=b }"


MOUNTS = """\
25 30 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
90 30 147:3 / /var/lib/kaiwudb rw,noatime shared:5 - ext4 /dev/drbd3 rw
91 30 8:1 / /srv/a\\040b rw - xfs /dev/sda1 rw
"""


def test_mount_of() -> None:
    found = _kwdb_host.mount_of(MOUNTS, "/var/lib/kaiwudb")
    assert found == {"fstype": "ext4", "source": "/dev/drbd3"}
    assert _kwdb_host.mount_of(MOUNTS, "/var/lib") is None
    assert _kwdb_host.mount_of(MOUNTS, "/srv/a b") == {"fstype": "xfs", "source": "/dev/sda1"}
    over = MOUNTS + "92 90 0:9 / /var/lib/kaiwudb rw - tmpfs tmpfs rw\n"
    assert _kwdb_host.mount_of(over, "/var/lib/kaiwudb") == {"fstype": "tmpfs", "source": "tmpfs"}


def test_arp_request_claims_no_address() -> None:
    frame = _kwdb_host.arp_request("52:54:00:00:00:01", "192.0.2.100")
    assert frame[:6] == b"\xff" * 6 and len(frame) == 42
    assert frame[28:32] == b"\0" * 4
    assert frame[38:42] == bytes([192, 0, 2, 100])
    assert _kwdb_host.arp_sender(frame, "192.0.2.100") == ""  # a question is no answer


def test_arp_sender() -> None:
    request = bytearray(_kwdb_host.arp_request("52:54:00:00:00:02", "192.0.2.11"))
    request[20:22] = (2).to_bytes(2, "big")
    request[28:32] = bytes([192, 0, 2, 100])
    answer = bytes(request)
    assert _kwdb_host.arp_sender(answer, "192.0.2.100") == "52:54:00:00:00:02"
    assert _kwdb_host.arp_sender(answer, "192.0.2.101") == ""
    assert _kwdb_host.arp_sender(answer[:41], "192.0.2.100") == ""
