/**
 * The `effect/sql` driver for MySQL and MariaDB: a `SqlClient` on a pool of connections, or on one.
 *
 * Statements are prepared, their values travel beside the text, and interruption stops them on the server. Errors are
 * `SqlError`s with the `MysqlError` as cause. A transaction that the server has rolled back is told as that: nothing
 * more runs in it, and it is never reported as committed.
 *
 * @since 0.1.0
 */
import * as MysqlConfig from "@effect-mysql/client/MysqlConfig"
import * as MysqlConnection from "@effect-mysql/client/MysqlConnection"
import { isMysqlError, type MysqlError } from "@effect-mysql/client/MysqlError"
import * as MysqlPool from "@effect-mysql/client/MysqlPool"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as clientStats from "./internal/clientStats.ts"
import * as compiler from "./internal/compiler.ts"
import { DriverConnection, rowOptions } from "./internal/DriverConnection.ts"
import * as errors from "./internal/errors.ts"
import { HeldLease } from "./internal/HeldLease.ts"
import { controls, Lease } from "./internal/Lease.ts"
import { Telemetry } from "./internal/telemetry.ts"

/**
 * @since 0.1.0
 * @category type IDs
 */
export type TypeId = "~@effect-mysql/sql-layer/MysqlClient"

/**
 * @since 0.1.0
 * @category type IDs
 */
export const TypeId: TypeId = "~@effect-mysql/sql-layer/MysqlClient"

interface StatementConfig {
  /** Added to the spans of statements and transactions. */
  readonly spanAttributes?: Record<string, unknown> | undefined
  /** Applied to the names of columns in rows that are objects, e.g. `String.snakeToCamel`. */
  readonly transformResultNames?: ((name: string) => string) | undefined
  /** Applied to identifiers and to the names in the insert and update helpers, e.g. `String.camelToSnake`. */
  readonly transformQueryNames?: ((name: string) => string) | undefined
  /** The two transforms also apply to the keys inside JSON values. Default `true`. */
  readonly transformJson?: boolean | undefined
}

/**
 * How to reach the server, how many connections to keep, and how names are written.
 *
 * @since 0.1.0
 * @category models
 */
export interface MysqlClientConfig extends MysqlPool.PoolConfig, StatementConfig {}

/**
 * The same for a client on one connection, which has no pool.
 *
 * @since 0.1.0
 * @category models
 */
export interface MysqlConnectionClientConfig extends MysqlConfig.MysqlConfig, StatementConfig {}

/**
 * A `SqlClient` of `effect/sql`, its `driver` being `"mysql"` on both products.
 *
 * What its members give:
 * - a statement and `.withoutTransform`: rows, as objects; prepared where there are values;
 * - `.values`: rows, as arrays;
 * - `.raw`: the result with `rows`, `fields`, `affectedRows`, `insertId`, `warningCount` and `info`;
 * - `.stream`: rows as they come; the statement is stopped on the server when the stream ends early;
 * - `.unprepared` and `.valuesUnprepared`: sent as text, which may hold several statements. Of one statement the rows;
 *   of several an array with one element each, its rows or else `{ affectedRows, insertId, warningCount, info }`.
 *
 * In a transaction statements run one after another, also those of several fibers. A stream holds it until it ends; a
 * statement that the reader of the stream runs in the meantime fails.
 *
 * `UniqueViolation` names as `constraint` what the server names: MySQL `table.key`, MariaDB `key`.
 *
 * `RETURNING` of the insert helper works on MariaDB; on MySQL, and for the update helpers on both, the statement fails
 * with `SqlSyntaxError` before it is sent.
 *
 * A transaction that a statement inside it committed (DDL does so) cannot be rolled back: `withTransaction` then fails
 * with what its effect failed with, and logs a warning that names the statement.
 *
 * `BeginTransaction` may hold two statements, as in
 * `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION`.
 *
 * @since 0.1.0
 * @category models
 */
export interface MysqlClient extends SqlClient.SqlClient {
  readonly [TypeId]: TypeId
  /** As it was given. */
  readonly config: MysqlClientConfig
  /** A value as a JSON document; `bigint` becomes a number of JSON, digit for digit. */
  readonly json: (value: unknown) => Statement.Fragment
  /**
   * The end of an INSERT: where a row with the same key exists, its columns named here take the values that would have
   * been inserted, and those of the second argument what stands there, a value or a fragment. MySQL counts a warning
   * (1287) for the `VALUES(…)` that this is written with, since MariaDB knows no other way.
   *
   * ```ts
   * sql`INSERT INTO hits ${sql.insert(rows)} ${sql.onDuplicateKeyUpdate(["page"], { count: sql`count + 1` })}`
   * ```
   */
  readonly onDuplicateKeyUpdate: (
    columns: ReadonlyArray<string>,
    expressions?: Readonly<Record<string, unknown>>
  ) => Statement.Fragment
}

/**
 * @since 0.1.0
 * @category services
 */
export const MysqlClient: Context.Service<MysqlClient, MysqlClient> = Context.Service<MysqlClient>(
  "@effect-mysql/sql-layer/MysqlClient"
)

/**
 * `?` placeholders, names in back-ticks. `updateValues` is rendered as a derived table that both products know:
 *
 * ```ts
 * sql`UPDATE people JOIN ${sql.updateValues(rows, "data")} ON people.id = data.id SET people.name = data.name`
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeCompiler = (
  transform?: ((name: string) => string) | undefined,
  transformJson: boolean = true
): Statement.Compiler => compiler.make(transform, transformJson)

/** `product` is a guess while there is no connection; no error of connecting depends on it. */
const connectError = (error: MysqlError): SqlError =>
  errors.fromMysql(error, { product: "mysql", operation: "connect", phase: "transaction" })

const acquireError = <E>(error: E | MysqlError): E | SqlError => (isMysqlError(error) ? connectError(error) : error)

interface Acquirers {
  readonly config: MysqlClientConfig
  readonly telemetry: Telemetry
  readonly acquirer: SqlConnection.Acquirer
  readonly borrower: SqlConnection.Borrower
  readonly transactionAcquirer: SqlConnection.Acquirer
  readonly stats: MysqlPool.MysqlPool["stats"]
}

let clients = 0

const makeWith = (acquirers: Acquirers): Effect.Effect<MysqlClient, never, Reactivity.Reactivity> => {
  const { acquirer, borrower, config, stats, telemetry, transactionAcquirer } = acquirers
  const { transformJson, transformQueryNames, transformResultNames } = config
  const transactionService = Context.Service<SqlClient.TransactionConnection, SqlClient.TransactionConnection.Service>(
    `@effect-mysql/sql-layer/Transaction/${clients++}`
  )
  return Effect.map(
    SqlClient.make({
      driver: "mysql",
      acquirer,
      borrower,
      transactionAcquirer: HeldLease.or(transactionService, transactionAcquirer),
      transactionService,
      compiler: makeCompiler(transformQueryNames, transformJson),
      transformRows:
        transformResultNames === undefined
          ? undefined
          : Statement.defaultTransforms(transformResultNames, transformJson).array,
      spanAttributes: telemetry.attributes,
      beginTransaction: controls.begin,
      rollback: controls.rollback,
      savepoint: controls.savepoint,
      rollbackSavepoint: controls.rollbackTo,
      releaseSavepoint: controls.release,
      commit: (connection) => leaseOf(connection).commit,
      onCommitFailure: (connection) => leaseOf(connection).rollback,
      isTransaction: (connection) => leaseOf(connection).wantsRollback
    }),
    (client) => {
      clientStats.register(client, stats)
      return Object.assign(client, {
        [TypeId]: TypeId,
        config,
        json: compiler.json,
        onDuplicateKeyUpdate: (columns: ReadonlyArray<string>, expressions: Readonly<Record<string, unknown>> = {}) =>
          compiler.onDuplicateKeyUpdate(client, columns, expressions)
      })
    }
  )
}

/** The transaction's connection is the one that `transactionAcquirer` gave. */
const leaseOf = (connection: SqlConnection.Connection): Lease => connection as Lease

/**
 * A client on a pool of connections. The scope owns them.
 *
 * Fails with `AuthenticationError`, with `ConnectionError` when the server cannot be reached (unless `initialization` is
 * `lazy`), and with `UnknownError` when the configuration contradicts itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  config: MysqlClientConfig
): Effect.Effect<MysqlClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const resolved = yield* Effect.mapError(MysqlConfig.resolve(config), connectError)
    const pool = yield* Effect.mapError(MysqlPool.make(config), connectError)
    const telemetry = new Telemetry(resolved, config.spanAttributes)
    const options = rowOptions(resolved.decoding)
    const wrap = (connection: MysqlConnection.MysqlConnection): DriverConnection => {
      telemetry.product = connection.info.product
      return new DriverConnection(connection, options)
    }
    if (config.initialization !== "lazy") {
      yield* Effect.mapError(
        pool.use((connection) => Effect.sync(() => wrap(connection))),
        connectError
      )
    }
    return yield* makeWith({
      config,
      telemetry,
      stats: pool.stats,
      acquirer: Effect.mapBoth(pool.get, { onFailure: connectError, onSuccess: wrap }),
      borrower: (f) =>
        Effect.mapError(
          pool.use((connection) => f(wrap(connection))),
          acquireError
        ),
      transactionAcquirer: Effect.flatMap(Effect.mapError(pool.reserve, connectError), (connection) => {
        telemetry.product = connection.info.product
        const lease = new Lease(connection, options)
        return Effect.as(
          Effect.addFinalizer(() => lease.end(false)),
          lease
        )
      })
    })
  })

/**
 * A client on one connection, for scripts and tools: statements share it, a transaction or a stream has it to itself
 * while the others wait, and when the line is lost everything fails from then on. A transaction or a `reserve` inside
 * another `reserve` waits for ever.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeClient = (
  config: MysqlConnectionClientConfig
): Effect.Effect<MysqlClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const resolved = yield* Effect.mapError(MysqlConfig.resolve(config), connectError)
    const connection = yield* Effect.mapError(MysqlConnection.make(config), connectError)
    const telemetry = new Telemetry(resolved, config.spanAttributes)
    telemetry.product = connection.info.product
    const options = rowOptions(resolved.decoding)
    const shared = new DriverConnection(connection, options)
    let reserved = 0
    const counted = Effect.acquireRelease(
      Effect.sync(() => reserved++),
      () => Effect.sync(() => reserved--)
    )
    return yield* makeWith({
      config,
      telemetry,
      stats: Effect.sync(() => {
        const used = Math.min(reserved, 1)
        const idle = connection.statusUnsafe().closed ? 0 : 1 - used
        return { idle, used, connecting: 0, pending: Math.max(reserved - 1, 0), max: 1 }
      }),
      acquirer: Effect.succeed(shared),
      borrower: (f) => f(shared),
      transactionAcquirer: Effect.flatMap(Effect.mapError(connection.reserve, connectError), (own) => {
        const lease = new Lease(own, options)
        return Effect.as(
          Effect.addFinalizer(() => lease.end(true)),
          lease
        )
      }).pipe((acquire) => Effect.andThen(counted, acquire))
    })
  })

/**
 * A client that is made elsewhere, as `MysqlClient` and as `SqlClient`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFrom = <E, R>(
  acquire: Effect.Effect<MysqlClient, E, R>
): Layer.Layer<MysqlClient | SqlClient.SqlClient, E, Exclude<R, Scope.Scope | Reactivity.Reactivity>> =>
  Layer.effectContext(
    Effect.map(acquire, (client) => Context.add(Context.make(MysqlClient, client), SqlClient.SqlClient, client))
  ).pipe(Layer.provide(Reactivity.layer)) as Layer.Layer<
    MysqlClient | SqlClient.SqlClient,
    E,
    Exclude<R, Scope.Scope | Reactivity.Reactivity>
  >

/**
 * The client of `make`, as `MysqlClient` and as `SqlClient`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (config: MysqlClientConfig): Layer.Layer<MysqlClient | SqlClient.SqlClient, SqlError> =>
  layerFrom(make(config))

/**
 * The same, each field of the configuration being a `Config` or a value.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Wrap<MysqlClientConfig>
): Layer.Layer<MysqlClient | SqlClient.SqlClient, Config.ConfigError | SqlError> =>
  layerFrom(Effect.flatMap(Config.unwrap(config), make))
