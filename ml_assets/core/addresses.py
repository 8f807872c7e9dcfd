"""Addresses of machines."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether an address, or the name "localhost", is reachable from this machine alone.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
        [True, True, True, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
