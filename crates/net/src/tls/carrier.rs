//! What carries a connection: a stream as it is, or TLS over one.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use super::stream::TlsStream;
use crate::stream::{Edges, Socket, Stream};

/// A stream as it is, or with TLS.
pub enum Carrier<S: Stream> {
    /// As it is.
    Plain(S),
    /// With TLS.
    Tls(Box<TlsStream<S>>),
}

impl Carrier<Socket> {
    /// Takes notice of what the kernel said.
    pub fn note(&mut self, edges: Edges) {
        match self {
            Carrier::Plain(socket) => socket.note(edges),
            Carrier::Tls(tls) => tls.carrier().note(edges),
        }
    }
}

impl<S: Stream> Stream for Carrier<S> {
    fn may_read(&self) -> bool {
        match self {
            Carrier::Plain(stream) => stream.may_read(),
            Carrier::Tls(tls) => tls.may_read(),
        }
    }

    fn may_write(&self) -> bool {
        match self {
            Carrier::Plain(stream) => stream.may_write(),
            Carrier::Tls(tls) => tls.may_write(),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Carrier::Plain(stream) => stream.poll_read(cx, into),
            Carrier::Tls(tls) => tls.poll_read(cx, into),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Carrier::Plain(stream) => stream.poll_write(cx, chunks),
            Carrier::Tls(tls) => tls.poll_write(cx, chunks),
        }
    }
}
