//! What a connection asks of its carrier: bytes that have come, room for bytes to go, neither ever waited for.
//!
//! A [`Socket`] belongs to an event loop that tells it what the kernel says; everything of tokio's that reads and writes is a
//! [`Stream`] as well, and so is TLS over one of them (`tls/`).

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream that is polled.
pub trait Stream {
    /// False if a read would wait: it need not be tried, somebody will say when it is worth while.
    fn may_read(&self) -> bool;

    /// False if a write would wait.
    fn may_write(&self) -> bool;

    /// Reads once, at most what `into` holds, and says how much; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes once what is taken at once of these chunks, and says how much. Whoever has to wait writes the same bytes again.
    fn poll_write(&mut self, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {
    fn may_read(&self) -> bool {
        true
    }

    fn may_write(&self) -> bool {
        true
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        Pin::new(self).poll_read(cx, &mut into).map_ok(|()| into.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match chunks {
            [only] => Pin::new(self).poll_write(cx, only),
            several => Pin::new(self).poll_write_vectored(cx, several),
        }
    }
}

/// A TCP connection in an event loop that hears of edges: an edge is noted, and remembered until the kernel has nothing left.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// The other side sends no more, or the connection is broken: no further edge will tell of it.
    ended: bool,
}

/// What the kernel said of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edges {
    /// Bytes, or the end, may have come.
    pub readable: bool,
    /// There may be room.
    pub writable: bool,
    /// Nothing comes any more.
    pub ended: bool,
}

impl Socket {
    /// Wraps an accepted connection; switches Nagle's algorithm off, as Kafka does. Until told otherwise there is room to write.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, readable: false, writable: true, ended: false })
    }

    /// Takes notice; the connection is polled afterwards.
    pub fn note(&mut self, edges: Edges) {
        self.ended |= edges.ended;
        self.readable |= edges.readable | edges.ended;
        self.writable |= edges.writable | edges.ended;
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Stream for Socket {
    fn may_read(&self) -> bool {
        self.readable
    }

    fn may_write(&self) -> bool {
        self.writable
    }

    fn poll_read(&mut self, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.readable {
            return Poll::Pending;
        }
        loop {
            match rustix::io::read(&self.stream, &mut *into) {
                Ok(read) => {
                    // What did not fill its room has emptied the socket: the next byte is an edge.
                    self.readable = read == into.len() || self.ended;
                    return Poll::Ready(Ok(read));
                }
                Err(Errno::AGAIN) => {
                    self.readable = false;
                    return Poll::Pending;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.writable {
            return Poll::Pending;
        }
        loop {
            let written = match chunks {
                [only] => rustix::net::send(&self.stream, only, SendFlags::NOSIGNAL),
                // The process ignores SIGPIPE, as every Rust program does.
                several => rustix::io::writev(&self.stream, several),
            };
            match written {
                Err(Errno::AGAIN) => {
                    self.writable = self.ended;
                    return Poll::Pending;
                }
                Err(Errno::INTR) => {}
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::task::Waker;

    const READABLE: Edges = Edges { readable: true, writable: false, ended: false };

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(listener.accept().unwrap().0).unwrap(), there)
    }

    #[test]
    fn an_edge_is_remembered_until_the_socket_is_empty() {
        let (mut socket, mut there) = pair();
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0; 4];
        there.write_all(b"123456").unwrap();
        assert!(socket.poll_read(&mut cx, &mut room).is_pending());
        socket.note(READABLE);
        assert!(matches!(socket.poll_read(&mut cx, &mut room), Poll::Ready(Ok(4))));
        assert!(matches!(socket.poll_read(&mut cx, &mut room), Poll::Ready(Ok(2))));
        assert!(socket.poll_read(&mut cx, &mut room).is_pending());
        // The end is told once, together with the last bytes, and heard after them.
        there.write_all(b"7").unwrap();
        drop(there);
        socket.note(Edges { ended: true, ..READABLE });
        assert!(matches!(socket.poll_read(&mut cx, &mut room), Poll::Ready(Ok(1))));
        assert!(matches!(socket.poll_read(&mut cx, &mut room), Poll::Ready(Ok(0))));
    }

    #[test]
    fn a_full_socket_waits_for_its_edge() {
        let (mut socket, mut there) = pair();
        let mut cx = Context::from_waker(Waker::noop());
        let bytes = vec![7; 64 * 1024];
        let mut sent = 0;
        while let Poll::Ready(written) = socket.poll_write(&mut cx, &[IoSlice::new(&bytes)]) {
            sent += written.unwrap();
        }
        let mut got = vec![0; sent];
        there.read_exact(&mut got).unwrap();
        assert!(socket.poll_write(&mut cx, &[IoSlice::new(&bytes)]).is_pending());
        socket.note(Edges { readable: false, writable: true, ended: false });
        let halves = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        assert!(matches!(socket.poll_write(&mut cx, &halves), Poll::Ready(Ok(3))));
    }
}
