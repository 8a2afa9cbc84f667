"""`ftplib`'s client for servers that want data connections to resume.

vsftpd (``require_ssl_reuse``, its default), FileZilla Server and ProFTPD refuse a data connection
that does not resume the session of its control connection, since that shows that both are one
client's. Change the import and they serve::

    from tsc.ftp import FTP_TLS
"""

from __future__ import annotations

import ftplib
import itertools
import ssl
from typing import Any

from tsc.attach import attach
from tsc.attached import maker, of
from tsc.connection import SSLSocket
from tsc.endpoint import endpoint

_numbers = itertools.count(1)


class FTP_TLS(ftplib.FTP_TLS):
    """`ftplib.FTP_TLS` whose data connections resume its control connection's session.

    Its parameters are the same, and context is attached when it is first used, if it was not
    before. No two clients share a session, so each begins with a full handshake.
    """

    _tsc_name = ""

    def auth(self) -> str:
        """See `ftplib.FTP_TLS.auth`."""
        if of(maker(self.context)) is None:
            attach(self.context)
        self._tsc_name = f"ftp {next(_numbers)}"
        with endpoint(self._tsc_name, 0):
            return super().auth()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        """See `ftplib.FTP_TLS.ntransfercmd`."""
        with endpoint(self._tsc_name, 0):
            connection, size = super().ntransfercmd(cmd, rest)
        # Nothing comes from the server while a file goes there.
        if isinstance(connection, SSLSocket) and isinstance(connection, ssl.SSLSocket):
            connection.tsc_established()
        return connection, size
