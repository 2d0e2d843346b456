use proptest::prelude::*;

use super::*;

fn redact() -> Redact {
    Redact::new(&config::Redact::default())
}

fn rewritten(text: &str) -> String {
    redact().rewrite(text, &mut [0; 6]).unwrap_or_else(|| text.to_owned())
}

#[test]
fn smoke() {
    assert_eq!(rewritten("mail john@x.com now"), "mail <EMAIL> now");
}
