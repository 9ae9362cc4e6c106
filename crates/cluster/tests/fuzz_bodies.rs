//! The bodies of the fuzz targets in `fuzz/`, run on captured and damaged messages by every
//! compiler.

#[path = "../../../fuzz/bodies/jsonrpc.rs"]
mod jsonrpc;
#[path = "../../../fuzz/bodies/netstring.rs"]
mod netstring;
#[path = "../../../fuzz/bodies/smoke.rs"]
mod smoke;

use bheka_cluster::netstring::encode;

#[test]
fn any_bytes_as_netstrings() {
    let corpus: Vec<Vec<u8>> = smoke::lines("wire")
        .iter()
        .map(|line| encode(line))
        .collect();
    for frame in &corpus {
        netstring::check((u16::MAX, 7, frame));
    }
    smoke::rounds(5000, |random| {
        let bytes = random.input(&corpus);
        let limit = if random.below(2) == 0 {
            u16::MAX
        } else {
            random.next() as u16
        };
        netstring::check((limit, random.below(bytes.len() + 1) as u16, &bytes));
    });
}

#[test]
fn any_payloads_as_messages() {
    let corpus = smoke::lines("wire");
    let all: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    jsonrpc::check(&all);
    smoke::rounds(3000, |random| {
        let payloads: Vec<Vec<u8>> = (0..=random.below(6))
            .map(|_| random.input(&corpus))
            .collect();
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        jsonrpc::check(&payloads);
    });
}
