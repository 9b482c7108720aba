/**
 * Local times and instants in zones with and without daylight saving. The expected offsets are those of the IANA
 * database.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Zone from "../../src/value/Zone.ts"

const millis = (text: string): number => Date.parse(`${text}Z`)
const shown = (value: number): string => new Date(value).toISOString().slice(0, -5)

const berlin = Zone.named("Europe/Berlin")!
const newYork = Zone.named("America/New_York")!
const monrovia = Zone.named("Africa/Monrovia")!
const lordHowe = Zone.named("Australia/Lord_Howe")!

describe("a zone", () => {
  const both: ReadonlyArray<readonly [name: string, zone: Zone.Zone, utc: string, local: string]> = [
    ["UTC", 0, "2026-07-01T12:00:00", "2026-07-01T12:00:00"],
    ["+05:30", 330, "2026-07-01T12:00:00", "2026-07-01T17:30:00"],
    ["-03:30", -210, "2026-07-01T01:00:00", "2026-06-30T21:30:00"],
    ["Berlin in winter", berlin, "2026-01-01T12:00:00", "2026-01-01T13:00:00"],
    ["Berlin in summer", berlin, "2026-07-01T12:00:00", "2026-07-01T14:00:00"],
    ["Berlin before clocks go forward", berlin, "2026-03-29T00:59:59", "2026-03-29T01:59:59"],
    ["Berlin after clocks went forward", berlin, "2026-03-29T01:00:00", "2026-03-29T03:00:00"],
    ["Berlin after clocks went back", berlin, "2026-10-25T02:00:00", "2026-10-25T03:00:00"],
    ["New York", newYork, "2026-01-01T02:00:00", "2025-12-31T21:00:00"],
    ["half an hour of daylight saving", lordHowe, "2026-01-01T00:00:00", "2026-01-01T11:00:00"],
    ["and without", lordHowe, "2026-07-01T00:00:00", "2026-07-01T10:30:00"],
    ["Monrovia, whose offset had seconds until then", monrovia, "1972-01-07T00:44:30", "1972-01-07T00:44:30"],
    ["Berlin in a war summer", berlin, "1945-06-01T00:00:00", "1945-06-01T03:00:00"]
  ]

  it.each(both)("%s", (_, zone, utc, local) => {
    // The second time the answer is remembered.
    for (let round = 0; round < 2; round++) {
      expect(shown(Zone.toLocal(zone, millis(utc)))).toBe(local)
      expect(shown(Zone.toUtc(zone, millis(local)))).toBe(utc)
    }
  })

  it("takes the earlier of two instants that a local time means", () => {
    expect(shown(Zone.toUtc(berlin, millis("2026-10-25T02:30:00")))).toBe("2026-10-25T00:30:00")
  })

  it("counts on where a local time does not exist", () => {
    expect(shown(Zone.toUtc(berlin, millis("2026-03-29T02:30:00")))).toBe("2026-03-29T01:30:00")
  })

  it("goes there and back for every hour of two years", () => {
    const hour = 3_600_000
    const twice = new Set([millis("2025-10-26T02:00:00"), millis("2026-10-25T02:00:00")])
    for (let utc = millis("2025-01-01T00:00:00"); utc < millis("2027-01-01T00:00:00"); utc += hour) {
      const local = Zone.toLocal(berlin, utc)
      const back = Zone.toUtc(berlin, local)
      expect(back === utc || (twice.has(local) && back === utc - hour)).toBe(true)
    }
  })

  it("has a name that is known", () => {
    for (const name of ["Europe/Atlantis", "SYSTEM", "", "Europe/Berlin' OR 1"]) {
      expect(Zone.named(name)).toBeUndefined()
    }
  })
})
