use super::extensible;
use super::guard::StatusResult;
use super::slice::bytes_up_to;
use super::tsc_status::{TSC_INVALID_ARGUMENT, TSC_UNSUPPORTED};
use crate::endpoint::{Endpoint, MAX_NAME};

/// The longest host, server name, group, verification and identity, in bytes.
pub const TSC_MAX_NAME: usize = 255;

/// tsc_endpoint.flags: the client may show a certificate of its own on this connection, so that its sessions are
/// not shared with other processes (TSC_SHARE) unless the config has TSC_CONFIG_SHARE_CLIENT_CERTIFICATE.
/// tsc_openssl.h sets it.
pub const TSC_ENDPOINT_CLIENT_CERTIFICATE: u32 = 1;

/// The server that a session is for. Host and server name are compared ignoring ASCII case, the group byte by
/// byte.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tsc_endpoint {
    /// The host that the driver dials, a name or an address, not NUL-terminated. Required.
    pub host: *const u8,
    /// Its length, 1 to TSC_MAX_NAME.
    pub host_len: usize,
    /// The name that the server's certificate is checked against (SNI), or (NULL, 0) for the host.
    pub server_name: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub server_name_len: usize,
    /// A label that replaces host and port: endpoints with the same group and server name
    /// share sessions on purpose, as two ports of one node may. (NULL, 0) for none, which is right
    /// unless the servers are known to share their ticket keys.
    pub group: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub group_len: usize,
    /// The port, 1 to 65535; 0 where there is none, as for a Unix socket.
    pub port: u32,
    /// 0, or TSC_ENDPOINT_CLIENT_CERTIFICATE.
    pub flags: u32,
    /// Whatever else decides, on this connection alone, whom it trusts and which identity it uses (further names
    /// to verify, flags, a client certificate), as bytes: a digest will do. A session is offered only to
    /// connections with the same bytes. (NULL, 0): what the config says. tsc_openssl.h fills it in.
    pub verification: *const u8,
    /// Its length, at most TSC_MAX_NAME.
    pub verification_len: usize,
}

/// The endpoint that the caller describes, lent for the call.
pub(super) unsafe fn read<'a>(
    endpoint: *const tsc_endpoint,
    size: usize,
) -> StatusResult<Endpoint<'a>> {
    let given = extensible::read(endpoint, size)?;
    if given.flags & !TSC_ENDPOINT_CLIENT_CERTIFICATE != 0 {
        return Err(TSC_UNSUPPORTED);
    }
    let name = |name, len| bytes_up_to(name, len, TSC_MAX_NAME);
    Ok(Endpoint {
        host: name(given.host, given.host_len)?,
        port: given.port.try_into().map_err(|_| TSC_INVALID_ARGUMENT)?,
        server_name: name(given.server_name, given.server_name_len)?,
        group: name(given.group, given.group_len)?,
        verification: name(given.verification, given.verification_len)?,
        client_certificate: given.flags & TSC_ENDPOINT_CLIENT_CERTIFICATE != 0,
    })
}

const _: () = assert!(TSC_MAX_NAME == MAX_NAME);
