use super::*;

fn check(text: &str, expected: &[(&str, &str)]) {
    let got = parse(text.as_bytes()).unwrap();
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(got, expected, "{text:?}");
}

#[test]
fn the_three_separators_and_blanks_around_them() {
    check("a=1\nb:2\nc 3\nd\t4\ne\u{c}5", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")]);
    check("  a  =  1  ", &[("a", "1  ")]);
    check("a = = b", &[("a", "= b")]);
    check("a : = b", &[("a", "= b")]);
    check("a b=c", &[("a", "b=c")]);
    check("a==b", &[("a", "=b")]);
    check("=b", &[("", "b")]);
    check("a\nb=\nc:", &[("a", ""), ("b", ""), ("c", "")]);
}

#[test]
fn comments_and_blank_lines_are_dropped_but_not_inside_a_continuation() {
    check("# x=1\n! y=2\n   # z=3\n\n \t\na=1", &[("a", "1")]);
    check("a=1,\\\n  # not a comment,\\\n  2", &[("a", "1,# not a comment,2")]);
    check("# a comment is never continued\\\na=1", &[("a", "1")]);
}

#[test]
fn lines_end_in_three_ways_and_go_on_after_an_odd_backslash() {
    check("a=1\rb=2\r\nc=3\n", &[("a", "1"), ("b", "2"), ("c", "3")]);
    check("a=x\\\r\n   y\\\r  z", &[("a", "xyz")]);
    check("a=x\\\\\nb=y", &[("a", "x\\"), ("b", "y")]);
    check("a=x\\\\\\\ny", &[("a", "x\\y")]);
    check("a=x\\", &[("a", "x")]);
    check("a=x\\\n", &[("a", "x")]);
    check("a=x\\\n\nb=1", &[("a", "x"), ("b", "1")]);
    check("ke\\\n  y=v", &[("key", "v")]);
}

#[test]
fn escapes_of_characters_and_of_separators() {
    check(r"a=\t\n\r\f\q\\", &[("a", "\t\n\r\u{c}q\\")]);
    check(r"a\=b\:c\ d=e", &[("a=b:c d", "e")]);
    check(r"a=\u00e9\u4E2d", &[("a", "é中")]);
    check(r"a=\ud83d\ude00", &[("a", "😀")]);
    check(r"\u0061=1", &[("a", "1")]);
    for bad in [
        r"a=\u12",
        r"a=\u12g4",
        r"\u=1",
        r"x=1
a=\uzzzz",
    ] {
        let error = parse(bad.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("Malformed"), "{bad}");
    }
}

#[test]
fn bytes_are_latin_1_as_java_reads_them() {
    let got = parse(b"a=\xe9").unwrap();
    assert_eq!(got.get("a").map(String::as_str), Some("é"));
}

#[test]
fn the_last_of_two_equal_keys_wins() {
    check("a=1\na=2", &[("a", "2")]);
}
