//! What the fuzz targets share, compiled and run with the tests: `make fuzz` is run rarely, and what it calls moves on.

#[expect(
    unreachable_pub,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a part of the fuzz targets, which are crates of their own"
)]
#[path = "../../../fuzz/targets/harness.rs"]
mod harness;

#[test]
fn a_file_of_bytes_is_read_and_each_row_comes_once() {
    harness::keep_panics();
    harness::run(|| {
        let lines = b"{\"text\": \"one\"}\n\n{\"text\": 2}\n{\"text\": \"three\", \"more\": []}\n";
        let plan = harness::plan(harness::file("raw.jsonl", lines), true, false).expect("a plan");
        let mut next = 0;
        for documents in plan.read() {
            next = harness::check_addresses(&documents.expect("documents"), next, true);
        }
        assert_eq!(next, 4);
    });
}
