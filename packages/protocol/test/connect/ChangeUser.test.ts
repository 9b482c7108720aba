/**
 * Changes of the user as the recorded servers took them: the command, what the plugins of both users say, and how it
 * ends.
 */
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as ChangeUser from "../../src/command/ChangeUser.ts"
import * as CommandPacket from "../../src/command/CommandPacket.ts"
import * as Authentication from "../../src/connect/Authentication.ts"
import { disclosureOver } from "../../src/connect/AuthPlugin.ts"
import { bytes, changesOfUser, payloads, type RecordedChange, servers } from "../support/fixture.ts"

const machineOf = ({ capabilities, greeting, password }: RecordedChange): Authentication.Authentication =>
  Result.getOrThrow(
    Authentication.make({
      capabilities,
      greeting: { authPlugin: greeting.authPlugin, scramble: bytes(greeting.scramble) },
      password,
      disclosure: disclosureOver("verified"),
      tls: false
    })
  )

const packetsFrom = ({ steps }: RecordedChange, from: "client" | "server") =>
  steps.filter((step) => step.from === from).flatMap((step) => payloads(bytes(step.bytes)))

describe.each(servers)("on a line to %s", (server) => {
  const recorded = changesOfUser(server)
  const change = (name: string): RecordedChange => recorded.find((candidate) => candidate.name === name)!

  it.each(recorded)("$name: the command is written and read as the server took it", (one) => {
    const { authPlugin, authResponse } = machineOf(one)
    const fields: ChangeUser.ChangeUser = {
      username: one.username,
      authPlugin,
      authResponse,
      database: one.database,
      collation: 45,
      connectAttributes: { program_name: "fixtures" }
    }
    const [command] = packetsFrom(one, "client")
    expect(ChangeUser.encode(fields, one.capabilities).toString("hex")).toBe(one.steps[0]!.bytes)
    expect(CommandPacket.decode(command!, { capabilities: one.capabilities })).toEqual(
      Result.succeed({ _tag: "ChangeUser", ...fields, authResponse: new Uint8Array(authResponse) })
    )
  })

  it.each(recorded)("$name: the answers are those that the server took", (one) => {
    const machine = machineOf(one)
    const sent: Array<string> = []
    let last: Authentication.Step | undefined
    for (const packet of packetsFrom(one, "server")) {
      last = Result.getOrThrow(machine.next(packet))
      if (last._tag === "Send") sent.push(Buffer.from(last.bytes).toString("hex"))
    }
    const answers = packetsFrom(one, "client")
      .slice(1)
      .map((answer) => answer.toString("hex"))
    // A password under RSA never looks the same twice.
    const comparable = (answer: string): unknown => (one.plugin === "sha256_password" ? answer.length : answer)
    expect(sent.map(comparable)).toEqual(answers.map(comparable))
    expect(machine.pluginName).toBe(one.plugin)
    expect(last?._tag).toBe(one.accepted ? "Accepted" : "Refused")
  })

  it("the OK names the database of the new user", () => {
    const machine = machineOf(change("with a database"))
    const steps = packetsFrom(change("with a database"), "server").map((packet) => machine.next(packet))
    expect(steps.at(-1)).toMatchObject({
      success: { _tag: "Accepted", ok: { changes: [{ _tag: "Database", name: "effect_mysql_fixtures" }] } }
    })
  })

  it("a wrong password is refused as at the login", () => {
    const machine = machineOf(change("refused"))
    const steps = packetsFrom(change("refused"), "server").map((packet) => machine.next(packet))
    expect(steps.at(-1)).toMatchObject({ success: { _tag: "Refused", err: { errno: 1045, sqlState: "28000" } } })
  })
})
