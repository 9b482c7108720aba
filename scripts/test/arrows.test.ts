import { describe, expect, it } from "@effect/vitest"
import * as Arrows from "../lib/arrows.ts"

const declared = ["effect", "@effect/platform-node", "@effect-mysql/protocol", "@effect-mysql/client"]

const messages = (folder: string, text: string, path = "src/Module.ts"): ReadonlyArray<string> =>
  Arrows.check(Arrows.rules[folder]!, declared, { path, text }).map(({ message }) => message)

describe("the arrows between the packages", () => {
  it.each([
    ["protocol", 'import * as Net from "node:net"'],
    ["protocol", 'import { readFile } from "node:fs/promises"'],
    ["protocol", 'import * as Socket from "effect/socket/Socket"'],
    ["protocol", 'import * as NodeSocket from "@effect/platform-node/NodeSocket"'],
    ["protocol", 'import { Effect } from "effect"'],
    ["client", 'import * as SqlClient from "effect/sql/SqlClient"'],
    ["client", 'import { MysqlServer } from "@effect-mysql/test-utils"'],
    ["client", 'export * from "@effect-mysql/sql-layer/MysqlClient"'],
    ["sql-layer", 'import type { Column } from "@effect-mysql/protocol/reply/Column"'],
    ["sql-layer", 'import { Buffer } from "node:buffer"'],
    ["test-utils", 'import { MysqlConnection } from "@effect-mysql/client"'],
    ["test-utils", 'const client = await import("@effect-mysql/client")']
  ])("%s must not have %s", (folder, text) => {
    expect(messages(folder, text)).toEqual([expect.stringContaining("is not for this package")])
  })

  it.each([
    ["protocol", 'import { createHash } from "node:crypto"'],
    ["client", 'import * as Packet from "@effect-mysql/protocol/framing/Packet"'],
    ["sql-layer", 'import * as SqlClient from "effect/sql/SqlClient"'],
    ["test-utils", 'import * as Net from "node:net"']
  ])("%s may have %s", (folder, text) => {
    expect(messages(folder, text)).toEqual([])
  })

  it("sockets are for NodeTransport and its helpers", () => {
    const text = 'import * as Tls from "node:tls"'
    expect(messages("client", text, "src/NodeTransport.ts")).toEqual([])
    expect(messages("client", text, "src/internal/nodeTransport/tls.ts")).toEqual([])
    expect(messages("client", text, "src/MysqlPool.ts")).toEqual([expect.stringContaining("node:tls is only for")])
  })

  it("a package that is not declared is not imported, even if it may be", () => {
    const undeclared = Arrows.check(Arrows.rules.client!, ["effect"], {
      path: "src/Module.ts",
      text: 'import * as Bytes from "@effect-mysql/protocol/Bytes"'
    })
    expect(undeclared).toEqual([
      { path: "src/Module.ts", line: 1, message: "@effect-mysql/protocol/Bytes is not declared as a dependency" }
    ])
  })

  it("relative imports stay in the package's source", () => {
    expect(messages("client", 'import { Packet } from "../../protocol/src/framing/Packet.ts"')).toEqual([
      "../../protocol/src/framing/Packet.ts leaves the package's source"
    ])
    expect(messages("client", 'import { login } from "./internal/login.ts"')).toEqual([])
  })

  it("sees imports over several lines and tells the line; examples in comments are nobody's", () => {
    const text = `/**
 * import { MysqlClient } from "@effect-mysql/sql-layer"
 */
import {
  a,
  b
} from "node:fs"
`
    expect(Arrows.check(Arrows.rules.protocol!, declared, { path: "src/A.ts", text })).toEqual([
      { path: "src/A.ts", line: 7, message: "node:fs is not for this package" }
    ])
  })

  it.each(["setTimeout(f, 1)", "setInterval(f, 1)", "const now = Date.now()", "performance.now()", "new Date()"])(
    "time is the Clock's: %s",
    (text) => {
      expect(messages("client", text)).toEqual([expect.stringContaining("use Clock")])
      expect(messages("test-utils", text)).toEqual([])
    }
  )

  it("a date with an argument and another object's method are no clock", () => {
    expect(messages("client", "new Date(0)\nsocket.setTimeout(0)\nclock.now()")).toEqual([])
  })
})
