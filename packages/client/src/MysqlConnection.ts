/**
 * One connection to one server.
 *
 * Statements of several fibers on one connection are pipelined: they go out without waiting for one another, and each
 * fiber gets its own reply. Whoever needs the session for himself - transactions, session variables, locks - reserves it.
 *
 * Interrupting a fiber stops its statement on the server.
 *
 * @since 0.1.0
 */
import type { DecodingOptions } from "@effect-mysql/protocol/row/Decoding"
import type * as Config from "effect/Config"
import * as ConfigModule from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Connection from "./internal/Connection.ts"
import * as canceller from "./internal/canceller.ts"
import type { MysqlConfig } from "./MysqlConfig.ts"
import * as Settings from "./MysqlConfig.ts"
import type { MysqlError } from "./MysqlError.ts"

/**
 * A column of a result.
 *
 * @since 0.1.0
 * @category models
 */
export interface Field {
  readonly name: string
  readonly table: string
  readonly database: string
  readonly originalName: string
  readonly originalTable: string
  /** The server's type by name, e.g. `BIGINT UNSIGNED`, `VARCHAR`, MariaDB's `JSON` and `UUID` included. */
  readonly type: string
  readonly nullable: boolean
  /** Largest length of a value in bytes, as the server states it. */
  readonly length: number
  readonly decimals: number
  readonly flags: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type Row = { readonly [column: string]: unknown }

/**
 * The end of a statement that returned no rows, or what surrounds the rows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outcome {
  /** Rows that were changed; with `foundRows`, rows that matched. */
  readonly affectedRows: number
  /** The first id that was generated: `number` where safe, else `bigint`; 0 where there is none. */
  readonly insertId: number | bigint
  readonly warningCount: number
  /** The server's own words, e.g. `Records: 3  Duplicates: 0  Warnings: 0`. */
  readonly info: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface QueryResult<A = Row> extends Outcome {
  readonly rows: ReadonlyArray<A>
  /** Empty for a statement that returns no rows by its nature. */
  readonly fields: ReadonlyArray<Field>
}

/**
 * One of several result sets, as it comes.
 *
 * What `Outcome` tells, and `isOutParameters`, are known once the rows have ended; where there are none, at once. Until
 * then they are 0, empty and `false`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultSet<A = Row> extends Outcome {
  /** Empty for a statement that returns no rows by its nature. */
  readonly fields: ReadonlyArray<Field>
  /**
   * Its rows, once. Fails with `ResultSetClosed` when the next set was asked for, when the stream of sets has ended, and
   * when run a second time.
   */
  readonly rows: Stream.Stream<A, MysqlError>
  /** Its one row holds the values of the OUT and INOUT parameters of a prepared CALL. */
  readonly isOutParameters: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CallResult extends Outcome {
  /** The result sets of the procedure. */
  readonly sets: ReadonlyArray<QueryResult>
  /** The values of OUT and INOUT parameters, by their names in the procedure. */
  readonly out: Row
}

/**
 * Values for the placeholders of a statement: for each `?` in their order or, in a record, for each `:name`.
 *
 * @since 0.1.0
 * @category models
 */
export type Params = ReadonlyArray<unknown> | Readonly<Record<string, unknown>>

/**
 * Makes something of each row. What it finds out about the columns it does once; the values come as the `decoding`
 * options say, in the order of the columns. What it throws becomes a `DecodeError`.
 *
 * @since 0.1.0
 * @category models
 */
export type RowDecoder<A> = (fields: ReadonlyArray<Field>) => (values: ReadonlyArray<unknown>) => A

/**
 * @since 0.1.0
 * @category models
 */
export interface QueryOptions<A = Row> {
  /**
   * Rows as objects (default), as arrays, as a function of yours makes them, or as a Schema decodes them from objects. The
   * Schema must need no services and no waiting; what it refuses is a `DecodeError` that names column and path. Keep
   * function and Schema in a constant: what was found out about them is kept with the statement.
   */
  readonly rows?: "object" | "array" | RowDecoder<A> | Schema.Decoder<A> | undefined
  /** How values come out, for this statement; the connection's options do not apply then. */
  readonly decoding?: DecodingOptions | undefined
  /** `false`: the statement goes as text, its values as literals. */
  readonly prepare?: boolean | undefined
  /**
   * Values by name that travel with the statement and that `mysql_query_attribute_string()` reads on the server, where its
   * component `query_attributes` is installed. Only with the option `queryAttributes` of the connection; without it, and on
   * MariaDB, a `ConfigurationError`, and nothing is sent.
   */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** The statement is stopped after this time, and fails with `StatementTimeout`. Default: the connection's. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CursorOptions<A = Row> extends QueryOptions<A> {
  /** Rows that come at a time, and that are held here at most. Default 1,000. */
  readonly fetchSize?: number | undefined
}

/**
 * Rows that stay on the server until they are fetched.
 *
 * `timeout` bounds the opening and each fetch. A row that cannot be decoded fails the fetch that brings it; the next one
 * goes on behind it. After the end of its scope a fetch fails with `ResultSetClosed`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cursor<A = Row> {
  readonly fields: ReadonlyArray<Field>
  /** The next rows, at most so many (default `fetchSize`); none at the end. */
  readonly fetch: (rows?: number) => Effect.Effect<ReadonlyArray<A>, MysqlError>
  /** The rows from here on, `fetchSize` at a time. */
  readonly stream: Stream.Stream<A, MysqlError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface TransactionOptions {
  readonly isolation?: "read uncommitted" | "read committed" | "repeatable read" | "serializable" | undefined
  readonly accessMode?: "read only" | "read write" | undefined
  readonly consistentSnapshot?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Info {
  readonly product: "mysql" | "mariadb"
  readonly version: string
  readonly connectionId: number
  /** The address that was connected to. */
  readonly host: string
  readonly authPlugin: string
  /** `resumed`: by a session of TLS that an earlier line had begun. */
  readonly tls:
    | { readonly protocol: string; readonly cipher: string; readonly verified: boolean; readonly resumed?: boolean }
    | undefined
  readonly compression: "none" | "zlib" | "zstd"
  /** In which statements are sent; see the option of that name. */
  readonly charset: string
  readonly collation: string
  readonly protocolVersion: 10
  /** What client and server have agreed on: the flags of the manual's "Capabilities Flags", and MariaDB's own. */
  readonly capabilities: { readonly flags: number; readonly extended: number }
}

/**
 * @since 0.1.0
 * @category models
 */
export type UserOptions = Pick<MysqlConfig, "username" | "password" | "database" | "charset">

/**
 * What the server has noted about the statement before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Warning {
  /** `Note`, `Warning` or `Error`. */
  readonly level: string
  readonly errno: number
  readonly message: string
}

/**
 * The session as the server described it last.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly inTransaction: boolean
  readonly autocommit: boolean
  readonly noBackslashEscapes: boolean
  readonly database: string | undefined
  readonly closed: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface BatchOptions {
  /** Rows that are taken, encoded and sent at a time: whole, at least 1. Default 1000. */
  readonly chunkSize?: number | undefined
  /** The number of the first row in errors, for a batch that is a part of more. Default 0. */
  readonly firstRow?: number | undefined
  /** `false`: generated ids are not kept, for more rows than one wants to remember. Default `true`. */
  readonly insertIds?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface BatchResult {
  /** Of all statements together, counted as the server counts: an updated duplicate is 2, a replaced row too. */
  readonly affectedRows: number
  readonly warningCount: number
  /**
   * The generated id of each row, in their order, 0 where a row has none. Empty where no row has one, or where the
   * server does not tell them all: see `batch`.
   */
  readonly insertIds: ReadonlyArray<number | bigint>
  /** Statements that were sent, a bulk message of MariaDB being one. */
  readonly statements: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PreparedStatement {
  readonly cursor: <A = Row>(
    params?: ReadonlyArray<unknown>,
    options?: CursorOptions<A>
  ) => Effect.Effect<Cursor<A>, MysqlError, Scope.Scope>
  readonly parameterCount: number
  readonly fields: ReadonlyArray<Field>
  readonly query: <A = Row>(
    params?: ReadonlyArray<unknown>,
    options?: QueryOptions<A>
  ) => Effect.Effect<QueryResult<A>, MysqlError>
  readonly stream: <A = Row>(params?: ReadonlyArray<unknown>, options?: QueryOptions<A>) => Stream.Stream<A, MysqlError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MysqlConnection {
  readonly info: Info
  readonly status: Effect.Effect<Status>
  /** The same without an effect, for callers that must decide synchronously. */
  readonly statusUnsafe: () => Status
  /**
   * Runs one statement and collects its rows. With parameters it is prepared (and stays so, for the next time), and they
   * travel beside the text. Of several results the first is returned.
   */
  readonly query: <A = Row>(
    sql: string,
    params?: Params,
    options?: QueryOptions<A>
  ) => Effect.Effect<QueryResult<A>, MysqlError>
  /**
   * The rows of one statement as they come. What the consumer does not pull stays on the way, and the server waits.
   * The connection is busy until the stream ends; ending it early stops the statement.
   */
  readonly stream: <A = Row>(sql: string, params?: Params, options?: QueryOptions<A>) => Stream.Stream<A, MysqlError>
  /**
   * Every result set of CALL or of several statements, also where the connection does not allow several: these go as text,
   * their values as literals. The sets come one after the other, and each streams its rows. What is left of a set when
   * the next one is asked for is read away. Fails with the first error; what ran before it has run, and ending early
   * stops what runs then.
   */
  readonly results: <A = Row>(
    sql: string,
    params?: Params,
    options?: QueryOptions<A>
  ) => Stream.Stream<ResultSet<A>, MysqlError>
  /** The same with all of their rows, when the last is complete; for few and small ones. Interruption is that of `query`. */
  readonly queryAll: <A = Row>(
    sql: string,
    params?: Params,
    options?: QueryOptions<A>
  ) => Effect.Effect<ReadonlyArray<QueryResult<A>>, MysqlError>
  /**
   * Runs a statement whose rows stay on the server and come `fetchSize` at a time. In between the connection is free:
   * other statements and other cursors run beside it, and a consumer may take as long as it likes. Both products store the
   * rows in a temporary table. The cursor is closed with the scope. A statement for which the server opens no cursor, such
   * as SHOW or CALL, works all the same: then all its rows are here from the beginning.
   */
  readonly cursor: <A = Row>(
    sql: string,
    params?: Params,
    options?: CursorOptions<A>
  ) => Effect.Effect<Cursor<A>, MysqlError, Scope.Scope>
  /**
   * Calls a procedure: `name` or `database.name`, quoted here. OUT parameters take any value, such as `null`; what they
   * come back with is in `out`; text of a MySQL server that is not in UTF-8 comes as bytes. Without preparing (`prepare: false`) it goes through user variables, in which FLOAT
   * becomes DOUBLE and YEAR and BIT become integers, and a look at the procedure's definition comes before.
   */
  readonly call: (procedure: string, params?: ReadonlyArray<unknown>) => Effect.Effect<CallResult, MysqlError>
  /**
   * Runs one statement for many rows of values, in as few messages as the server takes: MariaDB's bulk command; on MySQL
   * an INSERT or REPLACE of one row is sent with many (`VALUES (?, UPPER(?), 'x') AS new ON DUPLICATE KEY UPDATE …`
   * included); everything else is executed once a row, many executions in one write. Rows that come back are dropped.
   *
   * All rows give their values by position, or all by name. The iterable is read a chunk at a time. A row of the wrong length, or with a value that cannot be sent, fails with
   * `ParameterError` that names the row, counted from 0, and nothing of its chunk is sent. When the server refuses a
   * statement, those sent with it may have run, and nothing behind them has: who wants all or nothing runs it in a
   * transaction. Interruption stops the statement under way; the chunks before it have run.
   *
   * Generated ids are the server's own where each row has its reply (MariaDB from 11.5 on, executions) or a chunk has one
   * row. MySQL tells the first of an INSERT; the others follow where each row is new and leaves its id to the server. An
   * older MariaDB tells none.
   */
  readonly batch: (
    sql: string,
    rows: Iterable<Params>,
    options?: BatchOptions
  ) => Effect.Effect<BatchResult, MysqlError>
  /**
   * Runs a LOAD DATA LOCAL INFILE, or LOAD XML LOCAL INFILE. `bytes` is called with the name that the server asks for, at
   * most once, and its stream is the file: pulled only as fast as the server takes it. A server that asks for nothing, or
   * refuses the statement, pulls nothing. What a pull gives is copied before the next pull: its memory may be used again
   * then. The connection is busy until the end.
   *
   * The stream's own error passes through. When the stream fails, and on interruption, the statement is stopped: what a
   * transactional table has stored of it is undone, and the connection is used on. No other statement gives a server a
   * file: whoever is asked for one then fails with `LocalInfileError`, and the server gets an empty one.
   *
   * The server has to allow it (`local_infile`; off by default on MySQL).
   */
  readonly loadData: <E = never, R = never>(
    sql: string,
    bytes: (fileName: string) => Stream.Stream<Uint8Array, E, R>
  ) => Effect.Effect<Outcome, MysqlError | E, R>
  /**
   * `loadData` from rows, which are written in the format that the statement's FIELDS and LINES state. Values are what
   * they are as parameters, in the order of the statement's columns; the statement has to say `CHARACTER SET utf8mb4`,
   * or `CHARACTER SET binary` where bytes are among them.
   *
   * Fails with `ConfigurationError` for a format that rows cannot be written in, and with `ParameterError` that names the
   * row for a value that cannot be sent; nothing of the statement stays then.
   */
  readonly loadRows: <E = never, R = never>(
    sql: string,
    rows: Stream.Stream<ReadonlyArray<unknown>, E, R>
  ) => Effect.Effect<Outcome, MysqlError | E, R>
  /** Prepares a statement that stays prepared until the scope closes. */
  readonly prepare: (sql: string) => Effect.Effect<PreparedStatement, MysqlError, Scope.Scope>
  /**
   * Exclusive use until the scope closes; waits in the order of asking. Statements of others wait meanwhile. Reserving
   * what is reserved already gives the same again.
   */
  readonly reserve: Effect.Effect<ReservedConnection, MysqlError, Scope.Scope>
  readonly ping: Effect.Effect<void, MysqlError>
  /**
   * Ends the statement that another connection runs, or that connection. Fails with `ServerError` 1094 where there is
   * none of this number. The server has taken note when this ends; the other side notices a little later.
   */
  readonly kill: (connectionId: number, what: "QUERY" | "CONNECTION") => Effect.Effect<void, MysqlError>
  /** A value as a literal of SQL, by the mode that the session is in now. Fails with `ParameterError`. */
  readonly escape: (value: unknown) => Effect.Effect<string, MysqlError>
}

/**
 * A connection that nobody else uses: the place for what changes the session.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReservedConnection extends MysqlConnection {
  readonly begin: (options?: TransactionOptions) => Effect.Effect<void, MysqlError>
  /** Fails with `CommitOutcomeUnknown` when the line is lost after COMMIT was sent. */
  readonly commit: Effect.Effect<void, MysqlError>
  readonly rollback: Effect.Effect<void, MysqlError>
  readonly savepoint: (name: string) => Effect.Effect<void, MysqlError>
  readonly rollbackTo: (name: string) => Effect.Effect<void, MysqlError>
  readonly release: (name: string) => Effect.Effect<void, MysqlError>
  readonly useDatabase: (name: string) => Effect.Effect<void, MysqlError>
  /**
   * Goes on as another user, or as the same with another password, in a session that is set up anew: an open transaction
   * is rolled back, temporary tables, prepared statements and variables are gone. What is not given stays as configured.
   *
   * Fails with `LoginError` where the server does not let the user in; whenever this fails or is interrupted, the
   * connection is closed. A pool does not lend a connection again whose user was changed.
   */
  readonly changeUser: (options: UserOptions) => Effect.Effect<void, MysqlError>
  /**
   * The character set in which statements go to the server from now on, and the collation; see the options of these
   * names. Fails with `ConfigurationError` for a set that is not among them.
   */
  readonly setCharset: (charset: string, collation?: string) => Effect.Effect<void, MysqlError>
  /** Says nothing to a server that is in this mode already. Switching it on commits an open transaction. */
  readonly setAutocommit: (on: boolean) => Effect.Effect<void, MysqlError>
  /** What the server has noted about the last statement: one round trip, worth it when its `warningCount` is not 0. */
  readonly warnings: Effect.Effect<ReadonlyArray<Warning>, MysqlError>
  /** Puts the session back to its configured state; an open transaction is rolled back. */
  readonly reset: Effect.Effect<void, MysqlError>
  /**
   * Cuts the line: the session ends, what runs in it is stopped, what is open in it is rolled back, and everything else
   * asked of it fails. A COMMIT, ROLLBACK or XA statement under way is not stopped.
   */
  readonly close: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category services
 */
export const MysqlConnection: Context.Service<MysqlConnection, MysqlConnection> = Context.Service<MysqlConnection>(
  "@effect-mysql/client/MysqlConnection"
)

/**
 * Connects and logs in. The scope owns the connection: when it closes, the session is ended.
 *
 * Fails with `ConfigurationError`, `ConnectError`, `TlsError`, `LoginError` or `ProtocolError`. Interruption closes the
 * line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (config: MysqlConfig): Effect.Effect<MysqlConnection, MysqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const resolved = yield* Settings.resolve(config)
    return yield* Connection.open(resolved, yield* canceller.make)
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (config: MysqlConfig): Layer.Layer<MysqlConnection, MysqlError> =>
  Layer.effect(MysqlConnection, make(config))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Wrap<MysqlConfig>
): Layer.Layer<MysqlConnection, MysqlError | Config.ConfigError> =>
  Layer.effect(MysqlConnection, Effect.flatMap(ConfigModule.unwrap(config), make))
