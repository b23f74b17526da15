"""A broker of Apache Kafka's protocol for tests, as a context manager.

    import ottla

    with ottla.Broker() as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)

Each broker is a process of its own, on a free port, with its data in a temporary directory. It ends with the block, and also when this
process ends by whatever death: it watches the other end of its standard input.
"""

from ._broker import Broker, BrokerError, binary

__all__ = ["Broker", "BrokerError", "binary"]
__version__ = "@VERSION@"
