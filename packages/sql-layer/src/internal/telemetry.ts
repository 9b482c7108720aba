/**
 * What spans say about the server: the stable names of OpenTelemetry's database conventions, from the configuration as
 * it was resolved, so that a URL counts as much as its parts. The namespace is the one that is connected to; a later
 * `USE` does not change it.
 *
 * Semantic conventions: "Database client spans", "MySQL", "MariaDB".
 */
import type { Resolved } from "@effect-mysql/client/MysqlConfig"

type Attribute = readonly [name: string, value: unknown]

export class Telemetry {
  /** Read again for each span. */
  readonly attributes: ReadonlyArray<Attribute>
  private readonly system: [name: string, value: unknown] = ["db.system.name", "mysql"]

  constructor(config: Resolved, own: Readonly<Record<string, unknown>> | undefined) {
    const { database, target } = config
    this.attributes = [
      ...Object.entries(own ?? {}),
      this.system,
      ...(database === undefined ? [] : [["db.namespace", database] as const]),
      ...("socketPath" in target
        ? [["server.address", target.socketPath] as const]
        : [["server.address", target.host] as const, ["server.port", target.port] as const])
    ]
  }

  /** Known once there is a connection; it is `mysql` until then. */
  set product(product: "mysql" | "mariadb") {
    this.system[1] = product
  }
}
