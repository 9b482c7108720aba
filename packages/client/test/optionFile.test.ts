/**
 * Option files: their syntax as the manual has it ("Using Option Files"), what the options mean, and connections made of
 * them.
 */
import { describe, expect, it } from "@effect/vitest"
import * as MysqlServer from "@effect-mysql/test-utils/MysqlServer"
import * as SharedServers from "@effect-mysql/test-utils/SharedServers"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as MysqlConfig from "../src/MysqlConfig.ts"
import * as MysqlConnection from "../src/MysqlConnection.ts"
import * as OptionFile from "../src/OptionFile.ts"
import { reasonOf } from "./support/script.ts"
import { scalar } from "./support/servers.ts"

/** A folder with these files, removed with the scope. */
const folder = (files: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "effect_mysql_options_"))
      for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )

const load = (text: string, options?: OptionFile.LoadOptions) =>
  Effect.flatMap(folder({ "my.cnf": text }), (path) => OptionFile.load(join(path, "my.cnf"), options))

const notFound = (path: string) =>
  PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "readFile", pathOrDescriptor: path })

describe("the syntax", () => {
  const values: ReadonlyArray<readonly [line: string, name: string, value: string | undefined]> = [
    ["port=3306", "port", "3306"],
    ["  port   =   3306  ", "port", "3306"],
    ["skip-ssl", "skip-ssl", undefined],
    ["default_character_set=utf8", "default-character-set", "utf8"],
    ["loose-ssl_ca=/x", "ssl-ca", "/x"],
    ["password=", "password", ""],
    ["password=a=b", "password", "a=b"],
    [`password="with spaces "`, "password", "with spaces "],
    [`password='a#b'`, "password", "a#b"],
    [`password="a#b" # comment`, "password", "a#b"],
    ["password=a#b", "password", "a"],
    ["port=1 # comment", "port", "1"],
    [`password="it's"`, "password", "it's"],
    [`password=it's`, "password", "it's"],
    [String.raw`password=a\sb\tc\nd\\e\"f\'g`, "password", `a b\tc\nd\\e"f'g`],
    [String.raw`socket=C:\Program\sFiles\x`, "socket", String.raw`C:\Program Files\x`],
    [String.raw`password="a\"#b"`, "password", `a"#b`],
    [`password="`, "password", `"`]
  ]

  it.each(values)("%s", (line, name, value) => {
    const options = Result.getOrThrow(OptionFile.parse(`[client]\n${line}\n`))
    expect(options).toEqual([{ group: "client", name, value, line: 2 }])
  })

  it("has groups, comments, and lines that are for others", () => {
    const text =
      "\ufeff# first\r\n[client]\r\nhost=a\r\n\r\n; more\n[mysqld ]\nport=1\n!include /etc/x.cnf\n!includedir /etc\n[client]\nhost=b"
    expect(Result.getOrThrow(OptionFile.parse(text)).map(({ group, line, name }) => [group, name, line])).toEqual([
      ["client", "host", 3],
      ["mysqld", "port", 7],
      ["client", "host", 11]
    ])
  })

  it("names the lines that are wrong, and repeats nothing of them", () => {
    const parsed = OptionFile.parse("password=s3cret\n[client\nuser=x\n")
    expect(Result.isFailure(parsed) ? parsed.failure.reason : undefined).toMatchObject({
      _tag: "ConfigurationError",
      faults: ["line 1: an option before any group", "line 2: a group without its closing bracket"]
    })
  })
})

describe("options", () => {
  const said: ReadonlyArray<readonly [lines: string, config: object]> = [
    ["host=h\nport=3307\nuser=ann\ndatabase=shop", { host: "h", port: 3307, username: "ann", database: "shop" }],
    ["host=a\nhost=b", { host: "b" }],
    ["socket=/s", { socketPath: "/s" }],
    ["socket=/s\nhost=localhost\nport=1", { socketPath: "/s" }],
    ["socket=/s\nhost=db.example\nport=1", { host: "db.example", port: 1 }],
    ["socket=/s\nhost=db.example\nprotocol=SOCKET", { socketPath: "/s" }],
    ["socket=/s\nprotocol=tcp\nport=1", { port: 1 }],
    ["host=\nsocket=\ndatabase", {}],
    ["default-character-set=utf8", { charset: "utf8mb3" }],
    ["default-character-set=auto", {}],
    ["connect-timeout=5\ninit-command=SET @a = 1", { connectTimeout: Duration.seconds(5), initSql: "SET @a = 1" }],
    ["max_allowed_packet=16M", { maxPacketBytes: 16 * 1024 * 1024 }],
    ["ssl", { tls: { mode: "required" } }],
    ["ssl=OFF", { tls: { mode: "disabled" } }],
    ["skip-ssl\nssl-ca=/not/read", { tls: { mode: "disabled" } }],
    ["ssl-mode=verify_identity", { tls: { mode: "verify-identity" } }],
    ["ssl-verify-server-cert", { tls: { mode: "verify-identity" } }],
    ["ssl-verify-server-cert=0", { tls: { mode: "required" } }],
    ["tls-version=TLSv1.3,TLSv1.2", { tls: { mode: "required", minVersion: "TLSv1.2" } }],
    [
      "ssl-mode=REQUIRED\ntls-version=TLSv1.3\ntls-sni-servername=n",
      { tls: { mode: "required", minVersion: "TLSv1.3", servername: "n" } }
    ],
    [
      "default-auth=parsec\nenable-cleartext-plugin\nget-server-public-key=OFF",
      { authPlugin: "parsec", allowCleartextPassword: true, allowPublicKeyRetrieval: false }
    ],
    ["compress", { compression: "zlib" }],
    ["compression-algorithms=zstd,zlib", { compression: "zstd" }],
    ["no-auto-rehash\nprompt=x\n__proto__=1", {}]
  ]

  it.effect.each(said)("%j", ([lines, config]) =>
    Effect.gen(function* () {
      expect(yield* load(`[client]\n${lines}\n`)).toEqual(config)
    }).pipe(Effect.scoped)
  )

  const wrong: ReadonlyArray<readonly [lines: string, fault: string]> = [
    ["port=abc", "port: it is not a whole number"],
    ["ssl=constructor", "ssl: it is neither on nor off"],
    ["ssl=maybe", "ssl: it is neither on nor off"],
    ["ssl-mode=SOMEHOW", `ssl-mode: "SOMEHOW" is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY`],
    [
      "default-character-set=gbk",
      `default-character-set: "gbk" is none of utf8mb4, utf8mb3, utf8, latin1, ascii, binary, auto`
    ],
    ["compression-algorithms=lz4", `compression-algorithms: "lz4" is none of zlib, zstd, uncompressed`],
    ["tls-version=TLSv1.1", "tls-version: it lists none of TLSv1.2, TLSv1.3"]
  ]

  it.effect.each(wrong)("%j is refused", ([lines, fault]) =>
    Effect.gen(function* () {
      const reason = reasonOf(yield* Effect.exit(load(`[client]\n${lines}\n`)))
      expect(reason).toMatchObject({
        _tag: "ConfigurationError",
        faults: [expect.stringContaining(`my.cnf: line 2: ${fault}`)]
      })
    }).pipe(Effect.scoped)
  )

  it.effect("are those of the groups that are asked for, and a password stays hidden", () =>
    Effect.gen(function* () {
      const text = "[client]\nuser=ann\npassword=s3cret\n[reports]\nuser=bob\n[mysqld]\nport=1\n"
      const client = yield* load(text)
      expect(client).toMatchObject({ username: "ann" })
      expect(Redacted.value(client.password as Redacted.Redacted)).toBe("s3cret")
      expect(JSON.stringify(client)).not.toContain("s3cret")
      expect((yield* load(text, { groups: ["client", "reports"] })).username).toBe("bob")
      expect(yield* load(text, { groups: ["nobody"] })).toEqual({})
    }).pipe(Effect.scoped)
  )

  it.effect("are none where there is no file, and an error where there is one that cannot be read", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "bad.cnf": "[client]\nport=x\nssl-ca=/no/such/ca.pem\nserver-public-key-path=~\n" })
      expect(yield* OptionFile.load(join(path, "none.cnf"))).toEqual({})
      expect(reasonOf(yield* Effect.exit(OptionFile.load(path)))).toMatchObject({
        _tag: "ConfigurationError",
        faults: [expect.stringContaining(`${path} cannot be read`)]
      })
      expect(reasonOf(yield* Effect.exit(OptionFile.load(join(path, "bad.cnf"))))).toMatchObject({
        _tag: "ConfigurationError",
        faults: [
          expect.stringContaining("line 2: port"),
          expect.stringContaining("~ cannot be read"),
          expect.stringContaining("/no/such/ca.pem cannot be read")
        ]
      })
    }).pipe(Effect.scoped)
  )

  it.effect("come from the standard files, the user's own last, through the files in context", () =>
    Effect.gen(function* () {
      const home = process.env["HOME"] ?? ""
      const files: Readonly<Record<string, string>> = {
        "/etc/my.cnf": "[client]\nhost=a\nport=1\nuser=x\n",
        [`${home}/.my.cnf`]: "[client]\nhost=b\nssl-ca=~/ca.pem\n",
        [`${home}/ca.pem`]: "PEM"
      }
      const inMemory = FileSystem.layerNoop({
        readFile: (path) =>
          Effect.suspend(() =>
            files[path] === undefined
              ? Effect.fail(notFound(path))
              : Effect.succeed(new TextEncoder().encode(files[path]))
          )
      })
      expect(yield* Effect.provide(OptionFile.load(), inMemory)).toEqual({
        host: "b",
        port: 1,
        username: "x",
        tls: { mode: "verify-ca", ca: new TextEncoder().encode("PEM") }
      })
    })
  )
})

for (const server of SharedServers.all) {
  describe.skipIf(!server.available || server.provider === "url")(`an option file for ${server.name}`, () => {
    it.live("is enough to connect with, and gives way to what is said beside it", () =>
      Effect.gen(function* () {
        const { certificates, database, host, port, socketPath, url } = yield* MysqlServer.MysqlServer
        const { password, username } = new URL(Redacted.value(url))
        const name = yield* database
        const account = `user=${username}\npassword="${decodeURIComponent(password)}"\n`
        const path = yield* folder({
          "ca.pem": certificates!.ca,
          "client.pem": certificates!.clientCert,
          "client.key": Redacted.value(certificates!.clientKey)
        })
        writeFileSync(
          join(path, "my.cnf"),
          `[client]\n${account}host=${host}\nport=${port}\ndatabase=${name}\ndefault-character-set=utf8
[secure]\nssl-ca=${path}/ca.pem\nssl-cert=${path}/client.pem\nssl-key=${path}/client.key\nssl-mode=VERIFY_IDENTITY
[local]\n${account}socket=${socketPath}\ninit_command="SET @from = 'file'"\n`
        )
        const file = join(path, "my.cnf")
        const plain = yield* MysqlConnection.make(yield* OptionFile.load(file))
        expect((yield* plain.query("SELECT DATABASE() AS d, @@character_set_client AS c")).rows).toEqual([
          { d: name, c: "utf8mb3" }
        ])
        const secure = yield* MysqlConnection.make(yield* OptionFile.load(file, { groups: ["client", "secure"] }))
        expect(secure.info.tls?.verified).toBe(true)
        const local = yield* OptionFile.load(file, { groups: ["local"] })
        const bySocket = yield* MysqlConnection.make(local)
        expect(bySocket.info.host).toBe(socketPath)
        expect(yield* scalar(bySocket, "SELECT @from")).toBe("file")
        const over = yield* MysqlConnection.make(
          MysqlConfig.merge(local, { host, port, initSql: "SET @from = 'here'" })
        )
        expect(over.info.host).toMatch(new RegExp(`:${port}$`))
        expect(yield* scalar(over, "SELECT @from")).toBe("here")
      }).pipe(Effect.provide(server.layer))
    )
  })
}
