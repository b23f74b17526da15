//! Which quota holds for a client: the most special of eight levels (KIP-55), for each quota by itself. Owns nothing: quotas are in the image.

use core::net::IpAddr;

use kraft::image::{ClientQuotasImage, QuotaEntity};
use wire::Str;

/// The quotas of users and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `producer_byte_rate`
    Produce,
    /// `consumer_byte_rate`
    Fetch,
    /// `request_percentage`
    Request,
    /// `controller_mutation_rate`
    Mutation,
}

impl Kind {
    /// Its key in the image.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Produce => "producer_byte_rate",
            Kind::Fetch => "consumer_byte_rate",
            Kind::Request => "request_percentage",
            Kind::Mutation => "controller_mutation_rate",
        }
    }
}

/// Who shares one measurement: a user, a client id of whatever user, or a client id of a user. What does not matter is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub user: Str,
    pub client_id: Str,
}

/// A name, the default of all names, or no part of the entity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Named,
    Default,
    Absent,
}

/// From the most special to the least: of the user, of the client id.
const LEVELS: [(Part, Part); 8] = [
    (Part::Named, Part::Named),
    (Part::Named, Part::Default),
    (Part::Named, Part::Absent),
    (Part::Default, Part::Named),
    (Part::Default, Part::Default),
    (Part::Default, Part::Absent),
    (Part::Absent, Part::Named),
    (Part::Absent, Part::Default),
];

/// The quota that holds for a client of a user, and who shares it; `None` where nothing limits it.
pub(crate) fn limit(
    quotas: &ClientQuotasImage,
    kind: Kind,
    user: &str,
    client_id: &str,
) -> Option<(Who, f64)> {
    let found = |(of_user, of_client): &(Part, Part)| {
        // Whoever has no client id is nobody's client.
        if client_id.is_empty() && *of_client != Part::Absent {
            return None;
        }
        let mut entity = QuotaEntity::new();
        let mut put = |entity_type: &'static str, part: Part, name: &str| {
            let name = match part {
                Part::Absent => return,
                Part::Named => Some(Str::from(name)),
                Part::Default => None,
            };
            entity.insert(Str::from_static(entity_type), name);
        };
        put("user", *of_user, user);
        put("client-id", *of_client, client_id);
        let limit = *quotas.of(&entity)?.get(kind.key())?;
        let or_nobody = |part: Part, name: &str| match part {
            Part::Absent => Str::new(),
            Part::Named | Part::Default => Str::from(name),
        };
        let who = Who { user: or_nobody(*of_user, user), client_id: or_nobody(*of_client, client_id) };
        Some((who, limit))
    };
    LEVELS.iter().find_map(found)
}

/// How many connections a second may come from an address; `None` where nothing limits them.
pub(crate) fn connection_rate(quotas: &ClientQuotasImage, address: IpAddr) -> Option<f64> {
    let of = |name: Option<Str>| {
        let entity = QuotaEntity::from([(Str::from_static("ip"), name)]);
        quotas.of(&entity)?.get("connection_creation_rate").copied()
    };
    of(Some(Str::from(address.to_canonical().to_string()))).or_else(|| of(None))
}

#[cfg(test)]
mod tests {
    use kraft::image::MetadataImage;
    use wire::records::metadata::{ClientQuotaRecord, EntityData, MetadataRecord};

    use super::*;

    type Entity = &'static [(&'static str, Option<&'static str>)];

    fn image(quotas: &[(Entity, Kind, f64)]) -> ClientQuotasImage {
        let mut image = MetadataImage::default();
        for (entity, kind, value) in quotas {
            let part = |(entity_type, name): &(&'static str, Option<&'static str>)| EntityData {
                entity_type: Str::from_static(entity_type),
                entity_name: name.map(Str::from_static),
            };
            let record = ClientQuotaRecord {
                entity: entity.iter().map(part).collect(),
                key: Str::from_static(kind.key()),
                value: *value,
                remove: false,
            };
            image.apply(&MetadataRecord::ClientQuota(record)).expect("applied");
        }
        image.client_quotas
    }

    #[test]
    fn the_most_special_of_eight_levels_holds() {
        const U: (&str, Option<&str>) = ("user", Some("u"));
        const ANY_U: (&str, Option<&str>) = ("user", None);
        const C: (&str, Option<&str>) = ("client-id", Some("c"));
        const ANY_C: (&str, Option<&str>) = ("client-id", None);
        let levels: [(Entity, (&str, &str)); 8] = [
            (&[U, C], ("u", "c")),
            (&[U, ANY_C], ("u", "c")),
            (&[U], ("u", "")),
            (&[ANY_U, C], ("u", "c")),
            (&[ANY_U, ANY_C], ("u", "c")),
            (&[ANY_U], ("u", "")),
            (&[C], ("", "c")),
            (&[ANY_C], ("", "c")),
        ];
        for first in 0..levels.len() {
            let quotas: Vec<_> = levels
                .iter()
                .enumerate()
                .skip(first)
                .map(|(at, (entity, _))| (*entity, Kind::Fetch, at as f64))
                .collect();
            let quotas = image(&quotas);
            let (user, client_id) = levels[first].1;
            let who = Who { user: user.into(), client_id: client_id.into() };
            assert_eq!(limit(&quotas, Kind::Fetch, "u", "c"), Some((who, first as f64)));
            assert_eq!(limit(&quotas, Kind::Produce, "u", "c"), None, "each quota has levels of its own");
        }
        assert_eq!(limit(&image(&[]), Kind::Fetch, "u", "c"), None);
    }

    #[test]
    fn others_are_not_meant_and_who_has_no_client_id_is_no_client() {
        let quotas = image(&[
            (&[("user", Some("u")), ("client-id", Some("c"))], Kind::Produce, 1.0),
            (&[("user", None), ("client-id", None)], Kind::Produce, 2.0),
            (&[("user", None)], Kind::Produce, 3.0),
        ]);
        let of = |user, client_id| limit(&quotas, Kind::Produce, user, client_id).map(|(_, limit)| limit);
        assert_eq!(of("u", "c"), Some(1.0));
        assert_eq!(of("u", "d"), Some(2.0));
        assert_eq!(of("v", "c"), Some(2.0));
        assert_eq!(of("v", ""), Some(3.0));
    }

    #[test]
    fn an_address_has_its_own_rate_or_that_of_all() {
        let mut image = MetadataImage::default();
        let mut set = |name: Option<&'static str>, value: f64| {
            let entity = vec![EntityData {
                entity_type: Str::from_static("ip"),
                entity_name: name.map(Str::from_static),
            }];
            let key = Str::from_static("connection_creation_rate");
            let record = ClientQuotaRecord { entity, key, value, remove: false };
            image.apply(&MetadataRecord::ClientQuota(record)).expect("applied");
            image.client_quotas.clone()
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let one = set(Some("10.0.0.1"), 5.0);
        assert_eq!(connection_rate(&one, address("10.0.0.1")), Some(5.0));
        assert_eq!(connection_rate(&one, address("::ffff:10.0.0.1")), Some(5.0));
        assert_eq!(connection_rate(&one, address("10.0.0.2")), None);
        assert_eq!(connection_rate(&set(None, 9.0), address("10.0.0.2")), Some(9.0));
    }
}
