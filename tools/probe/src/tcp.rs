//! What TCP counts on a socket.

use std::net::TcpStream;

/// Packets that carried data, those sent again among them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Packets {
    pub sent: u32,
    pub received: u32,
}

/// Since the socket is connected. None: this system does not say.
#[cfg(target_os = "linux")]
pub fn packets(stream: &TcpStream) -> Option<Packets> {
    use std::mem::{MaybeUninit, offset_of, size_of};
    use std::os::fd::AsRawFd as _;

    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, of integers, and says how many.
    let info = unsafe {
        let done = libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut length,
        );
        if done != 0 {
            return None;
        }
        info.assume_init()
    };
    // A kernel before 4.6 does not count them.
    let end = offset_of!(libc::tcp_info, tcpi_data_segs_out) + size_of::<u32>();
    (length as usize >= end).then_some(Packets {
        sent: info.tcpi_data_segs_out,
        received: info.tcpi_data_segs_in,
    })
}

#[cfg(not(target_os = "linux"))]
pub fn packets(_: &TcpStream) -> Option<Packets> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn each_write_without_nagle_is_a_packet() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        assert_eq!(packets(&client), Some(Packets::default()));
        for _ in 0..3 {
            client.write_all(b"a").unwrap();
            server.read_exact(&mut [0]).unwrap();
        }
        server.write_all(b"b").unwrap();
        client.read_exact(&mut [0]).unwrap();
        let (sent, received) = (3, 1);
        assert_eq!(packets(&client), Some(Packets { sent, received }));
    }
}
