//! Any bytes, cut anywhere: the decoder gives the same payloads as at once, holds no more than it
//! was given, and what it accepts encodes to what it ate.

use bheka_cluster::netstring::{Decoder, encode};

fn drain(decoder: &mut Decoder, payloads: &mut Vec<Vec<u8>>) -> bool {
    loop {
        match decoder.next() {
            Ok(Some(payload)) => payloads.push(payload),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// What must hold.
pub(crate) fn check((limit, cut, bytes): (u16, u16, &[u8])) {
    let mut whole = Decoder::new(usize::from(limit));
    whole.push(bytes);
    let mut at_once = Vec::new();
    let is_good = drain(&mut whole, &mut at_once);

    let cut = usize::from(cut).min(bytes.len());
    let mut parted = Decoder::new(usize::from(limit));
    let mut in_parts = Vec::new();
    parted.push(&bytes[..cut]);
    drain(&mut parted, &mut in_parts);
    parted.push(&bytes[cut..]);
    assert_eq!(drain(&mut parted, &mut in_parts), is_good);
    assert_eq!(at_once, in_parts);
    assert!(whole.buffered() <= bytes.len());

    let eaten: Vec<u8> = at_once.iter().flat_map(|payload| encode(payload)).collect();
    assert!(bytes.starts_with(&eaten));
}
