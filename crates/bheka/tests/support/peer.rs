//! Peers that misbehave: raw TCP, and TLS by `openssl s_client`, which shares nothing with the
//! code under test and sends whatever bytes it is told to.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Certificate and key of a peer, as files `<name>.crt`, `<name>.key` in a directory.
#[derive(Clone, Copy)]
pub struct Papers<'a> {
    pub dir: &'a Path,
    pub name: &'a str,
}

/// A connection whose end is an event.
pub struct Peer {
    pub what: String,
    input: Option<Input>,
    received: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
    client: Option<Child>,
}

enum Input {
    Tls(ChildStdin),
    Tcp(TcpStream),
}

impl Peer {
    /// A TCP connection that speaks no TLS of its own accord.
    pub fn tcp(port: u16, what: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let reader = stream.try_clone().unwrap();
        Self::new(what, Input::Tcp(stream), reader, None)
    }

    /// A TLS connection, with a client certificate or without.
    pub fn tls(port: u16, papers: Option<Papers<'_>>, what: &str) -> Self {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-quiet", "-connect"])
            .arg(format!("127.0.0.1:{port}"));
        if let Some(papers) = papers {
            let file = |ending: &str| papers.dir.join(format!("{}.{ending}", papers.name));
            command
                .arg("-cert")
                .arg(file("crt"))
                .arg("-key")
                .arg(file("key"));
        }
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = Input::Tls(client.stdin.take().unwrap());
        let output = client.stdout.take().unwrap();
        Self::new(what, input, output, Some(client))
    }

    fn new(
        what: &str,
        input: Input,
        mut output: impl Read + Send + 'static,
        client: Option<Child>,
    ) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = channel();
        let into = Arc::clone(&received);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
            let _ = end.send(());
        });
        Self {
            what: what.to_owned(),
            input: Some(input),
            received,
            ended,
            client,
        }
    }

    /// Sends bytes. That the other side has closed meanwhile is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = match self.input.as_mut().expect("the sending side is open") {
            Input::Tls(input) => input.write_all(bytes).and_then(|()| input.flush()),
            Input::Tcp(stream) => stream.write_all(bytes),
        };
    }

    /// Sends a whole netstring.
    pub fn send_frame(&mut self, payload: &[u8]) {
        let mut frame = format!("{}:", payload.len()).into_bytes();
        frame.extend_from_slice(payload);
        frame.push(b',');
        self.send(&frame);
    }

    /// What has come so far.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    /// Waits until some text has come.
    pub fn expect(&self, text: &str) {
        super::support::wait_for(
            &format!("{}: '{text}' to come", self.what),
            || self.received(),
            || self.received().contains(text).then_some(()),
        );
    }

    /// Waits until the other side closes the connection.
    pub fn expect_end(&mut self) {
        let ended = self.ended.recv_timeout(super::support::PATIENCE);
        assert!(
            ended.is_ok(),
            "{}: not closed; received: {}",
            self.what,
            self.received()
        );
    }

    /// Whether the other side keeps the connection for this long.
    pub fn stays(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time).is_err()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(Input::Tcp(stream)) = &self.input {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        self.input = None;
        if let Some(client) = &mut self.client {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}
