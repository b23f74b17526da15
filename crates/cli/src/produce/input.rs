//! The input of `ottla produce` as lines. Reads in a thread of its own: standard input may be a terminal, and batches must go
//! while it is silent. Owns the thread, the delimiter, and the gate that ends reading without losing what was read. Knows no
//! record.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines that travel together, so that a channel's cost is shared.
pub type Bundle = io::Result<Vec<Vec<u8>>>;

/// Lines of a bundle at most.
const BUNDLE_LINES: usize = 1000;

/// Between the thread that reads and whoever wants no more. Invariant: while `waiting`, every whole line that was read is in
/// the channel.
#[derive(Debug, Default)]
pub struct Gate {
    closed: AtomicBool,
    /// The thread is in the system call that reads.
    waiting: AtomicBool,
    changed: Notify,
}

impl Gate {
    /// No more is wanted.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
        self.changed.notify_one();
    }

    /// Whether nothing more is wanted.
    pub fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Ends once the gate is closed and the thread waits for somebody to write, maybe for ever. Where it does not wait, it
    /// finds the gate closed the next time it wants to read, and the channel ends. Cancel-safe.
    pub async fn closed_while_waiting(&self) {
        while !(self.is_closed() && self.waiting.load(SeqCst)) {
            self.changed.notified().await;
        }
    }
}

/// An input that ends when the gate is closed.
struct Gated<R> {
    input: R,
    gate: Arc<Gate>,
    /// It ended because the gate was closed.
    is_cut: bool,
}

impl<R: Read> Read for Gated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // First said, then asked: whoever closes the gate asks in the other order, so that one of both notices.
        self.gate.waiting.store(true, SeqCst);
        self.is_cut = self.gate.is_closed();
        let read = if self.is_cut { Ok(0) } else { self.input.read(buffer) };
        self.gate.waiting.store(false, SeqCst);
        read
    }
}

/// Starts to read; the channel ends with the input, or when the gate is closed.
pub fn lines(input: impl Read + Send + 'static, delimiter: Vec<u8>, gate: Arc<Gate>) -> Receiver<Bundle> {
    let (lines, received) = channel(16);
    std::thread::spawn(move || {
        let input = BufReader::with_capacity(1 << 16, Gated { input, gate, is_cut: false });
        read_lines(input, &delimiter, &lines);
    });
    received
}

/// A bundle goes before the input is waited for.
fn read_lines(mut input: BufReader<Gated<impl Read>>, delimiter: &[u8], lines: &Sender<Bundle>) {
    let mut bundle = Vec::new();
    loop {
        match read_until(&mut input, delimiter) {
            // Cut by the gate, not by its writer: half a line is no record.
            Ok(Some(Line { whole: false, .. })) if input.get_ref().is_cut => break,
            Ok(Some(line)) => bundle.push(line.bytes),
            Ok(None) => break,
            Err(error) => {
                let _nobody_reads =
                    lines.blocking_send(Ok(bundle)).and_then(|()| lines.blocking_send(Err(error)));
                return;
            }
        }
        if (bundle.len() >= BUNDLE_LINES || !has_line(input.buffer(), delimiter))
            && lines.blocking_send(Ok(std::mem::take(&mut bundle))).is_err()
        {
            return;
        }
    }
    let _nobody_reads = lines.blocking_send(Ok(bundle));
}

fn has_line(buffer: &[u8], delimiter: &[u8]) -> bool {
    match delimiter {
        [byte] => buffer.contains(byte),
        _longer => buffer.windows(delimiter.len()).any(|window| window == delimiter),
    }
}

/// One record without its delimiter.
struct Line {
    bytes: Vec<u8>,
    /// It had one.
    whole: bool,
}

/// The next line; `None` at the end.
fn read_until(input: &mut impl BufRead, delimiter: &[u8]) -> io::Result<Option<Line>> {
    let (Some(&last), mut bytes) = (delimiter.last(), Vec::new()) else { return Ok(None) };
    loop {
        let read = input.read_until(last, &mut bytes)?;
        if bytes.ends_with(delimiter) {
            bytes.truncate(bytes.len() - delimiter.len());
            return Ok(Some(Line { bytes, whole: true }));
        }
        if read == 0 {
            return Ok(if bytes.is_empty() { None } else { Some(Line { bytes, whole: false }) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn split(text: &str, delimiter: &str) -> Vec<String> {
        let mut input = text.as_bytes();
        std::iter::from_fn(|| read_until(&mut input, delimiter.as_bytes()).expect("readable"))
            .map(|line| String::from_utf8(line.bytes).expect("text"))
            .collect()
    }

    #[test]
    fn input_is_split_at_the_delimiter() {
        assert_eq!(split("a\nb\n", "\n"), ["a", "b"]);
        assert_eq!(split("a\n\nb", "\n"), ["a", "", "b"]);
        assert_eq!(split("a;b;;c;;", ";;"), ["a;b", "c"]);
        assert!(split("", "\n").is_empty());
    }

    /// An input in pieces; without a piece it waits, and the end is that nobody has any more.
    struct Pieces(mpsc::Receiver<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Ok(piece) = self.0.recv() else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn texts(bundle: Bundle) -> Vec<String> {
        let text = |line: Vec<u8>| String::from_utf8(line).expect("text");
        bundle.expect("readable").into_iter().map(text).collect()
    }

    #[test]
    fn whole_lines_go_while_half_a_line_is_waited_for() {
        let (pieces, input) = mpsc::channel::<&[u8]>();
        let mut received = lines(Pieces(input), b"\n".to_vec(), Arc::new(Gate::default()));
        pieces.send(b"a\nb\nc").expect("it reads");
        let first: Vec<String> = texts(received.blocking_recv().expect("lines"));
        assert_eq!(first, ["a", "b"]);
        pieces.send(b"d\n").expect("it reads");
        assert_eq!(texts(received.blocking_recv().expect("lines")), ["cd"]);
        drop(pieces);
        assert_eq!(texts(received.blocking_recv().expect("the rest")), Vec::<String>::new());
        assert!(received.blocking_recv().is_none());
    }

    #[tokio::test]
    async fn a_closed_gate_loses_no_line_that_was_read_and_makes_none_of_half_a_line() {
        let (pieces, input) = mpsc::channel::<&[u8]>();
        let gate = Arc::new(Gate::default());
        let mut received = lines(Pieces(input), b"\n".to_vec(), gate.clone());
        pieces.send(b"a\nb\nc").expect("it reads");
        assert_eq!(texts(received.recv().await.expect("lines")), ["a", "b"]);
        gate.close();
        // It waits for the rest of the line, or finds the gate closed before it does.
        let rest = tokio::select! {
            rest = received.recv() => rest.map(texts).unwrap_or_default(),
            () = gate.closed_while_waiting() => Vec::new(),
        };
        assert_eq!(rest, Vec::<String>::new());
        assert_eq!(received.try_recv().map(texts).unwrap_or_default(), Vec::<String>::new());
    }

    #[test]
    fn behind_a_closed_gate_nothing_is_read() {
        let (pieces, input) = mpsc::channel::<&[u8]>();
        let gate = Arc::new(Gate::default());
        gate.close();
        pieces.send(b"a\n").expect("it would read");
        let mut received = lines(Pieces(input), b"\n".to_vec(), gate);
        assert_eq!(texts(received.blocking_recv().expect("the end")), Vec::<String>::new());
        assert!(received.blocking_recv().is_none());
    }
}
