/**
 * The servers that the tests know by name, and where each of them comes from: versions, packages, images.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export type Flavour = "mysql-9.7" | "mariadb-11.8" | "mariadb-10.11"

/**
 * What is known about a flavour before a server of it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Details {
  readonly product: "mysql" | "mariadb"
  /** Major and minor version. */
  readonly version: string
  /** Name for people. */
  readonly title: string
  /** The public container image. */
  readonly image: string
  /** The environment variable that names another image. */
  readonly imageVariable: string
  /** The Debian release that carries it. */
  readonly debianSuite: string
  readonly debianPackages: ReadonlyArray<string>
}

/**
 * @since 0.1.0
 * @category constants
 */
export const details: { readonly [F in Flavour]: Details } = {
  "mysql-9.7": {
    product: "mysql",
    version: "9.7",
    title: "MySQL 9.7",
    image: "mysql:9",
    imageVariable: "EFFECT_MYSQL_IMAGE_MYSQL_9_7",
    debianSuite: "sid",
    debianPackages: ["mysql-server-core", "ca-certificates"]
  },
  "mariadb-11.8": {
    product: "mariadb",
    version: "11.8",
    title: "MariaDB 11.8",
    image: "mariadb:11.8",
    imageVariable: "EFFECT_MYSQL_IMAGE_MARIADB_11_8",
    debianSuite: "trixie",
    debianPackages: ["mariadb-server"]
  },
  "mariadb-10.11": {
    product: "mariadb",
    version: "10.11",
    title: "MariaDB 10.11",
    image: "mariadb:10.11",
    imageVariable: "EFFECT_MYSQL_IMAGE_MARIADB_10_11",
    debianSuite: "bookworm",
    debianPackages: ["mariadb-server"]
  }
}

/**
 * Every flavour, in the order in which one is looked for when none is asked for.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Flavour> = ["mysql-9.7", "mariadb-11.8", "mariadb-10.11"]

/**
 * @since 0.1.0
 * @category guards
 */
export const isFlavour = (name: unknown): name is Flavour => all.some((flavour) => flavour === name)

/**
 * The flavour of a server by what it says of itself: the version of its greeting, `SELECT VERSION()` or
 * `mysqld --version`. `undefined` for any other server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromVersion = (version: string): Flavour | undefined => {
  // MariaDB's greeting begins with 5.5.5-, for replicas that know no two-digit major versions.
  const match = /(\d+)\.(\d+)\.\d+/.exec(version.replace("5.5.5-", ""))
  if (match === null) return undefined
  const product = /mariadb/i.test(version) ? "mariadb" : "mysql"
  return all.find(
    (flavour) => details[flavour].product === product && details[flavour].version === `${match[1]}.${match[2]}`
  )
}
