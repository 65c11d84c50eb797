//! Writes each scene of `tests/transcripts`, and the sample record, as an input of its target.

fn main() -> std::io::Result<()> {
    gatepost_fuzz::seeds::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")))
}
