"""A time-stamp authority of our own: `openssl ts` with a root made on the spot, answering over loopback."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIGURATION = """[tsa]
default_tsa = own
[own]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""


class Authority:
    """An authority in a folder; `ca` is the root to trust."""

    def __init__(self, folder: Path, *, name: str = "Time of the test", purpose: str = "critical,timeStamping") -> None:
        self.folder, self.ca = folder, folder / "ca.pem"
        folder.mkdir(parents=True)
        extensions = f"extendedKeyUsage={purpose}\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        (folder / "extensions").write_text(extensions)
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl(
            "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", f"/CN=Root of {name}"
        )
        self._openssl("req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name}")
        sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"]
        self._openssl("x509", "-req", "-in", "tsa.csr", *sign, "-out", "tsa.pem", "-days", "3650")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def answer(self, query: bytes) -> bytes:
        """The RFC 3161 response to a query."""
        (self.folder / "query.tsq").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "answer.tsr")
        return (self.folder / "answer.tsr").read_bytes()


class Served:
    """An authority behind HTTP on a free port of the loopback, while the block lasts."""

    def __init__(self, authority: Authority, *, status: int = 200, body: bytes | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                data = authority.answer(query) if body is None else body
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tsr"

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
