//! What stands around a message on a socket: the four-byte length, the request header, the response header.
//! Owns no socket and no buffer; the length prefix is read by whoever reads the socket.

use bytes::Bytes;

use crate::codec::{Cursor, DecodeError, DecodeLimits, Decoder, Encoder, Message, Rope};
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

/// The same header where it lies. What the client calls itself is not looked at: most handlers never ask.
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
    /// Reads the header at the start of a frame and leaves the decoder at the body.
    pub fn decode(from: &mut Decoder) -> Result<RequestHeader, HeaderError> {
        let key = from.i16()?;
        let api_version = from.i16()?;
        let api_key = ApiKey::from_i16(key).ok_or(HeaderError::UnknownApiKey(key))?;
        let correlation_id = from.i32()?;
        // The client id stays in the old encoding even in the flexible header, so that it can always be read.
        from.set_flexible(false);
        let client_id = from.nullable_string()?;
        // A version of ApiVersions that we do not know still gets an answer, so its header must be readable: all its
        // unknown versions are flexible, as are the unknown ones of every API that has flexible versions.
        if api_key.request_header_version(api_version) >= 2 {
            skip_tags(from)?;
        }
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
    }

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
    /// Reads the header at the start of a frame, as [`RequestHeader::decode`] does but for the client id's characters.
    pub fn parse(frame: &'a [u8]) -> Result<HeaderView<'a>, HeaderError> {
        let mut from = Cursor::new(frame, false);
        let key = from.i16()?;
        let api_version = from.i16()?;
        let api_key = ApiKey::from_i16(key).ok_or(HeaderError::UnknownApiKey(key))?;
        let correlation_id = from.i32()?;
        let client_id = match usize::try_from(from.i16()?) {
            Ok(length) => Some(from.take(length)?),
            Err(_) => None,
        };
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
    /// Reads the header of a response to a request of this API and version.
    pub fn decode(from: &mut Decoder, api_key: ApiKey, version: i16) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = from.i32()?;
        if api_key.response_header_version(version) >= 1 {
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

/// Reads a request of a known API from its frame (without the length prefix).
pub fn decode_request<M: Message>(
    frame: Bytes,
    limits: DecodeLimits,
) -> Result<(RequestHeader, M), HeaderError> {
    let mut from = Decoder::new(frame, limits);
    let header = RequestHeader::decode(&mut from)?;
    let body = M::decode(&mut from, header.api_version)?;
    Ok((header, body))
}

/// Reads a response from its frame (without the length prefix): correlation id and body.
pub fn decode_response<M: Message>(
    frame: Bytes,
    api_key: ApiKey,
    version: i16,
) -> Result<(i32, M), DecodeError> {
    let mut from = Decoder::of(frame);
    let header = ResponseHeader::decode(&mut from, api_key, version)?;
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
        let limits = DecodeLimits::for_frame(frame.len());
        assert_eq!(decode_request::<ApiVersionsRequest>(frame, limits), Ok((header, body)));
    }

    #[test]
    fn a_header_in_place_says_and_refuses_what_the_decoder_does() {
        let check = |frame: &[u8]| {
            let mut from = Decoder::of(Bytes::copy_from_slice(frame));
            let decoded = RequestHeader::decode(&mut from).map(|header| (header, from.remaining()));
            let view = HeaderView::parse(frame);
            match (&decoded, &view) {
                (Ok((header, left)), Ok(view)) => {
                    assert_eq!((header.api_key, header.api_version), (view.api_key, view.api_version));
                    assert_eq!(header.correlation_id, view.correlation_id);
                    let text = view.client_id.map(String::from_utf8_lossy);
                    assert_eq!(header.client_id.as_deref(), text.as_deref());
                    assert_eq!(*left, frame.len() - view.length);
                }
                (Err(_), Err(_)) => {}
                _ => panic!("{decoded:?} but {view:?} of {frame:?}"),
            }
            view.is_ok()
        };
        let mut numbers = Numbers(1);
        let (mut read, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut frame = vec![0, numbers.below(40) as u8, 0, numbers.below(14) as u8, 0, 0, 0, 7];
            let text = numbers.text();
            let length = if numbers.below(4) == 0 { -1 } else { text.len() as i16 };
            frame.extend(length.to_be_bytes());
            frame.extend(text.bytes().take(length.max(0) as usize));
            // No tags, or some.
            frame.extend([&[0][..], &[2, 0, 1, 9, 5, 0], &[1, 3, 0x80]][numbers.below(3) as usize]);
            frame.extend([1, 2, 3]);
            if numbers.below(3) == 0 {
                frame.truncate(numbers.below(frame.len() as u64) as usize);
            }
            for _ in 0..numbers.below(3) {
                let at = numbers.below(frame.len().max(1) as u64) as usize;
                if let Some(byte) = frame.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5) as usize];
                }
            }
            if check(&frame) { read += 1 } else { refused += 1 }
        }
        assert!(read > 4_000 && refused > 4_000, "{read} read, {refused} refused");
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
        let header =
            |bytes: &'static [u8]| RequestHeader::decode(&mut Decoder::of(Bytes::from_static(bytes)));
        assert_eq!(header(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Err(HeaderError::UnknownApiKey(4)));
        assert_eq!(header(&[0, 3]), Err(HeaderError::Malformed(DecodeError::Truncated)));
        let tags = b"\x00\x03\x00\x0c\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\x0f";
        assert_eq!(header(tags), Err(HeaderError::Malformed(DecodeError::TooManyTags)));
    }
}
