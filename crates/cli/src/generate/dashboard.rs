//! A Grafana dashboard: rows of panels as a table, and their form in Grafana's JSON (schema version 39, Grafana 10 and later; the source of
//! data is asked for at the import).

use serde_json::{Value, json};

/// A panel: its title, the unit as Grafana calls it, its queries with their legends. `$JOB` is the selector of the job.
type Panel = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: &[(&str, &[Panel])] = &[
    (
        "Health",
        &[
            ("Brokers that tell their figures", "short", &[("sum(up{$JOB})", "up")]),
            (
                "Active controllers",
                "short",
                &[("sum(kafka_controller_kafkacontroller_activecontrollercount{$JOB})", "active")],
            ),
            (
                "Partitions without a leader",
                "short",
                &[("max(kafka_controller_kafkacontroller_offlinepartitionscount{$JOB})", "offline")],
            ),
            (
                "Partitions that lack replicas",
                "short",
                &[
                    ("sum(kafka_server_replicamanager_underreplicatedpartitions{$JOB})", "under-replicated"),
                    (
                        "sum(kafka_server_replicamanager_underminisrpartitioncount{$JOB})",
                        "under min.insync.replicas",
                    ),
                ],
            ),
            (
                "Brokers fenced, log directories offline",
                "short",
                &[
                    ("max(kafka_controller_kafkacontroller_fencedbrokercount{$JOB})", "fenced"),
                    ("sum(kafka_log_logmanager_offlinelogdirectorycount{$JOB})", "offline"),
                ],
            ),
            (
                "Disk left",
                "percentunit",
                &[(
                    "ottla_log_directory_usable_bytes{$JOB} / ottla_log_directory_total_bytes{$JOB}",
                    "{{instance}} {{directory}}",
                )],
            ),
        ],
    ),
    (
        "Traffic",
        &[
            (
                "Bytes in",
                "Bps",
                &[(
                    "sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesin_total{$JOB,topic!=\"\"}[$__rate_interval]))",
                    "{{topic}}",
                )],
            ),
            (
                "Bytes out",
                "Bps",
                &[(
                    "sum by (topic) (rate(kafka_server_brokertopicmetrics_bytesout_total{$JOB,topic!=\"\"}[$__rate_interval]))",
                    "{{topic}}",
                )],
            ),
            (
                "Records in",
                "cps",
                &[(
                    "sum by (topic) (rate(kafka_server_brokertopicmetrics_messagesin_total{$JOB,topic!=\"\"}[$__rate_interval]))",
                    "{{topic}}",
                )],
            ),
            (
                "Replication",
                "Bps",
                &[
                    (
                        "sum by (instance) (rate(kafka_server_brokertopicmetrics_replicationbytesin_total{$JOB}[$__rate_interval]))",
                        "{{instance}} in",
                    ),
                    (
                        "sum by (instance) (rate(kafka_server_brokertopicmetrics_replicationbytesout_total{$JOB}[$__rate_interval]))",
                        "{{instance}} out",
                    ),
                ],
            ),
            (
                "Requests that were refused",
                "cps",
                &[
                    (
                        "sum by (instance) (rate(kafka_server_brokertopicmetrics_failedproducerequests_total{$JOB,topic=\"\"}[$__rate_interval]))",
                        "{{instance}} produce",
                    ),
                    (
                        "sum by (instance) (rate(kafka_server_brokertopicmetrics_failedfetchrequests_total{$JOB,topic=\"\"}[$__rate_interval]))",
                        "{{instance}} fetch",
                    ),
                ],
            ),
        ],
    ),
    (
        "Requests",
        &[
            (
                "Requests by kind",
                "reqps",
                &[(
                    "sum by (request) (rate(kafka_network_requestmetrics_requests_total{$JOB}[$__rate_interval]))",
                    "{{request}}",
                )],
            ),
            (
                "Time of a produce, 99 of 100 are quicker",
                "ms",
                &[(
                    "max by (instance) (kafka_network_requestmetrics_totaltimems{$JOB,request=\"Produce\",quantile=\"0.99\"})",
                    "{{instance}}",
                )],
            ),
            (
                "Idle share of threads",
                "percentunit",
                &[("kafka_network_socketserver_networkprocessoravgidle_percent{$JOB}", "{{instance}}")],
            ),
            (
                "Connections",
                "short",
                &[(
                    "sum by (instance, listener) (kafka_server_socket_server_metrics_connection_count{$JOB})",
                    "{{instance}} {{listener}}",
                )],
            ),
        ],
    ),
    (
        "Consumers",
        &[
            (
                "Behind, in seconds",
                "s",
                &[(
                    "max by (consumergroup, topic) (kafka_consumergroup_lag_seconds{$JOB})",
                    "{{consumergroup}} {{topic}}",
                )],
            ),
            (
                "Behind, in records",
                "short",
                &[(
                    "sum by (consumergroup, topic) (kafka_consumergroup_lag{$JOB})",
                    "{{consumergroup}} {{topic}}",
                )],
            ),
            (
                "Members",
                "short",
                &[("sum by (consumergroup) (kafka_consumergroup_members{$JOB})", "{{consumergroup}}")],
            ),
        ],
    ),
    (
        "Machine",
        &[
            (
                "Processors in use",
                "short",
                &[("rate(process_cpu_seconds_total{$JOB}[$__rate_interval])", "{{instance}}")],
            ),
            ("Memory", "bytes", &[("process_resident_memory_bytes{$JOB}", "{{instance}}")]),
            ("Bytes of logs", "bytes", &[("sum by (topic) (kafka_log_log_size{$JOB})", "{{topic}}")]),
            ("Open descriptors", "short", &[("process_open_fds{$JOB}", "{{instance}}")]),
        ],
    ),
];

/// Of the 24 columns of Grafana's grid.
const PANEL_WIDTH: usize = 8;
const PANEL_HEIGHT: usize = 7;
const PANELS_IN_A_ROW: usize = 24 / PANEL_WIDTH;

/// The dashboard.
pub fn json(job: &str) -> String {
    let selector = format!("job=\"{job}\"");
    let mut panels = Vec::new();
    let (mut id, mut top) = (0, 0);
    let mut next_id = || {
        id += 1;
        id
    };
    for (row, all) in ROWS {
        panels.push(json!({
            "id": next_id(), "type": "row", "title": row, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
        }));
        top += 1;
        for (place, panel) in all.iter().enumerate() {
            let (x, y) =
                (place % PANELS_IN_A_ROW * PANEL_WIDTH, top + place / PANELS_IN_A_ROW * PANEL_HEIGHT);
            panels.push(drawn(next_id(), panel, &selector, x, y));
        }
        top += all.len().div_ceil(PANELS_IN_A_ROW) * PANEL_HEIGHT;
    }
    let dashboard = json!({
        "title": "Kafka on Ottla",
        "uid": "ottla-kafka",
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    });
    serde_json::to_string_pretty(&dashboard).unwrap_or_default()
}

fn drawn(id: usize, (title, unit, queries): &Panel, selector: &str, x: usize, y: usize) -> Value {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let targets = queries.iter().zip('A'..).map(|((query, legend), name)| {
        json!({
            "refId": name.to_string(), "datasource": source, "expr": query.replace("$JOB", selector), "legendFormat": legend,
        })
    });
    json!({
        "id": id,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": PANEL_WIDTH, "h": PANEL_HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": targets.collect::<Vec<Value>>(),
    })
}
