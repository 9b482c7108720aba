import { describe, expect, it } from "vitest"
import { readdirSync } from "node:fs"
import * as CommandPacket from "../src/command/CommandPacket.ts"
import * as HandshakeResponse from "../src/connect/HandshakeResponse.ts"
import { success } from "./support/arbitraries.ts"
import { bytes, logins, payloads, servers, session } from "./support/fixture.ts"
import { replay } from "./support/replay.ts"

const notSessions = ["login.json", "change-user.json"]

describe.each(servers)("what %s accepted", (server) => {
  const names = readdirSync(new URL(`fixtures/${server}/`, import.meta.url))
    .filter((name) => name.endsWith(".json") && !notSessions.includes(name) && !name.startsWith("compressed"))
    .map((name) => name.replace(".json", ""))

  it.each(names)('session "%s" is read as a server reads it', (name) => {
    const recorded = session(server, name)
    const statements = new Map<number, { parameterCount: number; types?: ReadonlyArray<number> | undefined }>()
    const longData = new Map<number, Set<number>>()
    let read = 0
    for (const { command, request, response } of recorded.exchanges) {
      let upload = false
      for (const packet of payloads(bytes(request))) {
        // What follows a request for a file is the file.
        if (upload) continue
        const result = CommandPacket.decode(packet, {
          capabilities: recorded.capabilities,
          statements: (id) => {
            const known = statements.get(id)
            // The prepares of one session were not kept: each of their statements has one parameter.
            return known === undefined
              ? { parameterCount: name === "parameters" ? 1 : 0 }
              : { ...known, longData: longData.get(id) }
          }
        })
        const decoded = success(result)
        read++
        expect(decoded._tag).not.toBe("Unknown")
        if (decoded._tag === "SendLongData") {
          const known = longData.get(decoded.statementId) ?? new Set()
          longData.set(decoded.statementId, known.add(decoded.parameter))
        }
        if (decoded._tag === "ResetStatement") longData.delete(decoded.statementId)
        if (decoded._tag === "Execute") {
          longData.delete(decoded.statementId)
          const known = statements.get(decoded.statementId)
          if (known !== undefined && decoded.types.length > 0) known.types = decoded.types
        }
        if (decoded._tag === "Query") upload = bytes(response)[4] === 0xfb
      }
      if (command === "prepare") {
        const reply = replay([bytes(response)], { command, capabilities: recorded.capabilities })
        const { prepared } = reply
        if (prepared !== undefined) statements.set(prepared.statementId, { parameterCount: prepared.parameterCount })
      }
    }
    expect(read).toBeGreaterThan(0)
  })

  it("the answers to its greetings are read as a server reads them", () => {
    for (const recorded of logins(server)) {
      const response = payloads(bytes(recorded.steps[1]!.bytes))[0]!
      expect(success(HandshakeResponse.decode(response))).toMatchObject({
        _tag: "Response",
        username: recorded.username,
        capabilities: recorded.capabilities
      })
    }
  })
})
