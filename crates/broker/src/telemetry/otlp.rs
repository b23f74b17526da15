//! What a client pushes: OpenTelemetry's `MetricsData` in protobuf, read as far as figures go: gauges and sums with their attributes.
//! Bytes are a stranger's: a length beyond the end, a depth that no figure has or text that is none is an error, and nothing is allocated beyond
//! what is there. Histograms and summaries, which no client of Kafka sends, are passed over and counted.

/// The bytes are no `MetricsData`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What it is now.
    Gauge,
    /// What came since the last push.
    Delta,
    /// What came since the beginning.
    Total,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// As the client spells it, with dots.
    pub name: String,
    pub kind: Kind,
    /// Its own, then those of the client as a whole.
    pub attributes: Vec<(String, String)>,
    pub value: f64,
}

/// All that was pushed at once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pushed {
    pub points: Vec<Point>,
    /// Figures that are no gauge and no sum, or beyond the bound.
    pub left_out: usize,
}

/// `AggregationTemporality`: what came since the last push.
const DELTA: u64 = 1;

/// Attributes of a figure at most, its client's among them; Kafka's clients have six.
const ATTRIBUTES_MAX: usize = 24;

/// Reads at most so many figures.
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Pushed, Malformed> {
    let mut pushed = Pushed::default();
    for resource_metrics in messages(bytes, 1) {
        let resource_metrics = resource_metrics?;
        let mut of_client = Vec::new();
        for resource in messages(resource_metrics, 1) {
            read_attributes(resource?, 1, &mut of_client)?;
        }
        for scope in messages(resource_metrics, 2) {
            for metric in messages(scope?, 2) {
                read_metric(metric?, &of_client, most, &mut pushed)?;
            }
        }
    }
    Ok(pushed)
}

fn read_metric(
    metric: &[u8],
    of_client: &[(String, String)],
    most: usize,
    pushed: &mut Pushed,
) -> Result<(), Malformed> {
    let mut name = "";
    let mut data = None;
    for field in Fields(metric) {
        match field? {
            (1, Value::Bytes(bytes)) => name = text(bytes)?,
            (number @ (5 | 7 | 9..=11), Value::Bytes(bytes)) => data = Some((number, bytes)),
            _ => {}
        }
    }
    let Some((number, data)) = data else { return Ok(()) };
    let kind = match number {
        5 => Some(Kind::Gauge),
        7 => Some(kind_of_sum(data)?),
        _ => None,
    };
    for point in messages(data, 1) {
        let point = point?;
        let value = read_value(point)?.filter(|_| pushed.points.len() < most && !name.is_empty());
        let (Some(kind), Some(value)) = (kind, value) else {
            pushed.left_out += 1;
            continue;
        };
        let mut attributes = Vec::new();
        read_attributes(point, 7, &mut attributes)?;
        let room = ATTRIBUTES_MAX.saturating_sub(attributes.len());
        attributes.extend(of_client.iter().take(room).cloned());
        pushed.points.push(Point { name: name.to_owned(), kind, attributes, value });
    }
    Ok(())
}

/// A sum that may fall is told like a gauge, if it is whole.
fn kind_of_sum(sum: &[u8]) -> Result<Kind, Malformed> {
    let (mut is_delta, mut only_grows) = (false, false);
    for field in Fields(sum) {
        match field? {
            (2, Value::Number(number)) => is_delta = number == DELTA,
            (3, Value::Number(number)) => only_grows = number != 0,
            _ => {}
        }
    }
    Ok(match (is_delta, only_grows) {
        (true, _) => Kind::Delta,
        (false, true) => Kind::Total,
        (false, false) => Kind::Gauge,
    })
}

/// `None` without one.
fn read_value(point: &[u8]) -> Result<Option<f64>, Malformed> {
    let mut value = None;
    for field in Fields(point) {
        match field? {
            (4, Value::Fixed(bits)) => value = Some(f64::from_bits(bits)),
            (6, Value::Fixed(bits)) => value = Some(bits.cast_signed() as f64),
            _ => {}
        }
    }
    Ok(value)
}

/// Those of a field of `KeyValue`s; values that are no text, number or truth are passed over.
fn read_attributes(from: &[u8], number: u32, into: &mut Vec<(String, String)>) -> Result<(), Malformed> {
    for attribute in messages(from, number) {
        let (mut key, mut value) = ("", None);
        for field in Fields(attribute?) {
            match field? {
                (1, Value::Bytes(bytes)) => key = text(bytes)?,
                (2, Value::Bytes(bytes)) => value = read_any(bytes)?,
                _ => {}
            }
        }
        if let Some(value) = value
            && into.len() < ATTRIBUTES_MAX
        {
            into.push((key.to_owned(), value));
        }
    }
    Ok(())
}

fn read_any(bytes: &[u8]) -> Result<Option<String>, Malformed> {
    let mut value = None;
    for field in Fields(bytes) {
        value = match field? {
            (1, Value::Bytes(bytes)) => Some(text(bytes)?.to_owned()),
            (2, Value::Number(number)) => Some((number != 0).to_string()),
            (3, Value::Number(number)) => Some(number.cast_signed().to_string()),
            (4, Value::Fixed(bits)) => Some(f64::from_bits(bits).to_string()),
            _ => value,
        };
    }
    Ok(value)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// The messages of a repeated field.
fn messages(bytes: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields(bytes).filter_map(move |field| match field {
        Ok((found, Value::Bytes(bytes))) if found == number => Some(Ok(bytes)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// A value as it lies on the wire.
enum Value<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of one message, in their order; after an error there is nothing more.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Fixed(u64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed(u64::from(u32::from_le_bytes(*self.take(4)?.first_chunk()?))),
            _ => return None,
        };
        Some((number, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(bytes);
        out
    }

    fn attribute(number: u8, key: &str, value: &str) -> Vec<u8> {
        let value = field(2, &field(1, value.as_bytes()));
        field(number, &[field(1, key.as_bytes()), value].concat())
    }

    /// A metric with one figure: `data` is its field (5: a gauge, 7: a sum), `rest` what stands beside the figure.
    pub(crate) fn metric(name: &str, data: u8, value: f64, rest: &[u8]) -> Vec<u8> {
        let value = [&[4 << 3 | 1][..], &value.to_bits().to_le_bytes()].concat();
        let point = field(1, &[value, attribute(7, "node.id", "7")].concat());
        field(2, &[field(1, name.as_bytes()), field(data, &[&point, rest].concat())].concat())
    }

    /// What stands beside the figure of a sum that tells what came since the last push.
    pub(crate) const SINCE_THE_LAST: &[u8] = &[2 << 3, 1, 3 << 3, 1];

    /// All of these, as a client pushes them.
    pub(crate) fn push(metrics: &[Vec<u8>]) -> Vec<u8> {
        let resource = field(1, &attribute(1, "group_id", "g"));
        field(1, &[resource, field(2, &metrics.concat())].concat())
    }

    #[test]
    fn gauges_and_sums_are_read_with_their_attributes_and_the_rest_is_counted() {
        let metrics = [
            metric("a.b", 5, 1.5, &[]),
            metric("c", 7, 2.0, SINCE_THE_LAST),
            metric("d", 7, 3.0, &[2 << 3, 2, 3 << 3, 1]),
            metric("e", 9, 4.0, &[]),
        ];
        let pushed = read(&push(&metrics), 10).expect("read");
        let found: Vec<_> = pushed.points.iter().map(|it| (it.name.as_str(), it.kind, it.value)).collect();
        assert_eq!(found, [("a.b", Kind::Gauge, 1.5), ("c", Kind::Delta, 2.0), ("d", Kind::Total, 3.0)]);
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pushed.points[0].attributes, [text("node.id", "7"), text("group_id", "g")]);
        assert_eq!(pushed.left_out, 1);
        let bounded = read(&push(&metrics), 1).expect("read");
        assert_eq!((bounded.points.len(), bounded.left_out), (1, 3));
    }

    #[test]
    fn what_is_cut_short_or_spoiled_is_refused_or_read_and_never_more() {
        let whole = push(&[metric("a", 5, 1.0, &[]), metric("b", 7, 2.0, SINCE_THE_LAST)]);
        for length in 1..whole.len() {
            assert_eq!(read(&whole[..length], 10), Err(Malformed), "cut at {length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut spoiled = whole.clone();
                spoiled[at] ^= 1 << bit;
                assert!(
                    read(&spoiled, 10).is_ok_and(|it| it.points.len() <= 2) || read(&spoiled, 10).is_err()
                );
            }
        }
        assert_eq!(
            read(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 10),
            Err(Malformed)
        );
    }
}
