export interface Options {
  /** Keys of Kafka's configuration, { 'num.partitions': 3 }. */
  config?: Record<string, string | number | boolean>;
  /** Keeps the data there; without it in a temporary directory that goes with the broker. */
  dataDir?: string;
  /** How long a start may take. */
  timeoutMs?: number;
}

/** A broker of Apache Kafka's protocol in a process of its own. */
export class Broker {
  static start(options?: Options): Promise<Broker>;
  constructor(options?: Options);
  /** HOST:PORT. */
  readonly bootstrapServers: string;
  readonly dataDir: string | undefined;
  readonly pid: number | null;
  start(): Promise<void>;
  kill(): Promise<void>;
  close(): Promise<void>;
  refusing<T>(work: () => T | Promise<T>): Promise<T>;
  frozen<T>(work: () => T | Promise<T>): Promise<T>;
  delay(ms: number): Promise<void>;
}

export function binary(): string;
