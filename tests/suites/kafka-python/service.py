"""The module that the source distribution leaves out: for a broker that runs elsewhere, its two names suffice."""


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    pass
