//! Rust text as words and marks: what tidy reads where lines are too coarse.
//!
//! Comments are gone, literals are one mark, and what stands under `#[cfg(test)]` can be left out. Knows no grammar beyond that.

/// What a literal of any kind becomes.
pub const LITERAL: &str = "\"";

/// Items that end with a semicolon, whatever braces they hold before it.
const UNTIL_SEMICOLON: &[&str] = &["use", "static", "type", "let"];

/// Items that end with their braces (or a semicolon), whatever commas they hold before them.
const UNTIL_BRACES: &[&str] =
    &["fn", "struct", "enum", "union", "trait", "impl", "mod", "async", "unsafe", "extern", "macro_rules"];

/// The words and marks of `text`: words (raw ones without `r#`), `::`, `->`, `=>`, `!=`, [`LITERAL`], any other mark alone. Comments and
/// lifetimes are left out.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            _ if first.is_whitespace() => first.len_utf8(),
            '\'' => {
                let length = quote(rest);
                found
                    .extend((rest[..length].len() > 1 && rest[1..length].ends_with('\'')).then_some(LITERAL));
                length
            }
            '"' => {
                found.push(LITERAL);
                string(rest)
            }
            '0'..='9' => {
                found.push(LITERAL);
                word(rest)
            }
            _ if is_word(first) => match prefixed_literal(rest) {
                Some(length) => {
                    found.push(LITERAL);
                    length
                }
                None => {
                    let raw = if rest.starts_with("r#") { 2 } else { 0 };
                    let length = raw + word(&rest[raw..]);
                    found.push(&rest[raw..length]);
                    length
                }
            },
            _ => {
                let double = ["::", "->", "=>", "!="].iter().any(|mark| rest.starts_with(mark));
                let length = if double { 2 } else { first.len_utf8() };
                found.push(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    found
}

/// Whether a token is a word: a name or a keyword.
pub fn is_name(token: &str) -> bool {
    token.chars().next().is_some_and(|first| is_word(first) && !first.is_ascii_digit())
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word(text: &str) -> usize {
    text.find(|character| !is_word(character)).unwrap_or(text.len())
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A quoted string with escapes, its quotation marks included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character's literal or a lifetime; only the first ends with a quotation mark.
fn quote(text: &str) -> usize {
    let inside = &text[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let closing = escape.char_indices().skip(1).find(|(_, character)| *character == '\'');
        return closing.map_or(text.len(), |(at, _)| 2 + at + 1);
    }
    let first = inside.chars().next().map_or(0, char::len_utf8);
    if inside[first..].starts_with('\'') { 1 + first + 1 } else { 1 + word(inside) }
}

/// The length of a literal that begins with letters: `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`.
fn prefixed_literal(text: &str) -> Option<usize> {
    let letters =
        text.find(|character| !matches!(character, 'b' | 'c' | 'r')).filter(|length| *length <= 2)?;
    let (prefix, rest) = text.split_at(letters);
    if prefix.is_empty() {
        return None;
    }
    if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let inside = rest[hashes..].strip_prefix('"')?;
        let closing = format!("\"{}", "#".repeat(hashes));
        let end = inside.find(&closing).map_or(inside.len(), |at| at + closing.len());
        return Some(letters + hashes + 1 + end);
    }
    if rest.starts_with('"') {
        return Some(letters + string(rest));
    }
    (prefix == "b" && rest.starts_with('\'')).then(|| letters + quote(rest))
}

/// `tokens` without what `#[cfg(test)]` governs.
pub fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_governed(tokens, at);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// Where the item, field, variant or statement ends that the attributes at `at` govern.
fn end_of_governed(tokens: &[&str], mut at: usize) -> usize {
    while tokens[at..].starts_with(&["#", "["]) {
        at = end_of_group(tokens, at + 1);
    }
    if tokens.get(at) == Some(&"pub") {
        at += 1;
        if tokens.get(at) == Some(&"(") {
            at = end_of_group(tokens, at);
        }
    }
    let (first, second) = (tokens.get(at).copied().unwrap_or(""), tokens.get(at + 1).copied().unwrap_or(""));
    let constant = first == "const" && !UNTIL_BRACES.contains(&second);
    let item = constant || UNTIL_SEMICOLON.contains(&first);
    let braced = !item && (first == "const" || UNTIL_BRACES.contains(&first));
    let field = second == ":";
    let mut angles = 0;
    while at < tokens.len() {
        match tokens[at] {
            ";" => return at + 1,
            "," if !item && !braced && angles == 0 => return at + 1,
            "<" if field => angles += 1,
            ">" if field => angles -= 1,
            ")" | "]" | "}" => return at,
            "{" if !item => return end_of_group(tokens, at),
            "(" | "[" | "{" => {
                at = end_of_group(tokens, at);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// The index behind the group that opens at `at`.
pub fn end_of_group(tokens: &[&str], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        tokens(text).join(" ")
    }

    #[test]
    fn comments_literals_and_lifetimes_are_not_words() {
        assert_eq!(line("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(line(r##"f("x \" y", r#"z " w"#, b"q", b'\'', 'r', '\u{1F}', c"k", r"\") s"##), {
            "f ( \" , \" , \" , \" , \" , \" , \" , \" ) s"
        });
        assert_eq!(line("&'a str, 'outer: loop, r#type, br, 0..0x1f, '\\'', b"), {
            "& str , : loop , type , br , \" . . \" , \" , b"
        });
        assert_eq!(line("a::b -> C => d"), "a :: b -> C => d");
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let left = |text: &str| without_tests(&tokens(text)).join(" ");
        assert_eq!(left("#[cfg(test)] use a::{b, c}; d"), "d");
        assert_eq!(left("#[cfg(test)] #[allow(x)] pub(crate) fn f<A, B>(a: A) -> B { c } d"), "d");
        assert_eq!(left("#[cfg(test)] const A: B = B { c: 1 }; d"), "d");
        assert_eq!(left("#[cfg(test)] const fn a() {} d"), "d");
        assert_eq!(left("struct S { #[cfg(test)] a: Map<B, C>, d: E }"), "struct S { d : E }");
        assert_eq!(left("enum S { A, #[cfg(test)] B }"), "enum S { A , }");
        assert_eq!(left("#[cfg(test)] mod tests { mod x {} } d"), "d");
        assert_eq!(left("#[cfg(not(test))] mod x;"), "# [ cfg ( not ( test ) ) ] mod x ;");
    }
}
