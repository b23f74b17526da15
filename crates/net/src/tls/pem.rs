//! PEM: blocks of base64 between two lines. As lenient with white space as Kafka's reader, for keys stand in properties files in one line.

use wire::base64::STANDARD;

/// One block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// `CERTIFICATE`, `PRIVATE KEY`…
    pub label: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// All blocks of a text; a sentence where one is damaged.
pub fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = begun.split_once("-----") else {
            return Err("a line -----BEGIN has no end".to_owned());
        };
        let end = format!("-----END {label}-----");
        let Some((body, behind)) = body.split_once(&end) else {
            return Err(format!("a block {label} has no line {end}"));
        };
        if body.contains(':') {
            return Err(format!(
                "the block {label} has headers (it is encrypted as OpenSSL once did): openssl pkcs8 -topk8 makes a key of today of it"
            ));
        }
        let base64: String = body.chars().filter(|one| !one.is_ascii_whitespace()).collect();
        let Some(bytes) = STANDARD.decode(&base64) else {
            return Err(format!("a block {label} is no base64"));
        };
        found.push(Block { label: label.trim().to_owned(), bytes });
        rest = behind;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_in_whatever_lines() {
        let text =
            "comment\n-----BEGIN A B-----\nAQID\n-----END A B-----\n-----BEGIN C----- AQ ID -----END C-----";
        let found = blocks(text).unwrap();
        let found: Vec<(&str, &[u8])> = found.iter().map(|b| (b.label.as_str(), &b.bytes[..])).collect();
        assert_eq!(found, [("A B", &[1u8, 2, 3][..]), ("C", &[1, 2, 3])]);
        assert_eq!(blocks("nothing").unwrap().len(), 0);
        for bad in [
            "-----BEGIN A",
            "-----BEGIN A-----",
            "-----BEGIN A-----\n!\n-----END A-----",
            "-----BEGIN A-----\nX: y\n-----END A-----",
        ] {
            assert!(blocks(bad).is_err(), "{bad}");
        }
    }
}
