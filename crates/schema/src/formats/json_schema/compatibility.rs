//! Whether whatever was valid by one JSON Schema is valid by another: Confluent's rules, which follow the content models (open, partially
//! open, closed). Circles are taken as compatible and looked at again until nothing changes; the number of comparisons is bounded.

use super::rules::{self, Rule};
use super::{Arrays, Criterion, Id, JsonSchema, Numbers, Objects, Shape, Strings};
use crate::formats::terms::{Incompatibility, Roles};
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of parts compared and differences found at most, a second's work; whoever needs more is told that it is too much.
const COMPARISONS_MAX: usize = 200_000;

/// Parts within each other that are compared at most.
const DEPTH_MAX: usize = 400;

/// Differences that are told.
const TOLD_MAX: usize = 1_000;

/// Why `reader` refuses what was valid by `writer`; nothing where it does not.
pub fn incompatibilities(
    reader: &JsonSchema,
    writer: &JsonSchema,
    roles: Roles,
    lenient: bool,
) -> Vec<Incompatibility> {
    let mut refuted = BTreeMap::new();
    let mut left = COMPARISONS_MAX;
    loop {
        let mut comparison = Comparison {
            old: writer,
            new: reader,
            lenient,
            known: BTreeMap::new(),
            refuted: &refuted,
            trusted: false,
            left,
            depth: 0,
        };
        let mut path = Vec::new();
        let found = comparison.parts(writer.root, reader.root, &mut path);
        let (trusted, known) = (comparison.trusted, comparison.known);
        left = comparison.left;
        let now: BTreeMap<(Id, Id), Found> = known
            .into_iter()
            .filter_map(|(pair, state)| match state {
                State::Done(found) if !found.is_empty() => Some((pair, found)),
                State::Done(_) | State::OnItsWay => None,
            })
            .collect();
        if !trusted || now.keys().eq(refuted.keys()) || left == 0 {
            return found.into_iter().take(TOLD_MAX).map(|one| one.told(roles)).collect();
        }
        refuted = now;
    }
}

/// A broken rule and where.
#[derive(Debug, Clone)]
struct Broken {
    rule: &'static Rule,
    path: String,
}

impl Broken {
    fn told(self, roles: Roles) -> Incompatibility {
        Incompatibility {
            rule: self.rule.name,
            description: format!("{} at path '{}'", self.rule.sentence.replace('%', roles.reader), self.path),
            path: self.path,
            detail: String::new(),
        }
    }
}

enum State {
    OnItsWay,
    Done(Vec<Broken>),
}

struct Comparison<'a> {
    /// By which data were valid.
    old: &'a JsonSchema,
    /// By which they shall be.
    new: &'a JsonSchema,
    lenient: bool,
    known: BTreeMap<(Id, Id), State>,
    /// Pairs that an earlier round found wanting.
    refuted: &'a BTreeMap<(Id, Id), Found>,
    /// A circle was taken as compatible on trust.
    trusted: bool,
    left: usize,
    depth: usize,
}

type Path = Vec<String>;
type Found = Vec<Broken>;

impl Comparison<'_> {
    fn broken(&self, rule: &'static Rule, path: &Path) -> Found {
        if self.lenient && rule.lenient {
            return Vec::new();
        }
        vec![Broken { rule, path: format!("#/{}", path.join("/")) }]
    }

    fn at(&self, rule: &'static Rule, path: &mut Path, step: &str) -> Found {
        within(path, step, |path| self.broken(rule, path))
    }

    /// Two parts of which either may be missing, which is a part that takes anything.
    fn maybe(&mut self, old: Option<Id>, new: Option<Id>, path: &mut Path) -> Found {
        match (old, new) {
            (_, None) => Vec::new(),
            (None, Some(_)) => self.broken(&rules::SCHEMA_ADDED, path),
            (Some(old), Some(new)) => self.parts(old, new, path),
        }
    }

    fn parts(&mut self, old: Id, new: Id, path: &mut Path) -> Found {
        let pair = (self.old.part(old), self.new.part(new));
        match self.known.get(&pair) {
            Some(State::Done(found)) => {
                self.left = self.left.saturating_sub(found.len());
                return found.clone();
            }
            Some(State::OnItsWay) => {
                let refuted = self.refuted.get(&pair).cloned();
                self.trusted |= refuted.is_none();
                return refuted.unwrap_or_default();
            }
            None => {}
        }
        if self.left == 0 || self.depth == DEPTH_MAX {
            return self.broken(&rules::TOO_MANY_COMPARISONS, path);
        }
        self.left -= 1;
        self.depth += 1;
        self.known.insert(pair, State::OnItsWay);
        let mut found = self.shapes(pair.0, pair.1, path);
        found.truncate(TOLD_MAX);
        self.left = self.left.saturating_sub(found.len());
        self.known.insert(pair, State::Done(found.clone()));
        self.depth -= 1;
        found
    }

    fn shapes(&mut self, old: Id, new: Id, path: &mut Path) -> Found {
        let (olds, news) = (self.old, self.new);
        match (&olds.parts[old].shape, &news.parts[new].shape) {
            (Shape::Combined(from, ours), Shape::Combined(to, theirs)) => {
                return self.combined((*from, ours), (*to, theirs), path);
            }
            (_, Shape::Combined(criterion, branches)) => {
                let suffices = branches.len() == 1 || matches!(criterion, Criterion::Any | Criterion::One);
                if suffices && branches.iter().any(|branch| self.parts(old, *branch, path).is_empty()) {
                    return Vec::new();
                }
            }
            (Shape::Combined(criterion, branches), _) => {
                let suffices = branches.len() == 1 || *criterion == Criterion::All;
                if suffices && branches.iter().any(|branch| self.parts(*branch, new, path).is_empty()) {
                    return Vec::new();
                }
            }
            (_, _) => {}
        }
        match (&olds.parts[old].shape, &news.parts[new].shape) {
            (Shape::Nothing, _) | (_, Shape::Anything) => Vec::new(),
            (Shape::String(from), Shape::String(to)) => self.strings(from, to, path),
            (Shape::Number(from), Shape::Number(to)) => self.numbers(from, to, path),
            (Shape::Boolean, Shape::Boolean)
            | (Shape::Null, Shape::Null)
            | (Shape::Conditional(_), Shape::Conditional(_)) => Vec::new(),
            (Shape::Const(from), Shape::Const(to)) if from == to => Vec::new(),
            (Shape::Const(_), Shape::Const(_)) => self.at(&rules::ENUM_ARRAY_CHANGED, path, "const"),
            (Shape::Enum(from), Shape::Enum(to)) if from.is_subset(to) => Vec::new(),
            (Shape::Enum(from), Shape::Enum(to)) if to.is_subset(from) => {
                self.at(&rules::ENUM_ARRAY_NARROWED, path, "enum")
            }
            (Shape::Enum(_), Shape::Enum(_)) => self.at(&rules::ENUM_ARRAY_CHANGED, path, "enum"),
            (Shape::Not(from), Shape::Not(to)) => self.not(*from, *to, path),
            (Shape::Object(from), Shape::Object(to)) => self.objects(from, to, path),
            (Shape::Array(from), Shape::Array(to)) => self.arrays(from, to, path),
            (_, _) if olds.parts[old].connect_bytes && news.parts[new].connect_bytes => Vec::new(),
            (_, _) => self.broken(&rules::TYPE_CHANGED, path),
        }
    }

    /// What is excluded may become less: the roles are exchanged.
    fn not(&mut self, old: Id, new: Id, path: &mut Path) -> Found {
        let reversed = incompatibilities_of_parts(self, new, old);
        if reversed { self.at(&rules::NOT_TYPE_EXTENDED, path, "not") } else { Vec::new() }
    }

    fn combined(
        &mut self,
        (from, olds): (Criterion, &[Id]),
        (to, news): (Criterion, &[Id]),
        path: &mut Path,
    ) -> Found {
        let (one_old, one_new) = (olds.len() == 1, news.len() == 1);
        let goes = from == to
            || to == Criterion::Any
            || (one_old && one_new)
            || (one_old && to == Criterion::One)
            || (one_new && from == Criterion::All);
        if !goes {
            return self.broken(&rules::COMBINED_TYPE_CHANGED, path);
        }
        let mut found = Vec::new();
        if olds.len() < news.len() && to == Criterion::All {
            found.extend(self.broken(&rules::PRODUCT_TYPE_EXTENDED, path));
        }
        if olds.len() > news.len() && from != Criterion::All {
            found.extend(self.broken(&rules::SUM_TYPE_NARROWED, path));
        }
        let mut fits = Vec::with_capacity(olds.len());
        for (index, old) in olds.iter().enumerate() {
            let step = format!("{}/{index}", from.word());
            fits.push(within(path, &step, |path| {
                (0..news.len())
                    .filter(|new| self.parts(*old, news[*new], path).is_empty())
                    .collect::<Vec<usize>>()
            }));
        }
        if matched(&fits, news.len()) < olds.len().min(news.len()) {
            found.extend(self.broken(&rules::COMBINED_TYPE_SUBSCHEMAS_CHANGED, path));
        }
        found
    }

    fn strings(&self, old: &Strings, new: &Strings, path: &mut Path) -> Found {
        let mut found = Vec::new();
        let most = [&rules::MAX_LENGTH_ADDED, &rules::MAX_LENGTH_DECREASED];
        found.extend(self.most(old.max_length, new.max_length, most, path, "maxLength"));
        let least = [&rules::MIN_LENGTH_ADDED, &rules::MIN_LENGTH_INCREASED];
        found.extend(self.least(old.min_length, new.min_length, least, path, "minLength"));
        match (&old.pattern, &new.pattern) {
            (None, Some(_)) => found.extend(self.at(&rules::PATTERN_ADDED, path, "pattern")),
            (Some(from), Some(to)) if from != to => {
                found.extend(self.at(&rules::PATTERN_CHANGED, path, "pattern"))
            }
            (_, _) => {}
        }
        found
    }

    fn numbers(&self, old: &Numbers, new: &Numbers, path: &mut Path) -> Found {
        let mut found = Vec::new();
        let most = [&rules::MAXIMUM_ADDED, &rules::MAXIMUM_DECREASED];
        found.extend(self.most(old.maximum, new.maximum, most, path, "maximum"));
        let least = [&rules::MINIMUM_ADDED, &rules::MINIMUM_INCREASED];
        found.extend(self.least(old.minimum, new.minimum, least, path, "minimum"));
        let most = [&rules::EXCLUSIVE_MAXIMUM_ADDED, &rules::EXCLUSIVE_MAXIMUM_DECREASED];
        found.extend(self.most(old.exclusive_maximum, new.exclusive_maximum, most, path, "exclusiveMaximum"));
        let least = [&rules::EXCLUSIVE_MINIMUM_ADDED, &rules::EXCLUSIVE_MINIMUM_INCREASED];
        found.extend(self.least(
            old.exclusive_minimum,
            new.exclusive_minimum,
            least,
            path,
            "exclusiveMinimum",
        ));
        let rule = match (&old.multiple_of, &new.multiple_of) {
            (_, None) => None,
            (None, Some(_)) => Some(&rules::MULTIPLE_OF_ADDED),
            (Some(from), Some(to)) => match decimals(from, to) {
                Some((from, to)) if to != 0 && from % to == 0 => None,
                Some((from, to)) if from != 0 && to % from == 0 => Some(&rules::MULTIPLE_OF_EXPANDED),
                Some(_) => Some(&rules::MULTIPLE_OF_CHANGED),
                None if from == to => None,
                None => Some(&rules::MULTIPLE_OF_CHANGED),
            },
        };
        found.extend(rule.map(|rule| self.at(rule, path, "multipleOf")).unwrap_or_default());
        if new.integer && !old.integer {
            found.extend(self.broken(&rules::TYPE_NARROWED, path));
        }
        found
    }

    fn objects(&mut self, old: &Objects, new: &Objects, path: &mut Path) -> Found {
        let mut found = self.required(old, new, path);
        found.extend(within(path, "properties", |path| {
            let names: BTreeSet<&String> = old.properties.keys().chain(new.properties.keys()).collect();
            let mut found = Vec::new();
            for name in names {
                found.extend(within(path, name, |path| {
                    match (old.properties.get(name), new.properties.get(name)) {
                        (Some(from), Some(to)) => self.parts(*from, *to, path),
                        (Some(from), None) => self.property_removed(name, *from, new, path),
                        (None, Some(to)) => self.property_added(name, *to, old, new, path),
                        (None, None) => Vec::new(),
                    }
                }));
            }
            found
        }));
        found.extend(within(path, "dependencies", |path| self.dependencies(old, new, path)));
        found.extend(within(path, "additionalProperties", |path| {
            if old.permits_additional != new.permits_additional {
                let removed = old.permits_additional;
                return if removed {
                    self.broken(&rules::ADDITIONAL_PROPERTIES_REMOVED, path)
                } else {
                    Vec::new()
                };
            }
            match (old.additional, new.additional) {
                (None, Some(_)) => self.broken(&rules::ADDITIONAL_PROPERTIES_NARROWED, path),
                (from, to) => self.maybe(from, to, path),
            }
        }));
        let rules = [&rules::UNEVALUATED_PROPERTIES_REMOVED, &rules::UNEVALUATED_PROPERTIES_NARROWED];
        found.extend(within(path, "unevaluatedProperties", |path| {
            self.unevaluated(old.unevaluated, new.unevaluated, rules, path)
        }));
        let most = [&rules::MAX_PROPERTIES_ADDED, &rules::MAX_PROPERTIES_DECREASED];
        found.extend(self.most(old.max_properties, new.max_properties, most, path, "maxProperties"));
        let least = [&rules::MIN_PROPERTIES_ADDED, &rules::MIN_PROPERTIES_INCREASED];
        found.extend(self.least(old.min_properties, new.min_properties, least, path, "minProperties"));
        found
    }

    fn required(&mut self, old: &Objects, new: &Objects, path: &mut Path) -> Found {
        let mut found = Vec::new();
        for (name, id) in new.properties.iter().filter(|(name, _)| old.properties.contains_key(*name)) {
            let added = new.required.contains(name) && !old.required.contains(name);
            if added && !self.new.parts[*id].has_default {
                found.extend(self.at(&rules::REQUIRED_ATTRIBUTE_ADDED, path, &format!("required/{name}")));
            }
        }
        found
    }

    fn property_removed(&mut self, name: &str, from: Id, new: &Objects, path: &mut Path) -> Found {
        if new.is_open(self.new) {
            return Vec::new();
        }
        match new.cover(self.new, name) {
            Some(cover) => {
                let mut found = self.parts(from, cover, path);
                if !found.is_empty() {
                    let rule = &rules::PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                    found.extend(self.broken(rule, path));
                }
                found
            }
            None if matches!(self.old.parts[self.old.part(from)].shape, Shape::Nothing) => Vec::new(),
            None => self.broken(&rules::PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL, path),
        }
    }

    fn property_added(&mut self, name: &str, to: Id, old: &Objects, new: &Objects, path: &mut Path) -> Found {
        let (required, has_default) = (new.required.contains(name), self.new.parts[to].has_default);
        if old.is_open(self.old) {
            return match (&self.new.parts[to].shape, required, has_default) {
                (Shape::Anything, _, _) => Vec::new(),
                (_, true, true) => {
                    self.broken(&rules::REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL, path)
                }
                (_, true, false) => self.broken(&rules::REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL, path),
                (_, false, _) => self.broken(&rules::OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL, path),
            };
        }
        let mut found = Vec::new();
        if let Some(cover) = old.cover(self.old, name) {
            found = self.parts(cover, to, path);
            if !found.is_empty() {
                let rule = &rules::PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                found.extend(self.broken(rule, path));
            }
        }
        if required && !has_default {
            found.extend(self.broken(&rules::REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL, path));
        }
        found
    }

    fn dependencies(&mut self, old: &Objects, new: &Objects, path: &mut Path) -> Found {
        let mut found = Vec::new();
        for (name, to) in &new.dependent_required {
            let rule = match old.dependent_required.get(name) {
                None => Some(&rules::DEPENDENCY_ARRAY_ADDED),
                Some(from) if to.is_subset(from) => None,
                Some(from) if from.is_subset(to) => Some(&rules::DEPENDENCY_ARRAY_EXTENDED),
                Some(_) => Some(&rules::DEPENDENCY_ARRAY_CHANGED),
            };
            found.extend(rule.map(|rule| self.at(rule, path, name)).unwrap_or_default());
        }
        for (name, to) in &new.dependent_schemas {
            found.extend(within(path, name, |path| match old.dependent_schemas.get(name) {
                None => self.broken(&rules::DEPENDENCY_SCHEMA_ADDED, path),
                Some(from) => self.parts(*from, *to, path),
            }));
        }
        found
    }

    fn arrays(&mut self, old: &Arrays, new: &Arrays, path: &mut Path) -> Found {
        let mut found = within(path, "items", |path| self.maybe(old.every, new.every, path));
        found.extend(self.places(old, new, path));
        found.extend(within(path, "additionalItems", |path| {
            if old.permits_additional != new.permits_additional {
                let removed = old.permits_additional;
                return if removed {
                    self.broken(&rules::ADDITIONAL_ITEMS_REMOVED, path)
                } else {
                    Vec::new()
                };
            }
            match (old.additional, new.additional) {
                (None, Some(_)) => self.broken(&rules::ADDITIONAL_ITEMS_NARROWED, path),
                (from, to) => self.maybe(from, to, path),
            }
        }));
        let rules = [&rules::UNEVALUATED_ITEMS_REMOVED, &rules::UNEVALUATED_ITEMS_NARROWED];
        found.extend(within(path, "unevaluatedItems", |path| {
            self.unevaluated(old.unevaluated, new.unevaluated, rules, path)
        }));
        let most = [&rules::MAX_ITEMS_ADDED, &rules::MAX_ITEMS_DECREASED];
        found.extend(self.most(old.max_items, new.max_items, most, path, "maxItems"));
        let least = [&rules::MIN_ITEMS_ADDED, &rules::MIN_ITEMS_INCREASED];
        found.extend(self.least(old.min_items, new.min_items, least, path, "minItems"));
        let most = [&rules::MAX_CONTAINS_ADDED, &rules::MAX_CONTAINS_DECREASED];
        found.extend(self.most(old.max_contains, new.max_contains, most, path, "maxContains"));
        let least = [&rules::MIN_CONTAINS_ADDED, &rules::MIN_CONTAINS_INCREASED];
        found.extend(self.least(old.min_contains, new.min_contains, least, path, "minContains"));
        if new.unique && !old.unique {
            found.extend(self.at(&rules::UNIQUE_ITEMS_ADDED, path, "uniqueItems"));
        }
        found
    }

    fn places(&mut self, old: &Arrays, new: &Arrays, path: &mut Path) -> Found {
        let mut found = Vec::new();
        for index in 0..old.places.len().max(new.places.len()) {
            let pair = (old.places.get(index).copied(), new.places.get(index).copied());
            found.extend(within(path, &format!("items/{index}"), |path| match pair {
                (Some(from), Some(to)) => self.parts(from, to, path),
                (Some(from), None) => self.item_removed(from, new, path),
                (None, Some(to)) => self.item_added(to, old, path),
                (None, None) => Vec::new(),
            }));
        }
        found
    }

    fn item_removed(&mut self, from: Id, new: &Arrays, path: &mut Path) -> Found {
        if new.is_open(self.new) {
            return Vec::new();
        }
        match new.cover(self.new) {
            Some(cover) => {
                let mut found = self.parts(from, cover, path);
                if !found.is_empty() {
                    let rule = &rules::ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL;
                    found.extend(self.broken(rule, path));
                }
                found
            }
            None if matches!(self.old.parts[self.old.part(from)].shape, Shape::Nothing) => Vec::new(),
            None => self.broken(&rules::ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL, path),
        }
    }

    fn item_added(&mut self, to: Id, old: &Arrays, path: &mut Path) -> Found {
        if old.is_open(self.old) {
            let anything = matches!(self.new.parts[to].shape, Shape::Anything);
            return if anything {
                Vec::new()
            } else {
                self.broken(&rules::ITEM_ADDED_TO_OPEN_CONTENT_MODEL, path)
            };
        }
        let Some(cover) = old.cover(self.old) else { return Vec::new() };
        let mut found = self.parts(cover, to, path);
        if !found.is_empty() {
            found.extend(self.broken(&rules::ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL, path));
        }
        found
    }

    fn unevaluated(
        &mut self,
        old: Option<Id>,
        new: Option<Id>,
        [removed, narrowed]: [&'static Rule; 2],
        path: &mut Path,
    ) -> Found {
        let Some(to) = new else { return Vec::new() };
        let shape = |schema: &JsonSchema, id: Id| match &schema.parts[schema.part(id)].shape {
            Shape::Nothing => Some(false),
            Shape::Anything => Some(true),
            _some => None,
        };
        let (from, to_is) = (old.map(|from| shape(self.old, from)), shape(self.new, to));
        match (from, to_is) {
            (Some(Some(false)), _) => Vec::new(),
            (_, Some(false)) => self.broken(removed, path),
            (None | Some(Some(true)), None) => self.broken(narrowed, path),
            (None, Some(true)) => self.broken(narrowed, path),
            (Some(_), Some(true)) => Vec::new(),
            (Some(None), None) => self.maybe(old, new, path),
        }
    }

    fn most<T: PartialOrd>(
        &self,
        old: Option<T>,
        new: Option<T>,
        [added, decreased]: [&'static Rule; 2],
        path: &mut Path,
        step: &str,
    ) -> Found {
        match (old, new) {
            (None, Some(_)) => self.at(added, path, step),
            (Some(from), Some(to)) if to < from => self.at(decreased, path, step),
            (_, _) => Vec::new(),
        }
    }

    fn least<T: PartialOrd>(
        &self,
        old: Option<T>,
        new: Option<T>,
        [added, increased]: [&'static Rule; 2],
        path: &mut Path,
        step: &str,
    ) -> Found {
        match (old, new) {
            (None, Some(_)) => self.at(added, path, step),
            (Some(from), Some(to)) if to > from => self.at(increased, path, step),
            (_, _) => Vec::new(),
        }
    }
}

/// Whether the exchanged pair is incompatible; with what is left of the budget.
fn incompatibilities_of_parts(outer: &mut Comparison, new: Id, old: Id) -> bool {
    let nothing = BTreeMap::new();
    let mut comparison = Comparison {
        old: outer.new,
        new: outer.old,
        lenient: outer.lenient,
        known: BTreeMap::new(),
        refuted: &nothing,
        trusted: false,
        left: outer.left,
        depth: outer.depth,
    };
    let found = comparison.parts(new, old, &mut Vec::new());
    outer.left = comparison.left;
    !found.is_empty()
}

impl Objects {
    /// Takes properties that it does not name, with any value.
    fn is_open(&self, schema: &JsonSchema) -> bool {
        self.permits_additional
            && self.additional.is_none()
            && self.patterns.is_empty()
            && self
                .unevaluated
                .is_none_or(|id| matches!(schema.parts[schema.part(id)].shape, Shape::Anything))
    }

    /// What it asks of a property that it does not name, if it takes it at all and asks for something.
    fn cover(&self, schema: &JsonSchema, name: &str) -> Option<Id> {
        let matching = |(pattern, id): &(Option<regex_lite::Regex>, Id)| {
            pattern.as_ref().is_some_and(|pattern| pattern.is_match(name)).then_some(*id)
        };
        let pattern = self.patterns.iter().find_map(matching);
        pattern.or(self.additional).or_else(|| limiting(schema, self.permits_additional, self.unevaluated))
    }
}

impl Arrays {
    fn is_open(&self, schema: &JsonSchema) -> bool {
        self.permits_additional
            && self.additional.is_none()
            && self
                .unevaluated
                .is_none_or(|id| matches!(schema.parts[schema.part(id)].shape, Shape::Anything))
    }

    fn cover(&self, schema: &JsonSchema) -> Option<Id> {
        self.additional.or_else(|| limiting(schema, self.permits_additional, self.unevaluated))
    }
}

fn limiting(schema: &JsonSchema, permits: bool, unevaluated: Option<Id>) -> Option<Id> {
    let asks = |id: &Id| !matches!(schema.parts[schema.part(*id)].shape, Shape::Anything | Shape::Nothing);
    unevaluated.filter(|id| permits && asks(id))
}

impl Criterion {
    fn word(self) -> &'static str {
        match self {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        }
    }
}

fn within<T>(path: &mut Path, step: &str, work: impl FnOnce(&mut Path) -> T) -> T {
    path.push(step.to_owned());
    let done = work(path);
    path.pop();
    done
}

/// How many on the left can have one of their own on the right: the largest matching, by augmenting paths.
fn matched(fits: &[Vec<usize>], right: usize) -> usize {
    fn place(left: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
        for &right in &fits[left] {
            if std::mem::replace(&mut seen[right], true) {
                continue;
            }
            if taken[right].is_none_or(|other| place(other, fits, taken, seen)) {
                taken[right] = Some(left);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; right];
    // The depth of an augmenting path is bounded by the branches of one combination.
    (0..fits.len().min(1_000)).filter(|left| place(*left, fits, &mut taken, &mut vec![false; right])).count()
}

/// Two numbers as whole multiples of one power of ten; `None` where they are too far from each other.
pub(super) fn decimals(one: &str, other: &str) -> Option<(i128, i128)> {
    fn parsed(text: &str) -> Option<(i128, i32)> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let exponent: i32 = exponent.trim_start_matches('+').parse().ok()?;
        Some((digits, exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?))
    }
    let ((a, a_exponent), (b, b_exponent)) = (parsed(one)?, parsed(other)?);
    let least = a_exponent.min(b_exponent);
    let raised = |digits: i128, exponent: i32| {
        let power = u32::try_from(exponent.checked_sub(least)?).ok()?;
        digits.checked_mul(10i128.checked_pow(power)?)
    };
    Some((raised(a, a_exponent)?, raised(b, b_exponent)?))
}
