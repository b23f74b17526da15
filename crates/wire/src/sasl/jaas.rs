//! JAAS as far as Kafka uses it: the entry of one mechanism (`sasl.jaas.config`), and the file of named contexts that a JVM is given by
//! `java.security.auth.login.config`. Owns the grammar only: no class is loaded, its name says which credentials follow.

use std::collections::BTreeMap;
use std::fmt;

/// The login module of PLAIN.
pub const PLAIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

/// The login module of both SCRAM mechanisms.
pub const SCRAM_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// The login module of OAUTHBEARER.
pub const BEARER_MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// One entry: a login module and its options.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The class that Java would load.
    pub module: String,
    /// Its options, without quotes. They hold passwords.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Entry {
    /// Options hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} options [hidden]", self.module, self.options.len())
    }
}

/// Contexts by name, each with its entries in order.
pub type Contexts = BTreeMap<String, Vec<Entry>>;

/// The entries of a `sasl.jaas.config`; the error is the end of the sentence that Kafka answers with. It never quotes what was read.
pub fn parse_config(text: &str) -> Result<Vec<Entry>, String> {
    let mut tokens = Tokens::of(text);
    let mut entries = Vec::new();
    while let Some(token) = tokens.next()? {
        entries.push(entry(token, &mut tokens)?);
    }
    if entries.is_empty() { Err("Login module not specified in JAAS config".to_owned()) } else { Ok(entries) }
}

/// The contexts of a JAAS file.
pub fn parse_file(text: &str) -> Result<Contexts, String> {
    let mut tokens = Tokens::of(text);
    let mut contexts = Contexts::new();
    while let Some(token) = tokens.next()? {
        let Token::Text(name) = token else { return Err("a context begins with its name".to_owned()) };
        tokens.expect('{', "a context's name is followed by {")?;
        let mut entries = Vec::new();
        loop {
            match tokens.next()? {
                Some(Token::Sign('}')) => break,
                Some(token) => entries.push(entry(token, &mut tokens)?),
                None => return Err(format!("the context {name} does not end with }};")),
            }
        }
        tokens.expect(';', "a context ends with };")?;
        if contexts.insert(name.clone(), entries).is_some() {
            return Err(format!("the context {name} stands there twice"));
        }
    }
    Ok(contexts)
}

/// `module flag key=value ... ;`
fn entry(first: Token, tokens: &mut Tokens<'_>) -> Result<Entry, String> {
    const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
    let Token::Text(module) = first else {
        return Err("Login module not specified in JAAS config".to_owned());
    };
    let flag = tokens.next()?;
    if !matches!(&flag, Some(Token::Text(flag)) if FLAGS.iter().any(|one| one.eq_ignore_ascii_case(flag))) {
        return Err("Login module control flag is not available in the JAAS config".to_owned());
    }
    let mut options = BTreeMap::new();
    loop {
        let key = match tokens.next()? {
            Some(Token::Sign(';')) => return Ok(Entry { module, options }),
            Some(Token::Text(key)) => key,
            Some(Token::Sign(_)) => return Err("an option of a JAAS config has no name".to_owned()),
            None => return Err("JAAS config entry not terminated by semi-colon".to_owned()),
        };
        tokens.expect('=', &format!("Value not specified for key '{key}' in JAAS config"))?;
        let Some(Token::Text(value)) = tokens.next()? else {
            return Err(format!("Value not specified for key '{key}' in JAAS config"));
        };
        options.insert(key, value);
    }
}

enum Token {
    Text(String),
    Sign(char),
}

/// Words, texts in quotes and signs; comments of both kinds and lines that begin with `#` are passed over.
struct Tokens<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text.chars().peekable() }
    }

    fn expect(&mut self, sign: char, otherwise: &str) -> Result<(), String> {
        match self.next()? {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            Some(_) | None => Err(otherwise.to_owned()),
        }
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        loop {
            match self.rest.next() {
                None => return Ok(None),
                Some(blank) if blank.is_whitespace() => {}
                Some('#') => self.pass_line(),
                Some('/') => self.pass_comment()?,
                Some(quote @ ('"' | '\'')) => return self.quoted(quote).map(|text| Some(Token::Text(text))),
                Some(sign @ ('=' | ';' | '{' | '}')) => return Ok(Some(Token::Sign(sign))),
                Some(first) => return Ok(Some(Token::Text(self.word(first)))),
            }
        }
    }

    fn pass_line(&mut self) {
        while self.rest.next().is_some_and(|next| next != '\n') {}
    }

    fn pass_comment(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'*').is_none() {
            self.pass_line();
            return Ok(());
        }
        let mut before = ' ';
        for next in self.rest.by_ref() {
            if before == '*' && next == '/' {
                return Ok(());
            }
            before = next;
        }
        Err("a comment of a JAAS config does not end".to_owned())
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        let ends = |next: &char| next.is_whitespace() || matches!(next, '=' | ';' | '{' | '}' | '"' | '\'');
        while let Some(next) = self.rest.next_if(|next| !ends(next)) {
            word.push(next);
        }
        word
    }

    /// Escapes are Java's: a letter for a control character, up to three octal digits, else the character itself.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None | Some('\n') => return Err("a quoted text of a JAAS config does not end".to_owned()),
                Some('\\') => {
                    let escaped = self.escaped();
                    text.push(escaped.ok_or("a quoted text of a JAAS config does not end")?);
                }
                Some(end) if end == quote => return Ok(text),
                Some(other) => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'v' => '\u{b}',
            first @ '0'..='7' => {
                let mut code = first.to_digit(8)?;
                let most = if first <= '3' { 2 } else { 1 };
                for _ in 0..most {
                    let Some(digit) = self.rest.next_if(|next| next.is_digit(8)) else { break };
                    code = code * 8 + digit.to_digit(8)?;
                }
                char::from_u32(code)?
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_options_without_quotes() {
        let text = "org.apache.kafka.common.security.plain.PlainLoginModule required\n username=\"admin\" // who\n\
                    password='ad\\\"min;\\101' user_a.b-c=secret /* more */ user_ünä=\"=;{}\" ;";
        let entries = parse_config(text).unwrap();
        assert_eq!((entries.len(), entries[0].module.as_str()), (1, PLAIN_MODULE));
        let options: Vec<_> = entries[0].options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("password", "ad\"min;A"),
            ("user_a.b-c", "secret"),
            ("user_ünä", "=;{}"),
            ("username", "admin"),
        ];
        assert_eq!(options, expected);
        assert!(!format!("{entries:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_entry_is_refused_without_quoting_it() {
        let cases = [
            ("", "Login module not specified in JAAS config"),
            ("a.B", "Login module control flag is not available in the JAAS config"),
            ("a.B sometimes;", "Login module control flag is not available in the JAAS config"),
            ("a.B required k=v", "JAAS config entry not terminated by semi-colon"),
            ("a.B required k;", "Value not specified for key 'k' in JAAS config"),
            ("a.B required k=;", "Value not specified for key 'k' in JAAS config"),
            ("a.B required k=\"secret", "a quoted text of a JAAS config does not end"),
            ("a.B required /* secret", "a comment of a JAAS config does not end"),
        ];
        for (text, why) in cases {
            assert_eq!(parse_config(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn a_file_has_contexts_with_several_entries() {
        let text = "# ours\nKafkaServer {\n a.A required x=1;\n b.B optional;\n};\nsasl.KafkaServer { a.A required; };";
        let contexts = parse_file(text).unwrap();
        assert_eq!(contexts["KafkaServer"].len(), 2);
        assert_eq!(contexts["KafkaServer"][0].options["x"], "1");
        assert_eq!(contexts["sasl.KafkaServer"].len(), 1);
        for bad in ["A", "A {", "A { a.A required; }", "A {}; A {};", "{};", "A { ; };"] {
            assert!(parse_file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn whatever_is_read_ends_without_a_panic() {
        let mut random = crate::random::SplitMix64::new(7);
        let pieces = [
            "a.B",
            " required ",
            "k=",
            "\"",
            "'",
            "\\",
            "7",
            "{",
            "}",
            ";",
            "/*",
            "*/",
            "//",
            "#",
            "\n",
            "é",
        ];
        for _ in 0..20_000 {
            let text: String =
                (0..random.below(12)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect();
            let _ = (parse_config(&text), parse_file(&text));
        }
    }
}
