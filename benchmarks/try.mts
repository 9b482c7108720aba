import { MysqlConnection } from "@effect-mysql/client"
import { Effect, Redacted } from "effect"
import mariadb from "mariadb"
import mysql2 from "mysql2"

const url = new URL(process.env.MYSQL_TEST_URL)
const N = 5000
const measure = async (name, f) => {
  const c0 = process.cpuUsage(),
    t0 = performance.now()
  await f()
  const c = process.cpuUsage(c0)
  console.log(
    name.padEnd(10),
    "user",
    (c.user / N).toFixed(1),
    "sys",
    (c.system / N).toFixed(1),
    "ops",
    Math.round((N / (performance.now() - t0)) * 1000)
  )
}
const m2 = mysql2.createConnection({ host: url.hostname, port: +url.port, user: url.username, password: url.password })
const mq = () => new Promise((r, j) => m2.query("SELECT 1", (e, rows) => (e ? j(e) : r(rows))))
const md = await mariadb.createConnection({
  host: url.hostname,
  port: +url.port,
  user: url.username,
  password: url.password
})
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const c = yield* MysqlConnection.make({
        url: Redacted.make(process.env.MYSQL_TEST_URL),
        tls: { mode: "disabled" }
      })
      const ours = Effect.gen(function* () {
        for (let i = 0; i < N; i++) yield* c.query("SELECT 1")
      })
      for (let k = 0; k < 5; k++) {
        yield* Effect.promise(() =>
          measure("mysql2", async () => {
            for (let i = 0; i < N; i++) await mq()
          })
        )
        yield* Effect.promise(() => measure("ours", () => Effect.runPromise(ours)))
        yield* Effect.promise(() =>
          measure("mariadb", async () => {
            for (let i = 0; i < N; i++) await md.query("SELECT 1")
          })
        )
      }
    })
  )
)
process.exit(0)
