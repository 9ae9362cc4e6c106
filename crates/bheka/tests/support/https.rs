//! A small HTTPS client on top of `openssl s_client`: it shares nothing with the code under test.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// One request; `None` when there was no answer.
pub fn request(
    port: u16,
    method: &str,
    path: &str,
    user: Option<&str>,
    body: Option<&Value>,
) -> Option<(u16, Value)> {
    let (status, _, body) = exchange(port, method, path, user, body)?;
    Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// One request: status, head and body of the answer; `None` when there was none.
pub fn exchange(
    port: u16,
    method: &str,
    path: &str,
    user: Option<&str>,
    body: Option<&Value>,
) -> Option<(u16, String, Vec<u8>)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let authorization = user
        .map(|user| format!("Authorization: Basic {}\r\n", base64(user.as_bytes())))
        .unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\
         {authorization}Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut child = Command::new("timeout")
        .args([
            "20", "openssl", "s_client", "-quiet", "-ign_eof", "-connect",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    // The peer may have gone: then there is no answer, which the caller sees.
    let _ = input
        .write_all(head.as_bytes())
        .and_then(|()| input.write_all(body.as_bytes()));
    let output = child.wait_with_output().ok()?;
    drop(input);
    parse(&output.stdout)
}

fn parse(bytes: &[u8]) -> Option<(u16, String, Vec<u8>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if is_chunked {
        unchunk(body)
    } else {
        body.to_vec()
    };
    Some((status, head, body))
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        let from = end + 2;
        if size == 0 || from + size > rest.len() {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    body
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
