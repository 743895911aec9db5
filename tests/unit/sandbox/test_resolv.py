from mkbuild.sandbox import resolv


def test_hosts() -> None:
    assert resolv.hosts((("db", "10.0.0.1"), ("v6", "::2")), "box") == (
        b"127.0.0.1\tlocalhost box\n"
        b"::1\tlocalhost ip6-localhost ip6-loopback\n"
        b"10.0.0.1\tdb\n"
        b"::2\tv6\n"
    )


def test_host_network_keeps_every_server() -> None:
    text = "# comment\nnameserver 127.0.0.53\noptions edns0\n; other\nsearch example.org\n"
    expected = b"nameserver 127.0.0.53\noptions edns0\nsearch example.org\n"
    assert resolv.resolv_conf(text, own_network=False) == expected


def test_own_network_loses_loopback_servers() -> None:
    text = "nameserver 127.0.0.1\nnameserver ::1\nnameserver fe80::1%lo\nnameserver 10.1.1.1\n"
    expected = b"nameserver fe80::1%lo\nnameserver 10.1.1.1\n"
    assert resolv.resolv_conf(text, own_network=True) == expected


def test_defaults_where_no_server_is_left() -> None:
    defaults = b"nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    assert resolv.resolv_conf("", own_network=False) == defaults
    text = "search a\nnameserver 127.0.0.11\n"
    assert resolv.resolv_conf(text, own_network=True) == b"search a\n" + defaults
