//! `metrics.*`: where figures are told, in which names, and how many.

use broker::config::BrokerFile;
use broker::metrics::scrape::Dialect;

/// What is told to those who watch.
#[derive(Debug, Clone)]
pub struct MetricsSettings {
    /// `metrics.listeners`: `host:port` each.
    pub addresses: Vec<String>,
    /// `metrics.dialects`
    pub dialects: Vec<Dialect>,
    /// `metrics.partition.limit`
    pub partition_limit: usize,
}

impl MetricsSettings {
    /// As the file has it.
    pub fn of(file: &BrokerFile) -> Result<MetricsSettings, String> {
        let addresses = file.list("metrics.listeners").into_iter().map(address).collect::<Result<_, _>>()?;
        let dialects = file.list("metrics.dialects").into_iter().filter_map(Dialect::of_name).collect();
        let limit = file.number("metrics.partition.limit");
        Ok(MetricsSettings { addresses, dialects, partition_limit: usize::try_from(limit).unwrap_or(0) })
    }
}

/// `http://host:port`; without a host it is every address of the machine.
fn address(entry: &str) -> Result<String, String> {
    let unreadable = |why: &str| format!("metrics.listeners: {entry}: {why}");
    let rest = entry.strip_prefix("http://");
    let rest = rest.ok_or_else(|| unreadable("only http://HOST:PORT is served"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| unreadable("the port is missing"))?;
    port.parse::<u16>().map_err(|_| unreadable("the port must be between 0 and 65535"))?;
    if host.contains(['/', '?', '@']) {
        return Err(unreadable("there must be nothing but a host and a port"));
    }
    Ok(if host.is_empty() { format!("[::]:{port}") } else { rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert_eq!(address("http://127.0.0.1:9404").as_deref(), Ok("127.0.0.1:9404"));
        assert_eq!(address("http://[::1]:0/").as_deref(), Ok("[::1]:0"));
        assert_eq!(address("http://:9404").as_deref(), Ok("[::]:9404"));
        for bad in ["https://a:1", "a:1", "http://a", "http://a:x", "http://a:70000", "http://a/b:1"] {
            assert!(address(bad).is_err_and(|why| why.contains(bad)), "{bad}");
        }
    }
}
