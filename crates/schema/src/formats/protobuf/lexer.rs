//! Words, numbers, strings and signs of a `.proto` file; comments are passed over.

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Word(String),
    Number(String),
    String(String),
    Sign(char),
    End,
}

/// Reads token by token.
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// For messages: where the reading is.
    pub fn line(&self) -> usize {
        line_at(self.text, self.at)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let end = trimmed
                    .find("*/")
                    .ok_or_else(|| format!("line {}: a comment does not end", self.line()))?;
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    pub fn next(&mut self) -> Result<Token, String> {
        self.skip()?;
        let Some(first) = self.peek() else { return Ok(Token::End) };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                Ok(Token::Word(self.take(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()))
            }
            '0'..='9' => Ok(Token::Number(self.number())),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Token::Number(self.number()))
            }
            '"' | '\'' => self.string(first).map(Token::String),
            other => {
                self.at += other.len_utf8();
                Ok(Token::Sign(other))
            }
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn number(&mut self) -> String {
        let start = self.at;
        let hexadecimal = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        self.take(|c| c.is_ascii_alphanumeric() || c == '.');
        let exponent = self.text[start..self.at].ends_with(['e', 'E']) && !hexadecimal;
        if exponent && self.rest().starts_with(['+', '-']) {
            self.at += 1;
            self.take(|c| c.is_ascii_digit());
        }
        self.text[start..self.at].to_owned()
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
        let (text, start) = (self.text, self.at);
        let unended = || format!("line {}: a string does not end", line_at(text, start));
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let c = self.peek().ok_or_else(unended)?;
            self.at += c.len_utf8();
            match c {
                _ if c == quote => break,
                '\n' => return Err(unended()),
                '\\' => self
                    .escape(&mut bytes)
                    .ok_or_else(|| format!("line {}: no such escape in a string", line_at(text, start)))?,
                other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        // Bytes that are no text only stand in defaults of `bytes`; nothing compares them.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        match c {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' | '\'' | '"' | '?' => bytes.push(c as u8),
            'x' | 'X' => bytes.push(u8::try_from(self.code(16, 2)?).ok()?),
            'u' => self.scalar(4, bytes)?,
            'U' => self.scalar(8, bytes)?,
            '0'..='7' => {
                self.at -= 1;
                bytes.push(u8::try_from(self.code(8, 3)?).ok()?);
            }
            _other => return None,
        }
        Some(())
    }

    fn scalar(&mut self, digits: usize, bytes: &mut Vec<u8>) -> Option<()> {
        let scalar = char::from_u32(self.code(16, digits)?)?;
        bytes.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }

    fn code(&mut self, radix: u32, digits: usize) -> Option<u32> {
        let rest = self.rest();
        let length = rest.chars().take(digits).take_while(|c| c.is_digit(radix)).count();
        self.at += length;
        u32::from_str_radix(&rest[..length], radix).ok()
    }
}

/// Linear: for messages only.
fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}
