//! One question by HTTP/1.1, and its answer (RFC 9112): how keys and tokens of an OAuth issuer are fetched and schema registries are asked. Owns URLs, the text of the question,
//! the bounds of the answer and one deadline for all of it. Blocks its thread. Follows no redirection, so that nobody is asked but whom the
//! URL names; keeps no connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::tls::ClientTls;

/// Status line and headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Sets of keys are some kilobytes, tokens too.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Taken from the socket at once.
const READ_BYTES: usize = 8 * 1024;

/// Where a question goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_tls: bool,
    host: String,
    port: u16,
    /// With its query.
    path: String,
}

impl fmt::Debug for Url {
    /// A query may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Url {
    /// Of `http://` or `https://`; the error says what is wrong. Names and passwords before the host are none of it.
    pub fn parse(text: &str) -> Result<Url, String> {
        let (is_tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("the URL begins neither with http:// nor with https://".to_owned()),
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the URL has characters that are to be escaped".to_owned());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("{port:?} is no port"))?)
            }
            Some(_) | None => (authority, if is_tls { 443 } else { 80 }),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || bare.contains(['@', '[', ']']) {
            return Err("the URL has no host, or more than that".to_owned());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { is_tls, host: bare.to_owned(), port, path })
    }

    /// The same server, asked for something below the path of this one; what stands here must be escaped already.
    pub fn below(&self, path: &str) -> Url {
        let own = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        Url { path: format!("{own}{path}"), ..self.clone() }
    }

    /// It asks for TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// What is asked.
pub struct Question<'a> {
    /// Sent as POST, if there is one, of the type that forms have.
    pub form: Option<&'a str>,
    /// `Authorization`, if it is needed.
    pub authorization: Option<&'a str>,
    /// For all of it: names, connection, question and answer.
    pub timeout: Duration,
}

/// Any request.
pub struct Request<'a> {
    /// GET, POST, PUT, DELETE.
    pub method: &'a str,
    /// Its type and itself, if it has one.
    pub body: Option<(&'a str, &'a str)>,
    /// The type of answer that is wanted.
    pub accept: &'a str,
    /// `Authorization`, if it is needed.
    pub authorization: Option<&'a str>,
    /// For all of it: names, connection, question and answer.
    pub timeout: Duration,
    /// Longer answers are refused.
    pub answer_bytes_max: usize,
}

/// What was answered, whatever it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// 100 to 999.
    pub status: u16,
    /// Whole.
    pub body: Vec<u8>,
}

/// The body of the answer, if its status is 200. `tls`: where the URL asks for it. The error is a sentence.
pub fn ask(url: &Url, tls: Option<&ClientTls>, question: &Question<'_>) -> Result<Vec<u8>, String> {
    let request = Request {
        method: if question.form.is_some() { "POST" } else { "GET" },
        body: question.form.map(|form| ("application/x-www-form-urlencoded", form)),
        accept: "application/json",
        authorization: question.authorization,
        timeout: question.timeout,
        answer_bytes_max: BODY_BYTES_MAX,
    };
    match send(url, tls, &request)? {
        Reply { status: 200, body } => Ok(body),
        Reply { status, .. } => Err(format!("{url:?}: it answers {status}")),
    }
}

/// Sends a request and reads its answer to the end. `tls`: where the URL asks for it. The error is a sentence.
pub fn send(url: &Url, tls: Option<&ClientTls>, question: &Request<'_>) -> Result<Reply, String> {
    let deadline = Instant::now() + question.timeout;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("{url:?} does not answer within {} s", question.timeout.as_secs())
        }
        _ => format!("{url:?}: {error}"),
    };
    let socket = connect(url, deadline).map_err(failed)?;
    let timed = Timed { socket, deadline };
    if !url.is_tls {
        return exchange(url, timed, question).map_err(failed);
    }
    let tls = tls.ok_or("there is no TLS for it")?;
    let stream = tls.over(timed, &url.host).map_err(|error| format!("{url:?}: {error}"))?;
    exchange(url, stream, question).map_err(failed)
}

fn connect(url: &Url, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket that waits until a deadline, whatever trickles in before.
struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.deadline)?))?;
        self.socket.read(to)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn exchange(url: &Url, mut stream: impl Read + Write, request: &Request<'_>) -> io::Result<Reply> {
    let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, url.path, url.authority());
    text.push_str(&format!("Accept: {}\r\nConnection: close\r\nUser-Agent: ottla\r\n", request.accept));
    if let Some(authorization) = request.authorization {
        text.push_str(&format!("Authorization: {authorization}\r\n"));
    }
    if let Some((content_type, body)) = request.body {
        text.push_str(&format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(request.body.map_or("", |(_, body)| body));
    stream.write_all(text.as_bytes())?;
    stream.flush()?;
    Answer { stream, read: Vec::new(), bytes_max: request.answer_bytes_max }.reply()
}

/// An answer that is on its way.
struct Answer<S> {
    stream: S,
    /// What came and is not taken yet.
    read: Vec<u8>,
    /// Of its body.
    bytes_max: usize,
}

/// How the end of a body is known.
enum Ends {
    After(usize),
    Chunks,
    WithTheConnection,
}

impl<S: Read> Answer<S> {
    fn reply(mut self) -> io::Result<Reply> {
        let line = self.line(HEAD_BYTES_MAX)?;
        let mut words = line.split(' ');
        if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
            return Err(wrong("what answers does not speak HTTP/1.1"));
        }
        let status =
            words.next().and_then(|code| code.parse().ok()).filter(|code| (100..1000).contains(code));
        let status = status.ok_or_else(|| wrong("what answers has no status"))?;
        let body = match self.headers(HEAD_BYTES_MAX - line.len())? {
            _ if status == 204 || status == 304 => Vec::new(),
            Ends::After(length) if length > self.bytes_max => return Err(too_much()),
            Ends::After(length) => self.take(length)?,
            Ends::Chunks => self.chunks()?,
            Ends::WithTheConnection => {
                while self.more()? > 0 {
                    if self.read.len() > self.bytes_max {
                        return Err(too_much());
                    }
                }
                self.read
            }
        };
        Ok(Reply { status, body })
    }

    fn headers(&mut self, mut room: usize) -> io::Result<Ends> {
        let mut ends = Ends::WithTheConnection;
        loop {
            let line = self.line(room)?;
            room = room.saturating_sub(line.len() + 2);
            if line.is_empty() {
                return Ok(ends);
            }
            let Some((name, value)) = line.split_once(':') else { return Err(wrong("a header has no name")) };
            let value = value.trim();
            match (name.to_ascii_lowercase().as_str(), &ends) {
                ("transfer-encoding", _) if value.eq_ignore_ascii_case("chunked") => ends = Ends::Chunks,
                ("transfer-encoding", _) => return Err(wrong("its encoding is not known here")),
                ("content-length", Ends::WithTheConnection) => {
                    ends = Ends::After(value.parse().map_err(|_| wrong("its length is no number"))?);
                }
                (_, _) => {}
            }
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(HEAD_BYTES_MAX)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| wrong("a chunk has no size"))?;
            if size == 0 {
                return Ok(body);
            }
            if size > self.bytes_max - body.len() {
                return Err(too_much());
            }
            body.extend(self.take(size)?);
            if !self.line(2)?.is_empty() {
                return Err(wrong("a chunk is longer than it says"));
            }
        }
    }

    fn line(&mut self, longest: usize) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.read.len() > longest {
                return Err(too_much());
            }
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.read.drain(..length).collect())
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut block = [0; READ_BYTES];
        let count = loop {
            match self.stream.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.read.extend(block.iter().take(count));
        Ok(count)
    }
}

fn wrong(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn too_much() -> io::Error {
    wrong("its answer is longer than such answers are")
}

/// A value in a form.
pub fn form_value(text: &str) -> String {
    let mut written = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => written.push(byte.into()),
            b' ' => written.push('+'),
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn url(text: &str) -> Result<(bool, String, u16, String), String> {
        Url::parse(text).map(|url| (url.is_tls, url.host.clone(), url.port, url.path))
    }

    #[test]
    fn urls_are_taken_apart() {
        let of = |is_tls, host: &str, port, path: &str| Ok((is_tls, host.to_owned(), port, path.to_owned()));
        assert_eq!(url("https://a.b/keys?x=1#y"), of(true, "a.b", 443, "/keys?x=1"));
        assert_eq!(url("http://a.b:8080"), of(false, "a.b", 8080, "/"));
        assert_eq!(url("http://[::1]:80/x"), of(false, "::1", 80, "/x"));
        assert_eq!(url("http://[::1]"), of(false, "::1", 80, "/"));
        assert_eq!(url("http://a?x=y"), of(false, "a", 80, "/?x=y"));
        for bad in
            ["", "ftp://a", "http://", "http:///x", "http://u:p@a/", "http://a:x/", "http://a b/", "a.b"]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
        for bad in ["http://a\r\nHost: b/", "http://a/\u{e4}"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    /// What is made of this answer, and what was asked for it.
    fn asked(answer: Vec<u8>, form: Option<&str>) -> (Result<Vec<u8>, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/keys", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            let mut block = [0; 1024];
            while !heard.windows(4).any(|four| four == b"\r\n\r\n") || heard.ends_with(b"5\r\n\r\n") {
                let count = socket.read(&mut block).unwrap();
                heard.extend_from_slice(&block[..count]);
            }
            let _ = socket.write_all(&answer);
            String::from_utf8(heard).unwrap()
        });
        let question =
            Question { form, authorization: form.map(|_| "Basic eA=="), timeout: Duration::from_secs(20) };
        let body = ask(&url, None, &question);
        (body, server.join().unwrap())
    }

    #[test]
    fn a_body_ends_as_its_headers_say() {
        let (body, heard) = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more".to_vec(), None);
        assert_eq!(body, Ok(b"{}".to_vec()));
        assert!(heard.starts_with("GET /keys HTTP/1.1\r\nHost: 127.0.0.1:"), "{heard}");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\n{\r\n1\r\n}\r\n0\r\n\r\n".to_vec();
        assert_eq!(asked(chunked, None).0, Ok(b"{}".to_vec()));
        assert_eq!(asked(b"HTTP/1.0 200 OK\r\n\r\n{}".to_vec(), None).0, Ok(b"{}".to_vec()));
        let (_, heard) = asked(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Some("a=b&c"));
        assert!(
            heard.contains("POST /keys") && heard.contains("Basic eA==") && heard.ends_with("\r\n\r\na=b&c")
        );
    }

    #[test]
    fn whatever_else_answers_is_refused_within_bounds() {
        let refused = |answer: Vec<u8>| asked(answer, None).0.unwrap_err();
        assert!(
            refused(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n".to_vec())
                .contains("302")
        );
        assert!(refused(b"SSH-2.0-x\r\n".to_vec()).contains("HTTP"));
        assert!(refused(Vec::new()).contains("end of file"));
        assert!(refused(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec()).contains("end of file"));
        for long in [
            [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 40_000]].concat(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n".to_vec(),
            [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; BODY_BYTES_MAX + 9]].concat(),
        ] {
            assert!(refused(long).contains("longer"));
        }
        for bad in ["Content-Length: x", "Transfer-Encoding: gzip", "nonsense"] {
            refused(format!("HTTP/1.1 200 OK\r\n{bad}\r\n\r\n").into_bytes());
        }
        assert!(
            refused(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n".to_vec())
                .contains("longer")
        );
    }

    #[test]
    fn any_request_is_sent_and_any_status_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/base/", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut heard, mut block) = (Vec::new(), [0; 1024]);
            while !heard.ends_with(b"{}") {
                let count = socket.read(&mut block).unwrap();
                heard.extend_from_slice(&block[..count]);
            }
            socket.write_all(b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n[]").unwrap();
            String::from_utf8(heard).unwrap()
        });
        let request = Request {
            method: "PUT",
            body: Some(("application/json", "{}")),
            accept: "*/*",
            authorization: None,
            timeout: Duration::from_secs(20),
            answer_bytes_max: 2,
        };
        let reply = send(&url.below("/config/a%2Fb?force=true"), None, &request);
        assert_eq!(reply, Ok(Reply { status: 409, body: b"[]".to_vec() }));
        let heard = server.join().unwrap();
        assert!(heard.starts_with("PUT /base/config/a%2Fb?force=true HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("Content-Type: application/json\r\nContent-Length: 2\r\n"), "{heard}");
    }

    #[test]
    fn values_of_forms_are_escaped() {
        assert_eq!(form_value("a b&c=\u{e4}~*"), "a+b%26c%3D%C3%A4%7E*");
    }
}
