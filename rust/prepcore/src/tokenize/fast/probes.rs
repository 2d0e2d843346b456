//! Texts that tell tokenizers apart.

use crate::tokenize::TokenizerFolder;

/// Joined in pairs, with and without something between: contractions, spaces of all sorts, line ends, digits, scripts,
/// marks, emoji of several characters, characters that few vocabularies have, and what looks special.
const FRAGMENTS: [&str; 64] = [
    "a",
    "Z",
    "the",
    " the",
    "The",
    "THE",
    "word",
    "don't",
    "I'M",
    "'s",
    "'ll",
    "'\u{17f}",
    "it\u{2019}s",
    "\u{e9}",
    "e\u{301}",
    "stra\u{df}e",
    "\u{130}",
    "0",
    "12",
    "123",
    "1234",
    " 12345",
    "\u{663}\u{664}",
    "\u{2167}",
    "\u{bd}",
    "3.14",
    "1,000",
    "x2",
    "2x",
    "_",
    "__init__",
    ".",
    "...",
    "?!",
    "-",
    "--------",
    "(",
    ");",
    "\"",
    "\u{201c}",
    "/",
    "http://",
    "<",
    ">",
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "<|endoftext|>",
    "\u{2581}",
    "\u{120}",
    "\u{4e2d}\u{6587}",
    "\u{3053}\u{3093}",
    "\u{d55c}\u{ad6d}",
    "\u{440}\u{443}\u{441}",
    "\u{639}\u{631}",
    "\u{939}\u{93f}",
    "\u{e17}\u{e35}\u{e48}",
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{1f1e9}\u{1f1ea}",
    "\u{10348}",
    "\u{fffd}",
    "\u{1}",
];

/// What may stand between two fragments.
const SPACES: [&str; 20] = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", "\t ", "\u{a0}", "\u{2009}",
    "\u{3000}", "\u{85}", "\u{b}", "\u{200b}", "\u{feff}", "\0",
];

/// The longest runs of one character.
const RUN: usize = 40;

/// Texts made of tokens drawn from the vocabulary, and tokens in each.
const DRAWN: usize = 256;
const TOKENS: usize = 24;

/// Texts for a tokenizer: some for all, some made from its own tokens.
pub(super) fn probes(folder: &TokenizerFolder) -> Vec<String> {
    let mut probes = vec![String::new()];
    let mut draw = Draw(1);
    for left in FRAGMENTS {
        // Every pair and every space, a part of what they would make together.
        let mut text = String::new();
        for right in FRAGMENTS {
            let space = SPACES[draw.below(SPACES.len())];
            text.extend([left, space, right, SPACES[draw.below(2)]]);
        }
        probes.push(text);
        probes.extend(SPACES.iter().map(|space| [left, space, left, space].concat()));
    }
    for run in SPACES[1..]
        .iter()
        .chain(["a", "ab", "-", "=", "0", "\u{4e2d}", "\u{1f600}", "\u{2581}", ".", "e\u{301}"].iter())
    {
        // Lengths for which vocabularies have tokens and lengths just beyond.
        let text: Vec<String> = (1..RUN).map(|count| format!("x{}y", run.repeat(count))).collect();
        probes.push(text.concat());
        probes.extend([run.repeat(700), format!("{}a", run.repeat(17)), format!("a{}", run.repeat(18))]);
    }
    for token in folder.tokenizer.get_added_tokens_decoder().into_values().take(100) {
        let content = token.content;
        let cut = content.char_indices().next_back().map_or("", |(last, _)| &content[..last]);
        probes.push(format!("{content}{content} {content} x{content}y\n{content}\n{cut} {cut}x  {content}"));
        probes.push(content);
    }
    let ids: Vec<u32> = (0..folder.vocabulary_size() as u32).collect();
    for _ in 0..DRAWN {
        let drawn: Vec<u32> = (0..TOKENS).map(|_| ids[draw.below(ids.len())]).collect();
        probes.extend(folder.tokenizer.decode(&drawn, false));
    }
    probes
}

/// Numbers that are the same in every run, so that what is proven once is proven again.
struct Draw(u64);

impl Draw {
    /// A number less than `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        // The constants of Knuth's MMIX; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
