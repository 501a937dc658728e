"""The hosts that a request may name: those of this machine, as long as nothing else reaches the server.

A page in a browser may be of a site whose name leads to this machine by the time it asks (DNS rebinding). The browser
takes that for a request to the site itself, but names the site as its host.
"""

from ipaddress import ip_address


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine reach an IP address; no other text is one."""
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_of_this_machine(host: str, own: str) -> bool:
    """Whether the header `Host` of a request names this machine, or `own`, the host that the server was given."""
    name, colon, port = host.strip().rpartition(":")
    if not colon or not port.isdecimal():
        name = host.strip()
    name = name.removeprefix("[").removesuffix("]").removesuffix(".").lower()
    return name in ("localhost", own.lower()) or is_loopback(name)
