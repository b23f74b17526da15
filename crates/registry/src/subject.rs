//! Subjects with their contexts: `:.ctx:name` is `name` in the context `.ctx`, a plain name is in the default one. Knows nothing of what
//! is registered.

/// The context of plain names.
pub const DEFAULT_CONTEXT: &str = ".";

/// What a query means that asks for all contexts.
pub const ALL_CONTEXTS: &str = ":*:";

/// Configuration and modes that lie under those of all contexts.
pub const GLOBAL_CONTEXT: &str = ":.__GLOBAL:";

/// A subject taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// With its point: `.` or `.ctx`.
    pub context: String,
    /// The rest; empty where a whole context is meant.
    pub name: String,
}

impl Subject {
    /// Takes a qualified or a plain name apart.
    pub fn parse(text: &str) -> Subject {
        let parts = text.strip_prefix(':').filter(|rest| rest.starts_with('.'));
        let (context, name) = match parts {
            Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
            None => (DEFAULT_CONTEXT, text),
        };
        Subject { context: context.to_owned(), name: name.to_owned() }
    }

    /// The name by which it is stored.
    pub fn qualified(&self) -> String {
        format!("{}{}", self.prefix(), self.name)
    }

    /// `:.ctx:`, or nothing in the default context.
    pub fn prefix(&self) -> String {
        if self.context == DEFAULT_CONTEXT { String::new() } else { format!(":{}:", self.context) }
    }

    /// True for `:.:` and the empty name: what is meant is the registry as a whole.
    pub fn is_default_context(&self) -> bool {
        self.context == DEFAULT_CONTEXT && self.name.is_empty()
    }

    /// A subject that another one refers to: in the same context unless it names its own.
    pub fn beside(&self, other: &str) -> Subject {
        let other = Subject::parse(other);
        if other.context == DEFAULT_CONTEXT {
            Subject { context: self.context.clone(), ..other }
        } else {
            other
        }
    }
}

/// The stored form of a name: `:.:a` is `a`.
pub fn normalize(text: &str) -> String {
    Subject::parse(text).qualified()
}

/// A context as a path names it, as prefix of subjects: `ctx`, `.ctx` and `:.ctx:` are `:.ctx:`. `None` if it is no name of a context.
pub fn context_prefix(name: &str) -> Option<String> {
    let bare = name.strip_prefix(':').unwrap_or(name);
    let bare = bare.strip_suffix(':').unwrap_or(bare);
    if bare.contains(':') {
        return None;
    }
    let bare = bare.strip_prefix('.').unwrap_or(bare);
    Some(if bare.is_empty() { String::new() } else { format!(":.{bare}:") })
}

/// Whether something may be registered under this name.
pub fn is_valid(text: &str) -> bool {
    let subject = Subject::parse(text);
    let special = ["__GLOBAL", "__EMPTY"].contains(&subject.name.as_str()) || subject.context == ".__GLOBAL";
    !text.is_empty() && !text.chars().any(char::is_control) && !subject.name.is_empty() && !special
}

/// Whether configuration or a mode may be set for it; whole contexts are as good.
pub fn is_valid_for_settings(text: &str) -> bool {
    let subject = Subject::parse(text);
    !text.chars().any(char::is_control) && !["__GLOBAL", "__EMPTY"].contains(&subject.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_put_together() {
        let cases = [
            ("a", ".", "a", "a"),
            (":.ctx:a", ".ctx", "a", ":.ctx:a"),
            (":.ctx:", ".ctx", "", ":.ctx:"),
            (":.ctx", ".ctx", "", ":.ctx:"),
            (":.:a", ".", "a", "a"),
            (":a:b", ".", ":a:b", ":a:b"),
            (":.ctx:a:b", ".ctx", "a:b", ":.ctx:a:b"),
            ("", ".", "", ""),
        ];
        for (text, context, name, qualified) in cases {
            let subject = Subject::parse(text);
            assert_eq!((subject.context.as_str(), subject.name.as_str()), (context, name), "{text}");
            assert_eq!(subject.qualified(), qualified, "{text}");
        }
        assert_eq!(Subject::parse(":.c:a").beside("b").qualified(), ":.c:b");
        assert_eq!(Subject::parse(":.c:a").beside(":.d:b").qualified(), ":.d:b");
        for name in ["ctx", ".ctx", ":.ctx:"] {
            assert_eq!(context_prefix(name).as_deref(), Some(":.ctx:"));
        }
        assert_eq!((context_prefix("."), context_prefix("a:b")), (Some(String::new()), None));
        assert!(
            is_valid("a") && !is_valid("") && !is_valid(":.c:") && !is_valid("a\n") && !is_valid("__GLOBAL")
        );
    }
}
