"""An address as flags give it."""


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, an IPv6 host in brackets.

    Raises:
        ValueError: it is not written so.
    """
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    sound = bracketed if ":" in host else bool(host)
    if not (sound and port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise ValueError(f"metrics_address is {address!r}; it must be HOST:PORT, such as 0.0.0.0:9464")
    return host.strip("[]"), int(port)
