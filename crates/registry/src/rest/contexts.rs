//! Contexts, and what the registry says of itself.

use super::{Answer, At, Body, Outcome, Refusal, Reply, told};
use crate::access::Operation;
use crate::json::{Json, Object};
use crate::records::Record;
use crate::subject::{Subject, context_prefix};

impl At<'_> {
    pub(super) fn contexts(&self) -> Answer {
        let prefix = self.request.query("contextPrefix").unwrap_or("");
        let sees = |context: &str| {
            let place = Subject { context: context.to_owned(), name: String::new() }.qualified();
            let mut inside = self.state.matching(Some(&place));
            self.sees(&place) || inside.any(|schema| self.sees(&schema.subject))
        };
        let listed = self.state.contexts().filter(|context| context.starts_with(prefix) && sees(context));
        told(self.request.page(listed)?)
    }

    pub(super) fn delete_context(&self, name: &str) -> Answer {
        let prefix = context_prefix(name).filter(|prefix| !prefix.is_empty());
        let prefix =
            prefix.ok_or_else(|| Refusal::not_permitted(format!("Context '{name}' cannot be deleted")))?;
        self.allow(Operation::Delete, Some(&prefix))?;
        let context = Subject::parse(&prefix).context;
        if self.state.matching(Some(&prefix)).next().is_some() {
            return Err(Refusal::new(42211, format!("The specified context '{context}' is not empty.")));
        }
        let reply = Reply { status: 204, body: Body::Empty };
        Ok(Outcome { records: vec![Record::context(&context, false)], reply })
    }

    pub(super) fn metadata(&self, what: &str) -> Answer {
        let mut object = Object::new();
        match what {
            "id" => {
                let mut clusters = Object::new();
                clusters.push("kafka-cluster", self.rules.cluster_id.as_str());
                clusters.push("schema-registry-cluster", self.rules.group_id.as_str());
                let mut scope = Object::new();
                scope.push("path", Json::Array(Vec::new()));
                scope.push("clusters", clusters);
                object.push("scope", scope);
                object.push("id", "");
            }
            "version" => {
                object.push("version", format!("ottla-{}", env!("CARGO_PKG_VERSION")));
                object.push("commitId", "");
            }
            "deployment" => object.push("attributes", Object::new()),
            _unknown => return Err(Refusal::new(404, "HTTP 404 Not Found")),
        }
        told(object)
    }
}
