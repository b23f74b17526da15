//! The head of an HTTP request, as far as anybody here asks: method, path, query. Bounded; never reads a body.

/// Bytes of a head.
const HEAD_MAX: usize = 8 * 1024;

/// Its lines.
const FIELDS_MAX: usize = 64;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Head {
    /// A whole head.
    Request(Request),
    /// It is no HTTP.
    Bad(String),
    /// It has more bytes or lines than any honest client sends.
    TooLong,
}

/// What of a head is looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub is_get: bool,
    /// The method: all of the answer but its body.
    pub is_head: bool,
    /// Without the query.
    pub path: String,
    query: String,
}

/// The head in these bytes; `None` while it is not whole.
pub fn parse(received: &[u8]) -> Option<Head> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(received) {
        Ok(httparse::Status::Complete(_)) => {
            let target = request.path.unwrap_or("/");
            // A proxy may name the whole address.
            let target = target
                .strip_prefix("http://")
                .map_or(target, |rest| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"));
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let method = request.method.unwrap_or_default();
            Some(Head::Request(Request {
                is_get: method == "GET",
                is_head: method == "HEAD",
                path: path.to_owned(),
                query: query.to_owned(),
            }))
        }
        Ok(httparse::Status::Partial) if received.len() < HEAD_MAX => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Some(Head::TooLong),
        Err(error) => Some(Head::Bad(format!("no HTTP request: {error}"))),
    }
}

impl Request {
    /// All values of a parameter of the query.
    pub fn values(&self, name: &str) -> Vec<String> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.map(|(key, value)| (decoded(key), decoded(value)));
        named.filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }
}

/// `%41` and `+`; what is no such escape stands for itself.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Some(Head::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn path_and_query_are_taken_apart() {
        let asked = request(
            "GET /metrics?match%5B%5D=a*&match[]=%7B__name__%3D%22b%22%7D&x HTTP/1.1\r\nHost: x\r\n\r\n",
        );
        assert_eq!((asked.path.as_str(), asked.is_get), ("/metrics", true));
        assert_eq!(asked.values("match[]"), ["a*", "{__name__=\"b\"}"]);
        assert_eq!(asked.values("x"), [""]);
        let asked = request("HEAD http://host:1/readyz HTTP/1.0\r\n\r\n");
        assert_eq!((asked.path.as_str(), asked.is_head), ("/readyz", true));
        assert_eq!(decoded("%zz%4+a%"), "%zz%4 a%");
    }

    #[test]
    fn a_head_is_waited_for_only_within_bounds() {
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost:"), None);
        let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(HEAD_MAX));
        assert_eq!(parse(long.as_bytes()), Some(Head::TooLong));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(parse(many.as_bytes()), Some(Head::TooLong));
        for garbage in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\x00\x00\x00\x12\x00\x12\x00\x03", b"GET\r\n\r\n"]
        {
            assert!(matches!(parse(garbage), Some(Head::Bad(_))), "{garbage:?}");
        }
    }
}
