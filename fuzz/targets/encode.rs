//! Fast encoders: the ids of the reference, for every text. `python -m fuzz.encoders` writes the tokenizers.
#![no_main]

mod harness;

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use prepcore::config::SpecialTokenText;
use prepcore::tokenize::{self, Encode, Reference, TokenizerFolder};

const FOLDER: &str = "build/fuzz/tokenizers";

/// A fast encoder and its referee.
type Pair = (Box<dyn Encode>, Reference);

fuzz_target!(init: harness::keep_panics(), |bytes: &[u8]| harness::run(|| target(bytes)));

fn target(bytes: &[u8]) {
    let Some((which, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let tokenizers = tokenizers();
    let (fast, reference) = tokenizers[usize::from(*which) % tokenizers.len()].pair();
    let mut expected = Vec::new();
    // Where the library gives up there is nothing to compare with.
    if reference.encode(&text, &mut expected).is_ok() {
        let mut ids = Vec::new();
        assert_eq!(fast.encode(&text, &mut ids), Ok(()));
        assert_eq!(ids, expected, "{text:?}");
    }
}

/// A tokenizer with a policy, opened when it is first asked for.
struct Opened {
    path: PathBuf,
    special: SpecialTokenText,
    pair: OnceLock<Pair>,
}

impl Opened {
    fn pair(&self) -> &Pair {
        self.pair.get_or_init(|| {
            let folder = TokenizerFolder::open(&self.path).expect("a tokenizer");
            let fast = tokenize::encoder(&folder, self.special).expect("an encoder");
            assert_ne!(fast.name(), "reference", "{}: {}", self.path.display(), fast.proof());
            (fast, Reference::new(&folder, self.special).expect("the reference"))
        })
    }
}

/// Every tokenizer twice, once with each policy.
fn tokenizers() -> &'static [Opened] {
    static TOKENIZERS: OnceLock<Vec<Opened>> = OnceLock::new();
    TOKENIZERS.get_or_init(|| {
        let folder = std::env::var("FUZZ_TOKENIZERS").unwrap_or_else(|_| FOLDER.into());
        let numbered = (0..).map(|number| PathBuf::from(format!("{folder}/{number}.json")));
        let policies = [SpecialTokenText::Text, SpecialTokenText::Parse];
        let opened: Vec<_> = numbered
            .take_while(|path| path.exists())
            .flat_map(|path| {
                policies.map(|special| Opened { path: path.clone(), special, pair: OnceLock::new() })
            })
            .collect();
        assert!(!opened.is_empty(), "no tokenizers in {folder}; run `python -m fuzz.encoders build/fuzz`");
        opened
    })
}
