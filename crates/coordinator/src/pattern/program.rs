//! What a pattern does with a text: all ways at once, a character at a time (Thompson's construction, Pike's machine without captures).
//! No way is ever gone twice, so a text takes no longer than its characters times the steps of the pattern.

use super::class::{Class, without_case};
use super::parse::{Assertion, Node};
use std::sync::Arc;

/// Steps of one pattern, and places that are looked at when it is made: ten thousand counted characters and a little. A text of a hundred
/// characters takes at most so many hundred steps, some milliseconds.
pub const MAX_STEPS: usize = 10_240;

#[derive(Debug, Clone)]
enum Step {
    Char(char),
    AnyCase(char),
    Class(Arc<Class>),
    Assertion(Assertion),
    /// Both ways.
    Split(usize, usize),
    Jump(usize),
    Done,
}

/// The steps of a pattern.
#[derive(Debug, Clone)]
pub struct Program {
    steps: Vec<Step>,
}

impl Program {
    /// `None` if it would be too large.
    pub fn of(node: &Node) -> Option<Program> {
        let mut maker = Maker { steps: Vec::new(), work: 0 };
        maker.make(node)?;
        maker.push(Step::Done)?;
        Some(Program { steps: maker.steps })
    }

    pub fn matches(&self, text: &str) -> bool {
        let mut ways = Ways::of(self.steps.len());
        let mut next_ways = Ways::of(self.steps.len());
        let mut characters = text.chars().peekable();
        let mut between = Between { before: None, after: characters.peek().copied() };
        ways.go(&self.steps, 0, between);
        while let Some(c) = characters.next() {
            between = Between { before: Some(c), after: characters.peek().copied() };
            for at in ways.reached.iter().copied() {
                let goes_on = match &self.steps[at] {
                    Step::Char(wanted) => *wanted == c,
                    Step::AnyCase(wanted) => *wanted == without_case(c),
                    Step::Class(class) => class.contains(c),
                    Step::Assertion(_) | Step::Split(..) | Step::Jump(_) | Step::Done => false,
                };
                if goes_on {
                    next_ways.go(&self.steps, at + 1, between);
                }
            }
            std::mem::swap(&mut ways, &mut next_ways);
            next_ways.clear();
            if ways.reached.is_empty() {
                return false;
            }
        }
        ways.reached.iter().any(|at| matches!(self.steps[*at], Step::Done))
    }
}

struct Maker {
    steps: Vec<Step>,
    /// Nodes that were looked at, again for each repetition: nothing may be repeated without end for nothing.
    work: usize,
}

impl Maker {
    fn push(&mut self, step: Step) -> Option<usize> {
        if self.steps.len() >= MAX_STEPS {
            return None;
        }
        self.steps.push(step);
        Some(self.steps.len() - 1)
    }

    fn make(&mut self, node: &Node) -> Option<()> {
        self.work += 1;
        if self.work > MAX_STEPS {
            return None;
        }
        match node {
            Node::Empty => {}
            Node::Char(c, false) => drop(self.push(Step::Char(*c))?),
            Node::Char(c, true) => drop(self.push(Step::AnyCase(*c))?),
            Node::Class(class) => drop(self.push(Step::Class(class.clone()))?),
            Node::Assertion(assertion) => drop(self.push(Step::Assertion(*assertion))?),
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.make(node))?,
            Node::Either(ways) => self.make_either(ways)?,
            Node::Repeated(node, min, max) => self.make_repeated(node, *min, *max)?,
        }
        Some(())
    }

    fn make_either(&mut self, ways: &[Node]) -> Option<()> {
        let (mut ends, last) = (Vec::new(), ways.len().saturating_sub(1));
        for (number, way) in ways.iter().enumerate() {
            if number == last {
                self.make(way)?;
                break;
            }
            let split = self.push(Step::Split(0, 0))?;
            self.make(way)?;
            ends.push(self.push(Step::Jump(0))?);
            self.steps[split] = Step::Split(split + 1, self.steps.len());
        }
        let end = self.steps.len();
        ends.into_iter().for_each(|at| self.steps[at] = Step::Jump(end));
        Some(())
    }

    fn make_repeated(&mut self, node: &Node, min: u32, max: Option<u32>) -> Option<()> {
        for _ in 0..min {
            self.make(node)?;
        }
        match max {
            None => {
                let split = self.push(Step::Split(0, 0))?;
                self.make(node)?;
                self.push(Step::Jump(split))?;
                self.steps[split] = Step::Split(split + 1, self.steps.len());
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Step::Split(0, 0))?);
                    self.make(node)?;
                }
                let end = self.steps.len();
                splits.into_iter().for_each(|at| self.steps[at] = Step::Split(at + 1, end));
            }
        }
        Some(())
    }
}

/// The characters before and after a place in the text.
#[derive(Clone, Copy)]
struct Between {
    before: Option<char>,
    after: Option<char>,
}

impl Between {
    fn holds(self, assertion: Assertion) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let at_boundary = is_word(self.before) != is_word(self.after);
        match assertion {
            Assertion::BeginText => self.before.is_none(),
            Assertion::EndText => self.after.is_none(),
            Assertion::BeginLine => self.before.is_none_or(|c| c == '\n'),
            Assertion::EndLine => self.after.is_none_or(|c| c == '\n'),
            Assertion::WordBoundary => at_boundary,
            Assertion::NoWordBoundary => !at_boundary,
        }
    }
}

/// Steps that were reached, each once.
struct Ways {
    seen: Vec<bool>,
    /// Of these, in the order in which they were seen: those that wait for a character, and the end.
    reached: Vec<usize>,
    /// All that were seen.
    marked: Vec<usize>,
    /// Room for the steps that are still to be looked at.
    open: Vec<usize>,
}

impl Ways {
    fn of(steps: usize) -> Ways {
        Ways { seen: vec![false; steps], reached: Vec::new(), marked: Vec::new(), open: Vec::new() }
    }

    fn clear(&mut self) {
        for at in self.marked.drain(..) {
            self.seen[at] = false;
        }
        self.reached.clear();
    }

    /// Reaches a step, and whatever it leads to without a character.
    fn go(&mut self, steps: &[Step], at: usize, between: Between) {
        self.open.push(at);
        while let Some(at) = self.open.pop() {
            if std::mem::replace(&mut self.seen[at], true) {
                continue;
            }
            self.marked.push(at);
            match &steps[at] {
                Step::Jump(to) => self.open.push(*to),
                Step::Split(one, other) => self.open.extend([*other, *one]),
                Step::Assertion(assertion) if between.holds(*assertion) => self.open.push(at + 1),
                Step::Assertion(_) => {}
                Step::Char(_) | Step::AnyCase(_) | Step::Class(_) | Step::Done => self.reached.push(at),
            }
        }
    }
}
