//! What RE2/J 1.8, which Apache Kafka 4.4.0 brings along, makes of the same patterns; and patterns that are meant to hurt.

use super::{MAX_STEPS, Pattern};

const VECTORS: &str = include_str!("testdata/re2j-1.8.txt");

fn plain(text: &str) -> String {
    text.replace("<nl>", "\n").replace("<tab>", "\t")
}

/// Classes of Unicode properties, which are refused here.
fn diverges(pattern: &str) -> bool {
    pattern.contains(r"\p") || pattern.contains(r"\P")
}

#[test]
fn patterns_mean_what_they_mean_to_kafka() {
    let mut lines = VECTORS.lines();
    let texts: Vec<String> = lines.next().unwrap().split('\u{241f}').skip(1).map(plain).collect();
    let (mut wrong, mut errors, mut matched) = (Vec::new(), 0, 0);
    for line in lines {
        let (pattern, theirs) = line.split_once('\u{241f}').unwrap();
        let pattern = plain(pattern);
        let ours = match Pattern::parse(&pattern) {
            Ok(pattern) => {
                texts.iter().map(|text| if pattern.matches(text) { '1' } else { '0' }).collect::<String>()
            }
            Err(error) => format!("! {error}"),
        };
        if diverges(&pattern) {
            assert!(ours.starts_with("! "), "{pattern} is not refused any more");
            continue;
        }
        // RE2/J calls a `)` too many a fault of its own.
        let theirs = match theirs {
            theirs if theirs.contains("stack underflow") => {
                format!("! error parsing regexp: unexpected ): `{pattern}`")
            }
            theirs => theirs.to_owned(),
        };
        errors += usize::from(ours.starts_with('!'));
        matched += usize::from(ours.contains('1') && !ours.starts_with('!'));
        if ours != theirs {
            wrong.push(format!("{pattern}\n  {theirs}\n  {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(errors > 50 && matched > 70, "{errors} {matched}");
}

#[test]
fn patterns_that_are_meant_to_hurt_are_bounded() {
    let long = "a".repeat(30_000);
    let steps = |pattern: &str| Pattern::parse(pattern).map(|pattern| pattern.matches(&long));
    assert_eq!(steps("(a+)+$"), Ok(true));
    assert_eq!(steps("(a+)+b"), Ok(false));
    assert_eq!(steps("(a*)*(a*)*(a*)*b"), Ok(false));
    assert_eq!(steps("(a|a|a|a)*c"), Ok(false));
    let too_large = |pattern: &str| Pattern::parse(pattern).unwrap_err().to_string();
    assert_eq!(too_large("(a{1000}){1000}"), "error parsing regexp: expression too large");
    // A large class, very often.
    let class: String = (0..3_000u32).map(|number| char::from_u32(0x4e00 + number * 2).unwrap()).collect();
    assert!(Pattern::parse(&format!("[{class}]{{1000}}")).unwrap().matches(&"一".repeat(1_000)));
    // Nothing, very often.
    let nothing = format!("{}{}", "(".repeat(100), "){1000}".repeat(100));
    assert_eq!(too_large(&nothing), "error parsing regexp: expression too large");
    assert_eq!(too_large(&"a".repeat(MAX_STEPS + 1)), "error parsing regexp: expression too large");
    let deep = format!("{}{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(too_large(&deep), "error parsing regexp: expression nests too deeply");
    assert!(Pattern::parse(&"[".repeat(10_000)).is_err());
    assert!(Pattern::parse(&"(?i".repeat(10_000)).is_err());
}

/// Random patterns of all that has a meaning: nothing panics, and a quoted text is itself.
#[test]
fn any_text_is_a_pattern_or_an_error() {
    let mut dice = wire::random::SplitMix64::new(7);
    let signs: Vec<char> = r"ab(|)*+?{1,2}[]^$\.-:QEdwbP<>ims1ü".chars().collect();
    for _ in 0..30_000 {
        let length = dice.below(14);
        let text: String = (0..length).map(|_| signs[dice.below(signs.len() as u64) as usize]).collect();
        if let Ok(pattern) = Pattern::parse(&text) {
            pattern.matches("ab");
            pattern.matches(&text);
        }
        if !text.contains("\\E") {
            assert!(Pattern::parse(&format!("\\Q{text}")).unwrap().matches(&text), "{text}");
        }
    }
}
