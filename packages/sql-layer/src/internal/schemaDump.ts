/**
 * The schema of the current database as the statements that make it anew, from `SHOW CREATE …`; no program such as
 * `mysqldump` is needed. What differs between two databases of the same schema is left out: definers and the counters of
 * generated ids. No rows but those of the table of migrations.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"

/** A statement; one with a body has semicolons inside. */
export interface Dumped {
  readonly sql: string
  readonly hasBody: boolean
}

const escape = (name: string): string => `\`${name.replaceAll("`", "``")}\``

const definer = /^(CREATE(?: ALGORITHM=\w+)?) DEFINER=(?:`(?:[^`]|``)*`|\S+?)(?:@(?:`(?:[^`]|``)*`|\S+))?/

const withoutDefiner = (sql: string): string => sql.replace(definer, "$1")

const autoIncrement = /^(\) ENGINE=.*?) AUTO_INCREMENT=\d+/m

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

const simple = (sql: string): Dumped => ({ sql, hasBody: false })

type Values = ReadonlyArray<ReadonlyArray<any>>

/** A view comes after those that it names. */
const inOrderOfUse = (views: ReadonlyArray<readonly [name: string, sql: string]>): ReadonlyArray<string> => {
  const placed: Array<string> = []
  let left = views
  while (left.length > 0) {
    const free = left.filter(([name, sql]) => !left.some(([other]) => other !== name && sql.includes(escape(other))))
    const next = free.length > 0 ? free : left
    placed.push(...next.map(([, sql]) => sql))
    left = left.filter((view) => !next.includes(view))
  }
  return placed
}

export const statements = (sql: SqlClient, table: string): Effect.Effect<ReadonlyArray<Dumped>, SqlError> =>
  Effect.gen(function* () {
    const show = (text: string): Effect.Effect<Values, SqlError> => sql.unsafe(text).valuesUnprepared
    const created = (kind: string, name: string, column: number): Effect.Effect<string, SqlError> =>
      Effect.map(show(`SHOW CREATE ${kind} ${escape(name)}`), (rows) => withoutDefiner(String(rows[0]![column])))

    const [current] = (yield* show("SELECT DATABASE()"))[0]!
    const database = `${escape(String(current))}.`
    const all = (yield* show("SHOW FULL TABLES")).map(([name, kind]) => [String(name), String(kind)] as const)
    const named = (kind: string): ReadonlyArray<string> => all.filter(([, its]) => its === kind).map(([name]) => name)

    const sequences = yield* Effect.forEach(named("SEQUENCE"), (name) => created("SEQUENCE", name, 1))
    const tables = yield* Effect.forEach(named("BASE TABLE"), (name) =>
      Effect.map(created("TABLE", name, 1), (text) => text.replace(autoIncrement, "$1"))
    )
    const views = yield* Effect.forEach(named("VIEW"), (name) =>
      Effect.map(created("VIEW", name, 1), (text) => [name, text.replaceAll(database, "")] as const)
    )
    const routines = yield* Effect.forEach(
      yield* show(`SELECT routine_type, routine_name FROM information_schema.routines
        WHERE routine_schema = DATABASE() ORDER BY routine_type, routine_name`),
      ([kind, name]) => created(String(kind), String(name), 2)
    )
    const triggers = yield* Effect.forEach(
      yield* show(`SELECT trigger_name FROM information_schema.triggers
        WHERE trigger_schema = DATABASE() ORDER BY event_object_table, action_timing, event_manipulation, action_order`),
      ([name]) => created("TRIGGER", String(name), 2)
    )
    const events = yield* Effect.forEach(
      yield* show(
        "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY event_name"
      ),
      ([name]) => created("EVENT", String(name), 3)
    )
    const migrations: Values = all.some(([name]) => name === table)
      ? yield* show(`SELECT migration_id, name FROM ${Statement.defaultEscape("`")(table)} ORDER BY migration_id`)
      : []

    return [
      simple("SET FOREIGN_KEY_CHECKS = 0"),
      ...sequences.map(simple),
      ...tables.map(simple),
      ...routines.map((text) => ({ sql: text, hasBody: true })),
      ...inOrderOfUse(views).map(simple),
      ...triggers.map((text) => ({ sql: text, hasBody: true })),
      ...events.map((text) => ({ sql: text, hasBody: true })),
      ...migrations.map(([id, name]) =>
        simple(`INSERT INTO ${escape(table)} (migration_id, name) VALUES (${id}, ${quote(String(name))})`)
      ),
      simple("SET FOREIGN_KEY_CHECKS = 1")
    ]
  })

/** As the command lines of both products read it. */
export const render = (dumped: ReadonlyArray<Dumped>): string =>
  dumped.map(({ hasBody, sql }) => (hasBody ? `DELIMITER ;;\n${sql} ;;\nDELIMITER ;\n` : `${sql};\n`)).join("\n")

export const write = (
  sql: SqlClient,
  directory: string,
  table: string
): Effect.Effect<void, unknown, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const text = render(yield* statements(sql, table))
    yield* files.makeDirectory(directory, { recursive: true })
    yield* files.writeFileString(path.join(directory, "_schema.sql"), text)
  })
