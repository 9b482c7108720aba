import { describe, expect, it } from "vitest"
import type * as Reply from "../../src/reply/Reply.ts"
import { bytes, servers, session } from "../support/fixture.ts"
import { replay } from "../support/replay.ts"

const changes = [0x01, 0xff, 0x80, 0x04, 0x3f]

/** Recorded replies with one byte changed: whatever it means now, nothing is thrown and nothing is made up. */
describe.each(servers)("a reply of %s with one wrong byte", (server) => {
  it.each(["types", "replies", "replies-eof", "tracking"])('never throws (session "%s")', (name) => {
    const { capabilities, exchanges } = session(server, name)
    let metadata: Reply.Metadata | undefined
    let failures = 0
    for (const { command, response } of exchanges) {
      const options = { command, capabilities, metadata, shape: "object" } as const
      for (let at = 0; at < response.length / 2; at++) {
        const damaged = bytes(response)
        damaged[at]! ^= changes[at % changes.length]!
        const reply = replay([damaged], options)
        if (reply.failure !== undefined || reply.decodeError !== undefined) failures++
      }
      metadata = replay([bytes(response)], options).metadata ?? metadata
    }
    expect(failures).toBeGreaterThan(50)
  })
})
