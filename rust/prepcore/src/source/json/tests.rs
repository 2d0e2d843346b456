//! JSON lines against `serde_json`.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn text_of(line: &[u8], member: &str) -> Result<String, String> {
    let mut members = Members::default();
    members.read(line, member, false).map(|()| members.text)
}

fn without_text(line: &[u8], member: &str) -> Result<String, String> {
    let mut members = Members::default();
    members.read(line, member, true).map(|()| members.rest)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,3}|text", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_the_referee_on_what_is_valid(value in value(), pretty: bool) {
        let line = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let line = line.unwrap();
        let text = value.get("text").and_then(Value::as_str);
        let ours = text_of(line.as_bytes(), "text").ok();
        prop_assert_eq!(ours.as_deref(), text);
        if text.is_some() {
            let mut rest = value;
            rest.as_object_mut().unwrap().shift_remove("text");
            // The referee does not read every number as the one that it wrote.
            let rest: Value = serde_json::from_str(&rest.to_string()).unwrap();
            let ours: Value = serde_json::from_str(&without_text(line.as_bytes(), "text").unwrap()).unwrap();
            prop_assert_eq!(ours, rest);
        }
    }

    #[test]
    fn agrees_with_the_referee_on_what_is_not(
        value in value(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}\",:\\\\u0-9a-f.eE+ \t-]{0,2}"), 1..4),
    ) {
        let mut line: Vec<char> = format!("[{value}]").chars().collect();
        for (place, characters) in edits {
            let place = place.index(line.len());
            line.splice(place..=place, characters.chars());
            if line.is_empty() { break; }
        }
        let line: String = line.into_iter().collect();
        // What the referee ignores may hold half of a surrogate pair, and what it reads no number beyond f64.
        let half = |error: serde_json::Error| error.to_string().contains("hex escape");
        let valid = serde_json::from_str::<IgnoredAny>(&line).is_ok()
            && !serde_json::from_str::<Value>(&line).is_err_and(half);
        let ours = text_of(line.as_bytes(), "absent").unwrap_err();
        prop_assert_eq!(!ours.starts_with("not valid JSON"), valid, "{}: {}", line, ours);
    }

    #[test]
    fn another_text_and_more_members_change_nothing_else(
        others in prop::collection::vec(("[a-c\"\\\\é]{0,3}", value()), 0..4),
        old: String,
        at: prop::sample::Index,
        pretty: bool,
        text: String,
    ) {
        let mut pairs: Vec<(String, Value)> = others;
        pairs.insert(at.index(pairs.len() + 1), ("text".into(), old.into()));
        let value = Value::Object(pairs.into_iter().collect());
        let line = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let line = line.unwrap();
        let members = [("lang\"uage", Value::from("é")), ("score", Value::from(0.5))];
        let changed = with_text(line.as_bytes(), "text", &text).unwrap();
        let longer = with_members(&changed, members.clone().into_iter());
        let mut wanted: Value = serde_json::from_str(&line).unwrap();
        wanted["text"] = text.into();
        members.into_iter().for_each(|(name, value)| wanted[name] = value);
        prop_assert_eq!(serde_json::from_slice::<Value>(&longer).unwrap(), wanted);
    }
}

#[test]
fn decodes_what_is_valid() {
    for (line, text) in [
        (r#"{"text":"plain"}"#, "plain"),
        (r#" { "a" : [1, {"text": "no"}], "text" : "é\u00e9\n\ud83d\ude00" } "#, "éé\n😀"),
        (r#"{"text":"first","text":"last"}"#, "last"),
        (r#"{"t\u0065xt":"escaped name"}"#, "escaped name"),
        (r#"{"text":"nul \u0000"}"#, "nul \0"),
        (r#"{"text":"","n":123456789012345678901234567890}"#, ""),
        ("{\"text\":\"\u{2028}\"}\r", "\u{2028}"),
    ] {
        assert_eq!(text_of(line.as_bytes(), "text").as_deref(), Ok(text), "{line}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (line, wanted) in [
        (r#"{"text":"lone \ud800"}"#, "not valid JSON"),
        (r#"{"text":"a","other":["lone \udc00"]}"#, "not valid JSON: half of a surrogate pair"),
        (r#"{"text":"a","pair in a n\ud83dame":1}"#, "not valid JSON: half of a surrogate pair"),
        (r#"{"other":"lone \ud800","text":"a"}"#, "not valid JSON"),
        (r#"{"other":"\u00zz","text":"a"}"#, "not valid JSON"),
        (r#"{"text":"\ud800\u0041"}"#, "not valid JSON"),
        (r#"{"text":"\x"}"#, "not valid JSON"),
        (r#"{"text":"\"#, "not valid JSON"),
        (r#"{"text":"a",}"#, "not valid JSON"),
        (r#"{"text":"a","n":01}"#, "not valid JSON"),
        (r#"{"text":"cut"#, "not valid JSON"),
        (r#"{"text":"a"} {"text":"b"}"#, "not valid JSON"),
        (r#"{"text":"a"} junk"#, "not valid JSON"),
        (r#"{"text":"a","score":NaN}"#, "not valid JSON"),
        ("{\"text\":\"raw tab \t\"}", "not valid JSON"),
        (r#"{"text":null}"#, "is null, expected a string"),
        (r#"{"text":7}"#, "is a number, expected a string"),
        (r#"{"text":["a"]}"#, "is an array, expected a string"),
        (r#"{"text":{"a":"b"}}"#, "is an object, expected a string"),
        (r#"{"body":"a"}"#, "no member \"text\""),
        (r#"["text"]"#, "the line is an array, expected a JSON object"),
        (r#""text""#, "the line is a string, expected a JSON object"),
    ] {
        let error = text_of(line.as_bytes(), "text").unwrap_err();
        assert!(error.contains(wanted), "{line}: {error}");
    }
    for line in
        [&b"{\"text\":\"\xff\"}"[..], b"{\"a\":\"\xff\",\"text\":\"x\"}", b"{\"text\":\"x\",\"a\":\"\xff\"}"]
    {
        assert!(text_of(line, "text").unwrap_err().starts_with("not valid UTF-8"));
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let nested = |depth| format!("{{\"a\":{}{},\"text\":\"x\"}}", "[".repeat(depth), "]".repeat(depth));
    for depth in [512, 1_000_000] {
        assert!(text_of(nested(depth).as_bytes(), "text").unwrap_err().contains("more than 512 deep"));
    }
    assert_eq!(text_of(nested(511).as_bytes(), "text").as_deref(), Ok("x"));
    assert!(text_of(format!("{{\"text\":{}", "[".repeat(1_000_000)).as_bytes(), "text").is_err());
    let brackets = format!("{{\"text\":\"\\\"{}\"}}", "[{".repeat(1_000));
    assert_eq!(text_of(brackets.as_bytes(), "text").unwrap().len(), 2_001);
}

#[test]
fn the_rest_is_verbatim() {
    let line = br#"{"id": 1.50, "text":"a", "m":{"x": [1,  2]}, "text":"b", "k\"ey":null}"#;
    assert_eq!(without_text(line, "text").unwrap(), r#"{"id":1.50,"m":{"x": [1,  2]},"k\"ey":null}"#);
    assert_eq!(without_text(br#"{"text":"a"}"#, "text").unwrap(), "{}");
}
