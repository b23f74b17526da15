//! What the product says of itself while a seed is replayed, between the lines of the trace and with the machine that says it. Owns no state
//! of the run: what is told or not told changes nothing of the way that a seed takes.

use std::cell::Cell;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    /// Whose node was given time last, and when.
    static GIVEN: Cell<(usize, i64)> = const { Cell::new((0, crate::START_MS)) };
}

/// Prints the lines of all nodes in this process from now on.
pub fn show() {
    // A second time there is nothing to do.
    let _ = tracing::subscriber::set_global_default(Lines);
}

/// This machine's node is given time.
pub(crate) fn of_machine(index: usize, now_ms: i64) {
    GIVEN.set((index, now_ms));
}

struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let (machine, now_ms) = GIVEN.get();
        let at_ms = now_ms - crate::START_MS;
        let level = event.metadata().level();
        println!("{at_ms:>9} ms      {machine}: {level:<5} {}{}", line.message, line.fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
