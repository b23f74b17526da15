//! `ssl.principal.mapping.rules`: from the name of a certificate to that of a user (KIP-371).

use std::borrow::Cow;

use regex_lite::Regex;

/// Rules, tried in their order.
#[derive(Clone, Debug)]
pub struct Mapping(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    /// The name as it is.
    Default,
    Rule {
        pattern: Regex,
        replacement: String,
        case: Case,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Kept,
    Lower,
    Upper,
}

impl Default for Mapping {
    fn default() -> Self {
        Mapping(vec![Rule::Default])
    }
}

impl Mapping {
    /// Reads rules: `DEFAULT` and `RULE:pattern/replacement/[LU]`, separated by commas.
    pub fn read(text: &str) -> Result<Mapping, String> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, behind) =
                rule(rest).map_err(|why| format!("ssl.principal.mapping.rules: {why}, in {rest}"))?;
            rules.push(rule);
            rest = behind.trim_start();
            if !rest.is_empty() {
                let next = rest.strip_prefix(',').map(str::trim_start).filter(|next| !next.is_empty());
                rest =
                    next.ok_or_else(|| format!("ssl.principal.mapping.rules: no rule begins at {rest}"))?;
            }
        }
        Ok(if rules.is_empty() { Mapping::default() } else { Mapping(rules) })
    }

    /// The user of a name; `None` if no rule is for it.
    pub fn apply(&self, name: &str) -> Option<String> {
        self.0.iter().find_map(|rule| match rule {
            Rule::Default => Some(name.to_owned()),
            Rule::Rule { pattern, replacement, case } => {
                // The pattern is for the whole name.
                let captures = pattern.captures(name)?;
                let mut user = String::new();
                captures.expand(replacement, &mut user);
                Some(match case {
                    Case::Kept => user,
                    Case::Lower => user.to_lowercase(),
                    Case::Upper => user.to_uppercase(),
                })
            }
        })
    }
}

fn rule(text: &str) -> Result<(Rule, &str), String> {
    if let Some(behind) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, behind));
    }
    let Some(body) = text.strip_prefix("RULE:") else {
        return Err("a rule is DEFAULT or RULE:pattern/replacement/[LU]".to_owned());
    };
    let (pattern, body) = part(body).ok_or("a RULE has two slashes")?;
    let (replacement, behind) = part(body).ok_or("a RULE has two slashes")?;
    let (case, behind) = match behind.as_bytes().first() {
        Some(b'L') => (Case::Lower, behind.get(1..).unwrap_or_default()),
        Some(b'U') => (Case::Upper, behind.get(1..).unwrap_or_default()),
        _none => (Case::Kept, behind),
    };
    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        format!("{pattern} is no pattern that is known here ({error}; no look-around, no references back)")
    })?;
    let replacement = expansion(replacement, pattern.captures_len());
    Ok((Rule::Rule { pattern, replacement: replacement.into_owned(), case }, behind))
}

/// Up to a slash that no backslash is before.
fn part(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, one) in text.char_indices() {
        match one {
            '/' if !escaped => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '\\' => escaped = !escaped,
            _other => escaped = false,
        }
    }
    None
}

/// A replacement of Java's as this crate has it: `$12` is the group of so many digits as there are groups; `\x` is x.
fn expansion(replacement: &str, groups: usize) -> Cow<'_, str> {
    let mut written = String::new();
    let mut rest = replacement.chars().peekable();
    while let Some(one) = rest.next() {
        match one {
            '\\' => match rest.next() {
                Some('$') => written.push_str("$$"),
                Some(other) => written.push(other),
                None => {}
            },
            '$' => {
                let mut number = None;
                while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
                    let longer = number.unwrap_or(0usize) * 10 + digit as usize;
                    if number.is_some() && longer >= groups {
                        break;
                    }
                    number = Some(longer);
                    rest.next();
                }
                match number.filter(|number| *number < groups) {
                    Some(number) => written.push_str(&format!("${{{number}}}")),
                    None => {
                        written.push_str("$$");
                        number.into_iter().for_each(|number| written.push_str(&number.to_string()));
                    }
                }
            }
            other => written.push(other),
        }
    }
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_as_kafkas_documentation_has_it() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/,RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L,\
                     RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L,DEFAULT";
        let rules = Mapping::read(rules).unwrap();
        for (name, user) in [
            ("CN=kafka-user,OU=ServiceUsers,O=X,L=Y,ST=Z,C=DE", "kafka-user"),
            ("CN=Duke,OU=JavaSoft,O=Sun,L=X,ST=Y,C=US", "duke@javasoft"),
            ("OU=JavaSoft,CN=Duke.S", "duke.s"),
            ("OU=Nobody", "OU=Nobody"),
        ] {
            assert_eq!(rules.apply(name).as_deref(), Some(user), "{name}");
        }
        let only = Mapping::read("RULE:^CN=(\\w+),.*$/\\$$1-$2x/U").unwrap();
        assert_eq!(only.apply("CN=ab,C=DE").as_deref(), Some("$AB-$2X"));
        assert_eq!(only.apply("C=DE"), None);
        assert_eq!(Mapping::read(" ").unwrap().apply("CN=a").as_deref(), Some("CN=a"));
        for bad in
            ["RULE:a", "RULE:a/b", "DEFAUL", "DEFAULT,", "RULE:(/x/", "RULE:(?=a)/x/", "DEFAULT;DEFAULT"]
        {
            assert!(Mapping::read(bad).is_err(), "{bad}");
        }
    }
}
