"""A certificate authority for one run, trusted by the processes of that run only."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of a run: what a server shows, and what a client must trust."""

    authority: Path
    """The certificate authority. Give it to clients as ``SSL_CERT_FILE`` or ``connection_verify``."""
    chain: Path
    """The server's certificate for loopback, and what leads up to the authority."""
    key: Path
    """The server's private key."""

    def server_context(self) -> ssl.SSLContext:
        """Give the TLS settings of a server that shows this certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Give the TLS settings of a client that trusts this run's authority, and no other."""
        return ssl.create_default_context(cafile=str(self.authority))


def write_certificate(folder: Path, *more_addresses: str) -> Certificate:
    """Make a new authority and a certificate for ``localhost`` and ``127.0.0.1``; write them into ``folder``.

    ``more_addresses``: by which it is reached as well.

    azure-mgmt sends no bearer token over plain http, and Azurite takes none (docs/azure-facts.md sdk-1), so
    loopback speaks TLS as well. The authority's own key is not kept: nobody can sign with it later.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificate = Certificate(folder / "authority.pem", folder / "server.pem", folder / "server-key.pem")
    authority = trustme.CA(organization_name="Azure on a laptop")
    server = authority.issue_cert("localhost", "127.0.0.1", *more_addresses)
    certificate.key.touch(mode=0o600)
    authority.cert_pem.write_to_path(str(certificate.authority))
    server.private_key_pem.write_to_path(str(certificate.key))
    for position, pem in enumerate(server.cert_chain_pems):
        pem.write_to_path(str(certificate.chain), append=position > 0)
    return certificate
