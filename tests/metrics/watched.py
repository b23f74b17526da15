"""What `ottla generate` gives, as those read it for whom it is: promtool, and a Prometheus that scrapes a node. Every panel of the dashboard
has data; alerts are silent while nothing is wrong and speak of the right thing when something is.

Environment: as for scrape.py.
"""
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse

from nodes import NODES, OTTLA, SCRATCH, Node, get, port

from checks import check, main, same, topic, until
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

METRICS = port()
# One replica, so that a topic that wants two in sync is short of one.
ONE = Node("watched", f"http://127.0.0.1:{METRICS}")
SERVER = f"http://127.0.0.1:{port()}"
STARTED = []


def generate(*words):
    done = subprocess.run([OTTLA, "-b", ONE.address, *words], capture_output=True, text=True, timeout=30)
    same(done.returncode, 0, done.stderr)
    return done.stdout


def write(name, text):
    path = os.path.join(SCRATCH, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def promtool(*words):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=30)
    same(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def ask(query):
    """The samples of a query, as Prometheus has them now."""
    status, body = get(f"{SERVER}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    same(status, 200, f"{query}: {body}")
    return json.loads(body)["data"]["result"]


def alerts():
    """Those that are pending or firing: what they speak of holds, and only lasts too shortly for some. The machine's own disk is left to it."""
    return {sample["metric"]["alertname"] for sample in ask("ALERTS")} - {"KafkaDiskAlmostFull", "KafkaDiskFull"}


def share_of_disk_left():
    space = os.statvfs(SCRATCH)
    return space.f_bavail / space.f_blocks


def create(name):
    admin = AdminClient({"bootstrap.servers": ONE.address})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)


@check
def promtool_takes_what_is_generated():
    rules = write("alerts.yml", generate("generate", "alerts"))
    said = promtool("check", "rules", rules)
    assert "rules found" in said and " 0 rules" not in said, said
    config = generate("generate", "prometheus")
    assert f'- "127.0.0.1:{METRICS}"' in config, config
    quick = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [alerts.yml]\n"
    path = write("prometheus.yml", quick + config)
    promtool("check", "config", path)
    command = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={os.path.join(SCRATCH, 'tsdb')}"]
    log = open(os.path.join(SCRATCH, "prometheus.log"), "w")
    STARTED.append(subprocess.Popen([*command, f"--web.listen-address={SERVER[7:]}"], stdout=log, stderr=log))
    until(30, "Prometheus is ready", lambda: ready() == 200)


def ready():
    try:
        return get(f"{SERVER}/-/ready", 1)[0]
    except OSError:
        return None


# What each rule speaks of: its series and what they are then. `+` grows every minute.
FAULTS = {
    "KafkaBrokerDown": {"up": "0"},
    "KafkaBrokerNotReady": {"ottla_ready": "0"},
    "KafkaNoActiveController": {"kafka_controller_kafkacontroller_activecontrollercount": "0"},
    "KafkaPartitionsOffline": {"kafka_controller_kafkacontroller_offlinepartitionscount": "3"},
    "KafkaPartitionsUnderMinIsr": {"kafka_server_replicamanager_underminisrpartitioncount": "1"},
    "KafkaPartitionsUnderReplicated": {"kafka_server_replicamanager_underreplicatedpartitions": "1"},
    "KafkaBrokersFenced": {"kafka_controller_kafkacontroller_fencedbrokercount": "1"},
    "KafkaLogDirectoryOffline": {"kafka_log_logmanager_offlinelogdirectorycount": "1"},
    "KafkaDiskAlmostFull": {"ottla_log_directory_usable_bytes": "9", "ottla_log_directory_total_bytes": "100"},
    "KafkaDiskFull": {"ottla_log_directory_usable_bytes": "1", "ottla_log_directory_total_bytes": "100"},
    "KafkaUncleanElection": {"kafka_controller_controllerstats_uncleanleaderelections_total": "0+1x30"},
    "KafkaConsumerGroupBehind": {"kafka_consumergroup_lag_seconds": "301"},
    "KafkaThreadsBusy": {"kafka_network_socketserver_networkprocessoravgidle_percent": "0.05"},
    "KafkaDescriptorsAlmostGone": {"process_open_fds": "95", "process_max_fds": "100"},
}
# What is also so: a full disk is an almost full one.
BESIDE = {"KafkaDiskFull": {"KafkaDiskAlmostFull"}}


@check
def each_rule_speaks_of_its_fault_and_no_other_one():
    rules = write("faults-alerts.yml", generate("generate", "alerts"))
    same(set(re.findall(r"alert: (\w+)", open(rules).read())), set(FAULTS), "rules")
    tests = []
    for name, series in FAULTS.items():
        inputs = [{"series": f'{metric}{{job="kafka"}}', "values": value if "x" in value else f"{value}x30"} for metric, value in series.items()]
        firing = {name} | BESIDE.get(name, set())
        samples = [{"labels": f'{{alertname="{one}"}}', "value": 1} for one in sorted(firing)]
        asked = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "20m", "exp_samples": samples}
        tests.append({"interval": "1m", "input_series": inputs, "promql_expr_test": [asked]})
    promtool("test", "rules", write("faults.yml", json.dumps({"rule_files": [os.path.basename(rules)], "evaluation_interval": "1m", "tests": tests})))


@check
def a_job_has_the_name_that_it_is_given_and_no_odd_one():
    assert 'up{job="brokers"} == 0' in generate("generate", "alerts", "--job", "brokers")
    done = subprocess.run([OTTLA, "generate", "alerts", "--job", 'a"b'], capture_output=True, text=True, timeout=30)
    same(done.returncode, 2, done.stdout)


@check
def every_panel_has_data_and_no_alert_speaks():
    name, group = topic("panels"), topic("reader")
    create(name)
    producer = Producer({"bootstrap.servers": ONE.address, "acks": "all"})
    consumer = Consumer({"bootstrap.servers": ONE.address, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([name])
    board = json.loads(generate("generate", "dashboards"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    queries = [target["expr"].replace("$__rate_interval", "5s") for panel in panels for target in panel["targets"]]
    assert len(panels) >= 20 and len(queries) >= len(panels), f"{len(panels)} panels"

    def without():
        producer.produce(name, b"record")
        same(producer.flush(30), 0, "unsent")
        consumer.poll(0.5)
        return [query for query in queries if not ask(query)]

    missing = queries
    end = time.monotonic() + 30
    while missing and time.monotonic() < end:
        missing = without()
    consumer.close()
    same(missing, [], "queries without data")
    same(alerts(), set(), "alerts")
    left = float(ask("ottla_log_directory_usable_bytes / ottla_log_directory_total_bytes")[0]["value"][1])
    assert abs(left - share_of_disk_left()) < 0.02, f"{left} of the disk left"


@check
def alerts_speak_of_what_is_wrong():
    old, group = topic("old"), topic("behind")
    create(old)
    producer = Producer({"bootstrap.servers": ONE.address})
    producer.produce(old, b"unread", timestamp=int(time.time() * 1_000) - 600_000)
    same(producer.flush(30), 0, "unsent")
    consumer = Consumer({"bootstrap.servers": ONE.address, "group.id": group})
    consumer.commit(offsets=[TopicPartition(old, 0, 0)], asynchronous=False)
    consumer.close()
    until(20, "a group is behind", lambda: alerts() == {"KafkaConsumerGroupBehind"})
    ONE.process.send_signal(signal.SIGTERM)
    same(ONE.process.wait(60), 0, "its end")
    until(20, "a broker is down", lambda: "KafkaBrokerDown" in alerts())


@check
def everybody_ends():
    for process in STARTED:
        process.terminate()
        same(process.wait(30), 0, "Prometheus' end")
    [node.process.kill() for node in NODES if node.process.poll() is None]


main("watched")
