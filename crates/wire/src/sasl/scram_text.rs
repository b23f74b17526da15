//! The four messages of SCRAM (RFC 5802) as text. Owns their grammar; knows no key.

use crate::base64::STANDARD;

/// Longer names and nonces than these nobody has.
const TEXT_MAX: usize = 1024;

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    /// `n,,` or `n,a=...,`: what the last message must repeat.
    pub header: &'a str,
    /// All behind the header: part of what is signed.
    pub bare: &'a str,
    pub username: String,
    pub authorization: Option<String>,
    pub nonce: &'a str,
    /// It logs in by a delegation token.
    pub by_token: bool,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    pub nonce: &'a str,
    pub salt: Vec<u8>,
    pub iterations: i32,
}

/// What a client ends with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// What stands before the proof: part of what is signed.
    pub without_proof: &'a str,
    /// The header of the first message, again.
    pub header: Vec<u8>,
    pub nonce: &'a str,
    pub proof: Vec<u8>,
}

pub(super) fn client_first(text: &str) -> Option<ClientFirst<'_>> {
    // Only without channel binding, as Kafka has it.
    let behind = text.strip_prefix("n,")?;
    let (authorization, bare) = behind.split_once(',')?;
    let authorization = match authorization.strip_prefix("a=") {
        Some(name) => Some(name_of(name)?),
        None if authorization.is_empty() => None,
        None => return None,
    };
    let header = text.get(..text.len() - bare.len())?;
    let mut attributes = bare.split(',');
    let username = name_of(attributes.next()?.strip_prefix("n=")?)?;
    let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
    let by_token = attributes.any(|one| one.eq_ignore_ascii_case("tokenauth=true"));
    Some(ClientFirst { header, bare, username, authorization, nonce, by_token })
}

pub(super) fn server_first(text: &str) -> Option<ServerFirst<'_>> {
    let mut attributes = text.split(',');
    let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
    let salt = STANDARD.decode(attributes.next()?.strip_prefix("s=")?).filter(|salt| !salt.is_empty())?;
    let iterations = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
    Some(ServerFirst { nonce, salt, iterations })
}

pub(super) fn client_final(text: &str) -> Option<ClientFinal<'_>> {
    let (without_proof, proof) = text.rsplit_once(",p=")?;
    let mut attributes = without_proof.split(',');
    let header = STANDARD.decode(attributes.next()?.strip_prefix("c=")?)?;
    let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
    Some(ClientFinal { without_proof, header, nonce, proof: STANDARD.decode(proof)? })
}

/// The signature, or what the server says against it.
pub(super) fn server_final(text: &str) -> Result<Vec<u8>, String> {
    match (text.split(',').next().and_then(|first| first.strip_prefix("v=")), text.strip_prefix("e=")) {
        (Some(signature), _) => {
            STANDARD.decode(signature).ok_or_else(|| "the signature is no base64".to_owned())
        }
        (None, Some(why)) => Err(why.chars().take(TEXT_MAX).collect()),
        (None, None) => Err("no last message of SCRAM".to_owned()),
    }
}

/// A name on its way out: commas and equals signs are written otherwise.
pub(super) fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

pub(super) fn name_of(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > TEXT_MAX {
        return None;
    }
    let mut pieces = text.split('=');
    let mut name = pieces.next()?.to_owned();
    for piece in pieces {
        let (sign, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    Some(name)
}

fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty()
        && nonce.len() <= TEXT_MAX
        && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_are_read() {
        let first = client_first("n,a=b=2Cb,n=b=2Cb=3D,r=abc,tokenauth=true").unwrap();
        assert_eq!((first.header, first.bare), ("n,a=b=2Cb,", "n=b=2Cb=3D,r=abc,tokenauth=true"));
        assert_eq!((first.username.as_str(), first.authorization.as_deref()), ("b,b=", Some("b,b")));
        assert_eq!((first.nonce, first.by_token), ("abc", true));
        assert_eq!(saslname("b,b="), "b=2Cb=3D");
        // The first three are said to have ended another library.
        for bad in ["n,,", "n,,n", "n,,n=u,r", "", "y,,n=u,r=1", "p=x,,n=u,r=1", "n,b=c,n=u,r=1", "n,,n=,r=1"]
        {
            assert_eq!(client_first(bad), None, "{bad}");
        }
        for bad in ["n,,n=u,r=", "n,,n=a=b,r=1", "n,,m=1,n=u,r=1", "n,,n=u,r=ä", "n,,r=1,n=u"] {
            assert_eq!(client_first(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_others_too() {
        let first = server_first("r=ab,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=y").unwrap();
        assert_eq!((first.nonce, first.salt.len(), first.iterations), ("ab", 16, 4096));
        let last = client_final("c=biws,r=ab,p=AQI=").unwrap();
        assert_eq!((last.without_proof, last.header.as_slice()), ("c=biws,r=ab", &b"n,,"[..]));
        assert_eq!((last.nonce, last.proof), ("ab", vec![1, 2]));
        assert_eq!(server_final("v=AQI="), Ok(vec![1, 2]));
        assert_eq!(server_final("e=invalid-proof"), Err("invalid-proof".to_owned()));
        for bad in ["", "c=biws", "c=biws,r=a", "r=a,c=biws,p=AQI=", "c=!,r=a,p=AQI="] {
            assert_eq!(client_final(bad), None, "{bad}");
        }
        assert!(server_first("r=ab,s=,i=1").is_none() && server_first("r=ab,s=AQI=,i=x").is_none());
    }
}
