//! What stands around a message on a socket: the four-byte length, the request header, the response header.
//! Owns no socket and no buffer; the length prefix is read by whoever reads the socket.

use bytes::Bytes;

use crate::codec::{Cursor, DecodeError, Decoder, Encoder, Message, Rope};
use crate::{ApiKey, Str};

/// Before every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API. An unknown key has no header version and so cannot be read further: the connection is closed.
    pub api_key: ApiKey,
    /// The version of the request's body; may be one that we do not serve.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

/// The same header where it lies in a frame that came: the one reader of it. What the client calls itself is not looked at: most handlers never ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderView<'a> {
    /// The API.
    pub api_key: ApiKey,
    /// The version of the body; may be one that we do not serve.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself, if anything; not looked at.
    pub client_id: Option<&'a [u8]>,
    /// Bytes of the header: the body begins behind them.
    pub length: usize,
}

/// Why a request's header cannot be read. Either way the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// No API has this key.
    UnknownApiKey(i16),
    /// The bytes are no header.
    Malformed(DecodeError),
}

impl From<DecodeError> for HeaderError {
    fn from(error: DecodeError) -> HeaderError {
        HeaderError::Malformed(error)
    }
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeaderError::UnknownApiKey(key) => write!(f, "unknown API key {key}"),
            HeaderError::Malformed(error) => write!(f, "malformed request header: {error}"),
        }
    }
}

impl std::error::Error for HeaderError {}

impl RequestHeader {
    /// Writes the header.
    pub fn encode(&self, to: &mut Encoder) {
        to.i16(self.api_key.key());
        to.i16(self.api_version);
        to.i32(self.correlation_id);
        to.set_flexible(false);
        to.nullable_string(self.client_id.as_deref());
        if self.api_key.request_header_version(self.api_version) >= 2 {
            to.unsigned_varint(0);
        }
    }
}

impl<'a> HeaderView<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(frame: &'a [u8]) -> Result<HeaderView<'a>, HeaderError> {
        let mut from = Cursor::new(frame, false);
        let key = from.i16()?;
        let api_version = from.i16()?;
        let api_key = ApiKey::from_i16(key).ok_or(HeaderError::UnknownApiKey(key))?;
        let correlation_id = from.i32()?;
        // The client id stays in the old encoding even in the flexible header, so that it can always be read.
        let client_id = match usize::try_from(from.i16()?) {
            Ok(length) => Some(from.take(length)?),
            Err(_) => None,
        };
        // A version of ApiVersions that we do not know still gets an answer, so its header must be readable: all its
        // unknown versions are flexible, as are the unknown ones of every API that has flexible versions.
        from.set_flexible(api_key.request_header_version(api_version) >= 2);
        from.tags(|_, _| Ok(false))?;
        let length = frame.len() - from.remaining();
        Ok(HeaderView { api_key, api_version, correlation_id, client_id, length })
    }
}

/// Before every response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The request's.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads a header of this version ([`ApiKey::response_header_version`]) and leaves the decoder at the body.
    pub fn decode(from: &mut Decoder, header_version: i16) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = from.i32()?;
        if header_version >= 1 {
            skip_tags(from)?;
        }
        Ok(ResponseHeader { correlation_id })
    }

    /// Writes the header.
    pub fn encode(&self, to: &mut Encoder, api_key: ApiKey, version: i16) {
        to.i32(self.correlation_id);
        if api_key.response_header_version(version) >= 1 {
            to.unsigned_varint(0);
        }
    }
}

fn skip_tags(from: &mut Decoder) -> Result<(), DecodeError> {
    let Some(mut tags) = from.tags()? else { return Ok(()) };
    while from.next_tag(&mut tags)?.is_some() {
        from.skip_tag(&tags)?;
    }
    Ok(())
}

/// A request with header and length prefix, in pieces for one vectored write.
pub fn encode_request<M: Message>(header: &RequestHeader, body: &M) -> Vec<Bytes> {
    let mut to = Encoder::new();
    to.i32(0);
    header.encode(&mut to);
    body.encode(&mut to, header.api_version);
    seal(to).into_chunks()
}

/// A response with header and length prefix, in pieces for one vectored write. Records are not copied.
pub fn encode_response<M: Message>(api_key: ApiKey, version: i16, correlation_id: i32, body: &M) -> Rope {
    let mut to = Encoder::new();
    to.i32(0);
    ResponseHeader { correlation_id }.encode(&mut to, api_key, version);
    body.encode(&mut to, version);
    seal(to)
}

/// Reads a response from its frame (without the length prefix): correlation id and body.
pub fn decode_response<M: Message>(
    frame: Bytes,
    api_key: ApiKey,
    version: i16,
) -> Result<(i32, M), DecodeError> {
    let mut from = Decoder::of(frame);
    let header = ResponseHeader::decode(&mut from, api_key.response_header_version(version))?;
    let body = M::decode(&mut from, version)?;
    Ok((header.correlation_id, body))
}

/// Puts the length into the four bytes that were left for it.
fn seal(mut to: Encoder) -> Rope {
    let length = to.length().saturating_sub(4);
    to.overwrite(0, &i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
    to.into_rope()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::numbers::Numbers;
    use crate::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};

    #[test]
    fn a_request_comes_back_from_its_frame() {
        let header = RequestHeader {
            api_key: ApiKey::ApiVersions,
            api_version: 3,
            correlation_id: 7,
            client_id: Some("me".into()),
        };
        let body = ApiVersionsRequest { client_software_name: "x".into(), ..ApiVersionsRequest::default() };
        let bytes = Bytes::from(encode_request(&header, &body).concat());
        assert_eq!(bytes[..4], (bytes.len() as i32 - 4).to_be_bytes());
        assert_eq!(bytes[4..16], [0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'm', b'e']);
        let frame = bytes.slice(4..);
        let view = HeaderView::parse(&frame).unwrap();
        assert_eq!((view.api_key, view.api_version, view.correlation_id), (ApiKey::ApiVersions, 3, 7));
        assert_eq!(view.client_id, Some(&b"me"[..]));
        let mut rest = Decoder::of(frame.slice(view.length..));
        assert_eq!(ApiVersionsRequest::decode(&mut rest, 3), Ok(body));
    }

    #[test]
    fn every_header_comes_back_and_no_damage_reaches_beyond_its_frame() {
        let mut numbers = Numbers(1);
        let (mut read, mut refused) = (0, 0);
        for &api_key in ApiKey::ALL {
            for api_version in api_key.versions_with_unstable() {
                let client_id = (numbers.below(4) > 0).then(|| numbers.text().into());
                let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id };
                let mut to = Encoder::new();
                header.encode(&mut to);
                let mut frame = to.into_bytes().to_vec();
                let length = frame.len();
                frame.extend([1, 2, 3]);
                let view = HeaderView::parse(&frame).unwrap();
                assert_eq!((view.api_key, view.api_version, view.correlation_id), (api_key, api_version, 7));
                let text = header.client_id.as_ref().map(|text| text.as_bytes());
                assert_eq!((view.client_id, view.length), (text, length));
                for end in 0..length {
                    assert!(HeaderView::parse(&frame[..end]).is_err(), "{header:?} cut at {end}");
                }
                for _ in 0..20 {
                    let at = numbers.below(frame.len() as u64) as usize;
                    frame[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5) as usize];
                    match HeaderView::parse(&frame) {
                        Ok(view) => {
                            assert!(view.length <= frame.len());
                            read += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
            }
        }
        assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
    }

    #[test]
    fn tags_before_a_body_are_passed_over() {
        let head = b"\x00\x03\x00\x0c\x00\x00\x00\x07\xff\xff";
        let length = |tags: &[u8]| HeaderView::parse(&[&head[..], tags].concat()).map(|view| view.length);
        assert_eq!(length(&[0, 9]), Ok(11));
        assert_eq!(length(&[2, 0, 1, 9, 5, 0, 9]), Ok(16), "two of them");
        assert_eq!(length(&[1, 3, 0x80]), Err(HeaderError::Malformed(DecodeError::Truncated)));
    }

    #[test]
    fn an_api_versions_answer_has_the_plain_header() {
        let body = ApiVersionsResponse::default();
        let bytes = Bytes::from(encode_response(ApiKey::ApiVersions, 3, 9, &body).concat());
        assert_eq!(bytes[4..10], [0, 0, 0, 9, 0, 0], "correlation id, then at once the error code");
        assert_eq!(decode_response(bytes.slice(4..), ApiKey::ApiVersions, 3), Ok((9, body)));
    }

    #[test]
    fn unknown_keys_and_short_frames_are_refused() {
        let header = |bytes: &'static [u8]| HeaderView::parse(bytes);
        assert_eq!(header(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Err(HeaderError::UnknownApiKey(4)));
        assert_eq!(header(&[0, 3]), Err(HeaderError::Malformed(DecodeError::Truncated)));
        let tags = b"\x00\x03\x00\x0c\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\x0f";
        assert_eq!(header(tags), Err(HeaderError::Malformed(DecodeError::TooManyTags)));
    }
}
