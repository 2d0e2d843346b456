//! How fast texts are cut: `PREPCORE_SPEED_TEXT=FILE cargo test -p prepcore --release byte_level::speed -- --ignored
//! --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement; see the head of the file"]
fn megabytes_a_second() {
    let path = std::env::var("PREPCORE_SPEED_TEXT").unwrap();
    let text = std::fs::read(path).unwrap();
    let text = std::str::from_utf8(&text).unwrap().as_bytes();
    for _ in 0..3 {
        measure("gpt2", Gpt2::<false>::new(), text);
        measure("digits", Gpt2::<true>::new(), text);
        measure("llama3", Llama3::<3>::new(), text);
    }
}

fn measure(name: &str, pattern: impl Split, text: &[u8]) {
    let started = Instant::now();
    let (mut start, mut pieces) = (0, 0_u64);
    while start < text.len() {
        let mut ends = [0; 64];
        let count = next_ends(pattern, text, start, &mut ends);
        start = ends[count - 1];
        pieces += count as u64;
    }
    let seconds = started.elapsed().as_secs_f64();
    let line = format!("{name}: {pieces} pieces, {:.0} MB/s\n", text.len() as f64 / 1e6 / seconds);
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}
