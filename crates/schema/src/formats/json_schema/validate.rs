//! Whether a value is one of a schema's, and if not, where and why. Looks at what the drafts assert, but not at `format` (an annotation by default), at
//! `unevaluatedProperties` and `unevaluatedItems`, and at patterns that no engine of linear time has (look-ahead and the like): these pass.

use super::compatibility::decimals;
use super::{Arrays, Criterion, Id, JsonSchema, Numbers, Objects, Shape, Strings};
use crate::json::{Json, Object};
use regex_lite::Regex;

/// Parts looked at for one value; branches of `anyOf` within each other multiply.
const STEPS_MAX: usize = 1_000_000;

/// Parts within each other.
const DEPTH_MAX: usize = 512;

/// Patterns longer than this are not compiled, as where schemas are compared.
const PATTERN_BYTES_MAX: usize = 1_000;

impl JsonSchema {
    /// Why a value is none of this schema's, with the place in it.
    pub fn validate(&self, value: &Json) -> Result<(), String> {
        Validation { schema: self, left: STEPS_MAX, depth: 0 }.part(self.root, value).map_err(|why| match why
            .is_empty()
        {
            true => "the schema takes no value at all".to_owned(),
            false => why,
        })
    }
}

struct Validation<'a> {
    schema: &'a JsonSchema,
    left: usize,
    depth: usize,
}

type Verdict = Result<(), String>;

impl Validation<'_> {
    fn part(&mut self, id: Id, value: &Json) -> Verdict {
        if self.left == 0 || self.depth == DEPTH_MAX {
            return Err("the schema has too many branches to be looked at".to_owned());
        }
        (self.left, self.depth) = (self.left - 1, self.depth + 1);
        let schema = self.schema;
        let part = &schema.parts[schema.part(id)];
        let verdict = self.shape(&part.shape, part.implied, value);
        self.depth -= 1;
        verdict
    }

    fn holds(&mut self, id: Id, value: &Json) -> bool {
        self.part(id, value).is_ok()
    }

    fn shape(&mut self, shape: &Shape, implied: bool, value: &Json) -> Verdict {
        match (shape, value) {
            // What goes round in a circle of references asks for nothing.
            (Shape::Anything | Shape::Reference(_), _) => Ok(()),
            (Shape::Nothing, _) => Err(format!("nothing may stand here, and {} does", shortened(value))),
            (Shape::String(strings), Json::String(text)) => string(strings, text),
            (Shape::Number(numbers), Json::Number(text)) => number(numbers, text, value),
            (Shape::Boolean, Json::Bool(_)) | (Shape::Null, Json::Null) => Ok(()),
            (Shape::Object(objects), Json::Object(members)) => self.object(objects, members),
            (Shape::Array(arrays), Json::Array(items)) => self.array(arrays, items),
            (Shape::Const(wanted), _) if same(wanted, value) => Ok(()),
            (Shape::Const(wanted), _) => Err(format!("{} is not {wanted}", shortened(value))),
            (Shape::Enum(values), _) if values.iter().any(|one| same(one, value)) => Ok(()),
            (Shape::Enum(_), _) => Err(format!("{} is none of the enum's values", shortened(value))),
            (Shape::Not(id), _) if self.holds(*id, value) => {
                Err(format!("{} is what `not` excludes", shortened(value)))
            }
            (Shape::Not(_), _) => Ok(()),
            (Shape::Combined(criterion, ids), _) => self.combined(*criterion, ids, value),
            (Shape::Conditional([condition, then, other]), _) => {
                let Some(condition) = condition else { return Ok(()) };
                let chosen = if self.holds(*condition, value) { then } else { other };
                chosen.map_or(Ok(()), |id| self.part(id, value))
            }
            (Shape::String(_) | Shape::Number(_) | Shape::Object(_) | Shape::Array(_), _) if implied => {
                Ok(())
            }
            (Shape::String(_), _) => Err(format!("{} is no string", shortened(value))),
            (Shape::Number(_), _) => Err(format!("{} is no number", shortened(value))),
            (Shape::Boolean, _) => Err(format!("{} is no boolean", shortened(value))),
            (Shape::Null, _) => Err(format!("{} is not null", shortened(value))),
            (Shape::Object(_), _) => Err(format!("{} is no object", shortened(value))),
            (Shape::Array(_), _) => Err(format!("{} is no array", shortened(value))),
        }
    }

    fn combined(&mut self, criterion: Criterion, ids: &[Id], value: &Json) -> Verdict {
        if criterion == Criterion::All {
            return ids.iter().try_for_each(|id| self.part(*id, value));
        }
        let (mut fitting, mut first) = (0, None);
        for id in ids {
            match self.part(*id, value) {
                Ok(()) => fitting += 1,
                Err(why) => drop(first.get_or_insert(why)),
            }
            if fitting == 1 && criterion == Criterion::Any {
                return Ok(());
            }
        }
        match fitting {
            0 => Err(format!("no branch takes it: {}", first.unwrap_or_default())),
            1 => Ok(()),
            several => Err(format!("{several} branches of `oneOf` take {}", shortened(value))),
        }
    }

    fn object(&mut self, objects: &Objects, members: &Object) -> Verdict {
        let count = members.len() as i64;
        bounds("properties", count, objects.min_properties, objects.max_properties)?;
        if let Some(missing) = objects.required.iter().find(|name| members.get(name).is_none()) {
            return Err(format!("{missing}: it is required"));
        }
        for (name, value) in members.iter() {
            if let Some(names) = objects.names {
                self.part(names, &Json::from(name)).map_err(|why| format!("the name {name:?}: {why}"))?;
            }
            self.property(objects, name, value).map_err(|why| format!("{name}: {why}"))?;
        }
        for (name, others) in &objects.dependent_required {
            let missing = others.iter().find(|other| members.get(other).is_none());
            if let (Some(_), Some(missing)) = (members.get(name), missing) {
                return Err(format!("{missing}: it is required where {name} is there"));
            }
        }
        for (name, id) in &objects.dependent_schemas {
            if members.get(name).is_some() {
                self.part(*id, &Json::Object(members.clone()))?;
            }
        }
        Ok(())
    }

    fn property(&mut self, objects: &Objects, name: &str, value: &Json) -> Verdict {
        let named = objects.properties.get(name);
        if let Some(id) = named {
            self.part(*id, value)?;
        }
        let mut is_known = named.is_some();
        for (pattern, id) in &objects.patterns {
            match pattern {
                Some(pattern) if pattern.is_match(name) => {
                    is_known = true;
                    self.part(*id, value)?;
                }
                Some(_) => {}
                // Nobody knows whether it would match.
                None => is_known = true,
            }
        }
        match objects.additional {
            _ if is_known => Ok(()),
            Some(id) => self.part(id, value),
            None if objects.permits_additional => Ok(()),
            None => Err("no property of this name is permitted".to_owned()),
        }
    }

    fn array(&mut self, arrays: &Arrays, items: &[Json]) -> Verdict {
        bounds("items", items.len() as i64, arrays.min_items, arrays.max_items)?;
        for (index, item) in items.iter().enumerate() {
            let id = arrays.places.get(index).copied().or(arrays.every).or(arrays.additional);
            let verdict = match id {
                Some(id) => self.part(id, item),
                None if arrays.permits_additional => Ok(()),
                None => Err("no item is permitted here".to_owned()),
            };
            verdict.map_err(|why| format!("[{index}]: {why}"))?;
        }
        if arrays.unique {
            let mut seen = std::collections::BTreeSet::new();
            if let Some(twice) = items.iter().find(|item| !seen.insert(normal(item))) {
                return Err(format!("{} stands twice among unique items", shortened(twice)));
            }
        }
        if let Some(id) = arrays.contains {
            let count = items.iter().filter(|item| self.holds(id, item)).count() as i64;
            bounds(
                "items that it must contain",
                count,
                arrays.min_contains.or(Some(1)),
                arrays.max_contains,
            )?;
        }
        Ok(())
    }
}

fn string(strings: &Strings, text: &str) -> Verdict {
    bounds("letters", text.chars().count() as i64, strings.min_length, strings.max_length)?;
    let pattern = strings.pattern.as_ref().filter(|pattern| pattern.len() <= PATTERN_BYTES_MAX);
    match pattern.and_then(|pattern| Regex::new(pattern).ok()) {
        Some(regex) if !regex.is_match(text) => {
            Err(format!("{} does not match {regex}", shortened(&Json::from(text))))
        }
        _fits => Ok(()),
    }
}

fn number(numbers: &Numbers, text: &str, value: &Json) -> Verdict {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let whole =
        || decimals(text, "1").is_some_and(|(digits, one)| digits % one == 0) || number.fract() == 0.0;
    if numbers.integer && !whole() {
        return Err(format!("{text} is no integer"));
    }
    let broken = [
        ("less than", numbers.minimum, number < numbers.minimum.unwrap_or(f64::NEG_INFINITY)),
        ("more than", numbers.maximum, number > numbers.maximum.unwrap_or(f64::INFINITY)),
        (
            "not more than",
            numbers.exclusive_minimum,
            numbers.exclusive_minimum.is_some_and(|least| number <= least),
        ),
        (
            "not less than",
            numbers.exclusive_maximum,
            numbers.exclusive_maximum.is_some_and(|most| number >= most),
        ),
    ];
    if let Some((how, Some(bound), _)) = broken.iter().find(|(_, _, broken)| *broken) {
        return Err(format!("{text} is {how} {bound}"));
    }
    let Some(step) = &numbers.multiple_of else { return Ok(()) };
    match decimals(text, step) {
        Some((digits, step)) if step != 0 && digits % step != 0 => {
            Err(format!("{text} is no multiple of {}", numbers.multiple_of.as_deref().unwrap_or_default()))
        }
        _fits => Ok(()),
    }
}

fn bounds(what: &str, count: i64, least: Option<i64>, most: Option<i64>) -> Verdict {
    match (least, most) {
        (Some(least), _) if count < least => {
            Err(format!("{count} {what}, and {least} at least are asked for"))
        }
        (_, Some(most)) if count > most => Err(format!("{count} {what}, and {most} at most are permitted")),
        (_, _) => Ok(()),
    }
}

/// Numbers are the same whatever their spelling, objects whatever their order.
fn same(one: &Json, other: &Json) -> bool {
    one == other || normal(one) == normal(other)
}

/// One form of all that is the same. Numbers become their shortest spelling.
fn normal(value: &Json) -> Json {
    match value {
        Json::Number(text) => {
            let exact = decimals(text, "1")
                .filter(|(digits, one)| digits % one == 0)
                .map(|(digits, one)| digits / one);
            let spelled = exact.map(|whole| whole.to_string());
            Json::Number(
                spelled
                    .or_else(|| value.as_f64().map(|number| format!("{number:?}")))
                    .unwrap_or_else(|| text.clone()),
            )
        }
        Json::Array(items) => Json::Array(items.iter().map(normal).collect()),
        Json::Object(members) => {
            let members: Object =
                members.iter().map(|(name, value)| (name.to_owned(), normal(value))).collect();
            Json::Object(members.sorted())
        }
        Json::Null | Json::Bool(_) | Json::String(_) => value.clone(),
    }
}

/// A value at a length that a person reads.
fn shortened(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
