//! The loops that every byte passes through, alone: `cargo bench --bench inner`.

#![allow(
    clippy::panic,
    missing_docs,
    reason = "what can't be measured ends it; criterion's macros"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gatepost::protocol::smtp::BareNewlines;
use gatepost::protocol::{Dialogue, Verdict, imap, smtp};

/// As much as the relay reads at most.
const BUFFER: usize = 256 * 1024;
const MIB: usize = 1024 * 1024;

/// What a server says when a mail program looks at a large mailbox.
fn flags_of_a_mailbox(criterion: &mut Criterion) {
    let lines: Vec<u8> = (1..=5_000)
        .flat_map(|n| format!("* {n} FETCH (UID {} FLAGS (\\Seen))\r\n", n + 1000).into_bytes())
        .collect();
    from_server(criterion, "imap: flags of 5,000 messages", &lines);
}

fn large_message(criterion: &mut Criterion) {
    let mut message = format!("* 1 FETCH (UID 1001 BODY[] {{{MIB}}}\r\n").into_bytes();
    message.extend(lines_of_mail());
    message.extend_from_slice(b")\r\n");
    from_server(criterion, "imap: a message of 1 MiB", &message);
}

fn from_server(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let mut group = criterion.benchmark_group("from the server");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(name, |bencher| {
        let selected = || {
            let mut dialogue = imap::Dialogue::default();
            pass(b"a SELECT INBOX\r\n", |bytes| dialogue.client_sent(bytes));
            let answer =
                b"* 5000 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 6001] next\r\n\
                           a OK [READ-WRITE] selected\r\n";
            pass(answer, |bytes| dialogue.server_sent(bytes));
            dialogue
        };
        let relayed = |mut dialogue: imap::Dialogue| {
            pass(bytes, |bytes| dialogue.server_sent(bytes));
            dialogue
        };
        bencher.iter_batched(selected, relayed, BatchSize::SmallInput);
    });
    group.finish();
}

/// What a client sends, in which no line may end but by CRLF.
fn mail_that_is_sent(criterion: &mut Criterion) {
    let mut message = lines_of_mail();
    message.extend_from_slice(b"\r\n.\r\n");
    let mut group = criterion.benchmark_group("from the client");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("smtp: a message of 1 MiB", |bencher| {
        let in_data = || {
            let mut dialogue = smtp::Dialogue::new(BareNewlines::Refuse);
            pass(b"DATA\r\n", |bytes| dialogue.client_sent(bytes));
            pass(b"354 Go ahead\r\n", |bytes| dialogue.server_sent(bytes));
            dialogue
        };
        let relayed = |mut dialogue: smtp::Dialogue| {
            pass(&message, |bytes| dialogue.client_sent(bytes));
            dialogue
        };
        bencher.iter_batched(in_data, relayed, BatchSize::SmallInput);
    });
    group.finish();
}

fn lines_of_mail() -> Vec<u8> {
    let line = b"The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n";
    line.repeat(MIB / line.len() + 1)[..MIB].to_vec()
}

/// Relays the bytes as the relay would, a buffer at a time.
fn pass(bytes: &[u8], mut judge: impl FnMut(&[u8]) -> Verdict) {
    let (mut start, mut end) = (0, 0);
    while start < bytes.len() {
        if start == end {
            end = (start + BUFFER).min(bytes.len());
        }
        match judge(black_box(&bytes[start..end])) {
            Verdict::Pass(length) => start += length,
            Verdict::Wait if end < bytes.len() => end = (start + BUFFER).min(bytes.len()),
            verdict => panic!("not passed on: {verdict:?}"),
        }
    }
}

criterion_group!(inner, flags_of_a_mailbox, large_message, mail_that_is_sent);
criterion_main!(inner);
