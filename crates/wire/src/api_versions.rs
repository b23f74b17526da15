//! An ApiVersions request read where it lies: the first one of every connection, and all that many a probe ever sends. Says what the
//! generated `ApiVersionsRequest` says; the tests hold both against each other in every version.

use crate::codec::{Cursor, DecodeError};
use crate::messages::api_versions::ApiVersionsRequest;

/// A whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersionsView<'a> {
    /// The client's library, as it calls itself; empty before version 3.
    pub client_software_name: &'a str,
    /// Its version.
    pub client_software_version: &'a str,
    /// The cluster it means to ask, where it says so.
    pub cluster_id: Option<&'a str>,
    /// -1: the client does not say.
    pub node_id: i32,
}

impl<'a> ApiVersionsView<'a> {
    /// Reads a body of this version; bytes after it are ignored, as with every request.
    pub fn parse(body: &'a [u8], version: i16) -> Result<ApiVersionsView<'a>, DecodeError> {
        let mut from = Cursor::of::<ApiVersionsRequest>(body, version)?;
        let view = ApiVersionsView {
            client_software_name: if version >= 3 { from.string()? } else { "" },
            client_software_version: if version >= 3 { from.string()? } else { "" },
            cluster_id: if version >= 5 { from.nullable_string()? } else { None },
            node_id: if version >= 5 { from.i32()? } else { -1 },
        };
        from.tags(|_, _| Ok(false))?;
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Str;
    use crate::codec::numbers::{Numbers, read_alike};
    use crate::codec::{Decoder, Message};
    use bytes::Bytes;

    fn check(body: &[u8], version: i16) -> bool {
        let generated = ApiVersionsRequest::decode(&mut Decoder::of(Bytes::copy_from_slice(body)), version);
        let view = ApiVersionsView::parse(body, version);
        read_alike((body, version), &generated, &view, |generated, view| {
            assert_eq!(generated.client_software_name, view.client_software_name);
            assert_eq!(generated.client_software_version, view.client_software_version);
            assert_eq!(generated.cluster_id.as_deref(), view.cluster_id);
            assert_eq!(generated.node_id, view.node_id);
        })
    }

    #[test]
    fn says_and_refuses_what_the_generated_message_does() {
        let mut numbers = Numbers(1);
        let (mut read, mut refused) = (0, 0);
        for _ in 0..6_000 {
            let request = ApiVersionsRequest {
                client_software_name: Str::from(numbers.text()),
                client_software_version: Str::from(numbers.text()),
                cluster_id: (numbers.below(2) == 0).then(|| Str::from(numbers.text())),
                node_id: numbers.below(3) as i32 - 1,
            };
            let version = numbers.below(6) as i16;
            let mut body = request.to_bytes(version).to_vec();
            assert!(check(&body, version));
            numbers.damage(&mut body, usize::MAX);
            if check(&body, version) { read += 1 } else { refused += 1 }
        }
        assert!(read > 600 && refused > 600, "{read} read, {refused} refused");
    }
}
