"""TLS in front of the simulated upstream, in a process of its own: what it takes is not the daemon's.

    python benchmarks/tls_front.py --port 9443 --upstream 9100 --directory DIR

Writes its certificate, of localhost, to DIR/ca.pem.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(directory: Path) -> tuple[Path, Path]:
    """The files of a certificate for localhost that lasts a day, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - a certificate is of today
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kept, private = directory / "ca.pem", directory / "key.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*form))
    kept.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return kept, private


async def serve(port: int, upstream: int, directory: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(directory))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        below_reader, below_writer = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(pump(reader, below_writer), pump(below_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=context, backlog=4096)
    await server.serve_forever()


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--port", type=int, required=True)
    a.add_argument("--upstream", type=int, required=True)
    a.add_argument("--directory", type=Path, required=True)
    o = a.parse_args()
    asyncio.run(serve(o.port, o.upstream, o.directory))


if __name__ == "__main__":
    main()
