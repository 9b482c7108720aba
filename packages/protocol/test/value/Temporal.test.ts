import * as Duration from "effect/Duration"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BadValue } from "../../src/value/DecodeError.ts"
import * as Temporal from "../../src/value/Temporal.ts"
import { holds } from "../support/property.ts"
import { hex } from "../support/wire.ts"

type Read<A> = (bytes: Buffer, start: number, end: number) => A

/** Read from the middle of other digits, as a value lies in its packet. */
const of = <A>(read: Read<A>, value: Buffer | string): A => {
  const bytes = Buffer.concat([Buffer.from("99"), Buffer.from(value as string), Buffer.from("99:99:99.999999")])
  return read(bytes, 2, 2 + Buffer.from(value as string).length)
}

const date = (offsetMinutes = 0) => Temporal.dateFromText({ offsetMinutes, invalidDate: "error" })
const dateFields = (offsetMinutes = 0) => Temporal.dateFromFields({ offsetMinutes, invalidDate: "error" })
const orNull = { offsetMinutes: 0, invalidDate: "null" } as const

describe("DATE and DATETIME as digits", () => {
  it.each<[string, string]>([
    ["1970-01-01", "1970-01-01T00:00:00.000Z"],
    ["2024-02-29 23:59:58", "2024-02-29T23:59:58.000Z"],
    ["2024-02-29 23:59:58.1", "2024-02-29T23:59:58.100Z"],
    ["2024-02-29 23:59:58.12", "2024-02-29T23:59:58.120Z"],
    ["2024-02-29 23:59:58.1239", "2024-02-29T23:59:58.123Z"],
    ["2024-02-29 23:59:58.999999", "2024-02-29T23:59:58.999Z"],
    ["1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999Z"],
    ["2000-02-29 00:00:00", "2000-02-29T00:00:00.000Z"],
    ["9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999Z"],
    ["0001-01-01 00:00:00", "0001-01-01T00:00:00.000Z"],
    ["0099-12-31 00:00:00", "0099-12-31T00:00:00.000Z"]
  ])("%s", (digits, expected) => {
    expect(of(date(), digits)).toEqual(new Date(expected))
  })

  it("days all over the ten thousand years are the ones that they say", () => {
    const first = -62_135_596_800_000
    const last = 253_402_300_799_999
    for (let at = first; at <= last; at += 97 * 86_400_000) {
      const iso = new Date(at).toISOString()
      expect(of(date(), iso.slice(0, 10))).toEqual(new Date(`${iso.slice(0, 10)}T00:00:00Z`))
    }
  })

  it.each([
    ["0000-00-00"],
    ["0000-00-00 00:00:00"],
    ["2024-00-10"],
    ["2024-13-01"],
    ["2024-01-00"],
    ["2024-01-32"],
    ["2024-04-31"],
    ["2023-02-29"],
    ["1900-02-29"],
    ["2100-02-29 12:00:00.5"]
  ])("%s does not exist: an error that shows it, or null", (digits) => {
    expect(() => of(date(), digits)).toThrow(BadValue)
    expect(thrown(() => of(date(), digits))).toMatch(new RegExp(`^${digits} is not a date that exists`))
    expect(of(Temporal.dateFromText(orNull), digits)).toBeNull()
  })

  it.each([
    "",
    "2024",
    "2024-02-2",
    "2024-02-291",
    "2024/02/29",
    "2024-02-29 ",
    "2024-02-29 1:02:03",
    "2024-02-29 01:02",
    "2024-02-29T01:02:03",
    "2024-02-29 01.02.03",
    "2024-02-29 01:02:03.",
    "2024-02-29 01:02:03,5",
    "2024-02-29 01:02:03.1234567",
    "2024-02-29 01:02:03.12x",
    "2024-02-29 24:00:00",
    "2024-02-29 00:60:00",
    "2024-02-29 00:00:60",
    "2024-02-29 -1:00:00",
    "2O24-02-29",
    "20-4-02-29",
    "x".repeat(100)
  ])('"%s" is malformed, whatever the option', (digits) => {
    for (const read of [date(), Temporal.dateFromText(orNull)]) {
      expect(thrown(() => of(read, digits))).toBe(`"${digits.slice(0, 40)}" is not a DATETIME`)
    }
  })

  it.each([
    [60, "2024-02-29T22:30:00.000Z"],
    [-90, "2024-03-01T01:00:00.000Z"],
    [840, "2024-02-29T09:30:00.000Z"]
  ])("in a session %d minutes ahead of UTC", (offsetMinutes, expected) => {
    expect(of(date(offsetMinutes), "2024-02-29 23:30:00")).toEqual(new Date(expected))
    expect(of(dateFields(offsetMinutes), hex("e807 02 1d 17 1e 00"))).toEqual(new Date(expected))
  })
})

const thrown = (f: () => unknown): string | undefined => {
  try {
    f()
    return undefined
  } catch (error) {
    if (error instanceof BadValue) return error.problem
    throw error
  }
}

describe("DATE and DATETIME as fields", () => {
  it.each<[name: string, fields: string, expected: string]>([
    ["a day", "e807 02 1d", "2024-02-29T00:00:00.000Z"],
    ["to the second", "e807 02 1d 17 3b 3a", "2024-02-29T23:59:58.000Z"],
    ["to the microsecond (the manual's example)", "da07 0a 11 13 1b 1e 01000000", "2010-10-17T19:27:30.000Z"],
    ["with milliseconds", "e807 02 1d 17 3b 3a 3f420f00", "2024-02-29T23:59:58.999Z"]
  ])("%s", (_name, fields, expected) => {
    expect(of(dateFields(), hex(fields))).toEqual(new Date(expected))
  })

  it.each([
    ["no fields at all", "", "0000-00-00 00:00:00"],
    ["a month that is none", "e807 0d 01", "2024-13-01 00:00:00"],
    ["a day that is none", "e707 02 1d 01 02 03", "2023-02-29 01:02:03"]
  ])("%s: an error that shows it, or null", (_name, fields, text) => {
    expect(thrown(() => of(dateFields(), hex(fields)))).toMatch(new RegExp(`^${text} is not a date that exists`))
    expect(of(Temporal.dateFromFields(orNull), hex(fields))).toBeNull()
  })

  it.each([
    ["hour 24", "e807 02 1d 18 00 00"],
    ["minute 60", "e807 02 1d 00 3c 00"],
    ["second 60", "e807 02 1d 00 00 3c"],
    ["a million microseconds", "e807 02 1d 00 00 00 40420f00"]
  ])("%s is malformed", (_name, fields) => {
    expect(thrown(() => of(Temporal.dateFromFields(orNull), hex(fields)))).toMatch(/is not a DATETIME$/)
  })

  it.each([1, 2, 3, 5, 6, 8, 9, 10, 12, 200])("%d bytes are none", (length) => {
    const fields = Buffer.alloc(length, 1)
    for (const read of [dateFields(), Temporal.stringFromFields(6, true), Temporal.stringFromFields(0, false)]) {
      expect(thrown(() => of<unknown>(read, fields))).toBe(`a DATETIME of ${length} bytes`)
    }
  })

  it.each<[name: string, decimals: number, fields: string, expected: string]>([
    ["without a fraction", 0, "e807 02 1d 17 3b 3a", "2024-02-29 23:59:58"],
    ["one digit", 1, "e807 02 1d 17 3b 3a a0860100", "2024-02-29 23:59:58.1"],
    ["six digits", 6, "e807 02 1d 17 3b 3a 40e20100", "2024-02-29 23:59:58.123456"],
    ["six digits of nothing", 6, "e807 02 1d 17 3b 3a", "2024-02-29 23:59:58.000000"],
    ["midnight", 3, "e807 02 1d", "2024-02-29 00:00:00.000"],
    ["zero", 2, "", "0000-00-00 00:00:00.00"],
    ["a small year", 0, "0700 01 02", "0007-01-02 00:00:00"],
    ["a number of digits that is not said", 31, "e807 02 1d 17 3b 3a 40e20100", "2024-02-29 23:59:58.123456"],
    ["the same, and there are none", 31, "e807 02 1d 17 3b 3a", "2024-02-29 23:59:58"]
  ])("as a string: %s", (_name, decimals, fields, expected) => {
    expect(of(Temporal.stringFromFields(decimals, true), hex(fields))).toBe(expected)
  })

  it("a DATE as a string", () => {
    expect(of(Temporal.stringFromFields(0, false), hex("e807 02 1d"))).toBe("2024-02-29")
    expect(of(Temporal.stringFromFields(0, false), hex(""))).toBe("0000-00-00")
  })

  it("say the same as digits, for any moment", () => {
    const moment = fc.date({
      min: new Date("0001-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true
    })
    holds(
      fc.property(
        moment,
        fc.integer({ min: 0, max: 999 }),
        fc.integer({ min: -840, max: 840 }),
        (at, micros, offset) => {
          const iso = at.toISOString()
          const digits = `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(micros).padStart(3, "0")}`
          const fields = Buffer.alloc(11)
          fields.writeUInt16LE(at.getUTCFullYear(), 0)
          fields.set(
            [at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()],
            2
          )
          fields.writeUInt32LE(at.getUTCMilliseconds() * 1000 + micros, 7)
          expect(of(date(offset), digits)).toEqual(new Date(at.getTime() - offset * 60_000))
          expect(of(dateFields(offset), fields)).toEqual(of(date(offset), digits))
          expect(of(Temporal.stringFromFields(6, true), fields)).toBe(digits)
        }
      ),
      { numRuns: 500 }
    )
  })
})

describe("TIME", () => {
  const times: ReadonlyArray<[text: string, decimals: number, fields: string, nanos: bigint]> = [
    ["00:00:00", 0, "", 0n],
    ["00:00:00.000", 3, "", 0n],
    ["23:59:58", 0, "00 00000000 17 3b 3a", 86_398_000_000_000n],
    ["24:00:00", 0, "00 01000000 00 00 00", 86_400_000_000_000n],
    ["838:59:59", 0, "00 22000000 16 3b 3b", 3_020_399_000_000_000n],
    ["-838:59:59", 0, "01 22000000 16 3b 3b", -3_020_399_000_000_000n],
    ["-00:00:00.000001", 6, "01 00000000 00 00 00 01000000", -1000n],
    ["19:27:30.5", 1, "00 00000000 13 1b 1e 20a10700", 70_050_500_000_000n],
    // The manual's example: -120 days 19:27:30.000001.
    ["-2899:27:30.000001", 6, "01 78000000 13 1b 1e 01000000", -10_438_050_000_001_000n]
  ]

  it.each(times)("%s from fields", (text, decimals, fields, nanos) => {
    expect(of(Temporal.timeStringFromFields(decimals), hex(fields))).toBe(text)
    expect(of(Temporal.durationFromFields, hex(fields))).toEqual(Duration.nanos(nanos))
  })

  it.each(times.slice(0, -1))("%s from digits", (text, _decimals, _fields, nanos) => {
    expect(of(Temporal.durationFromText, text)).toEqual(Duration.nanos(nanos))
  })

  it.each([
    "",
    "12:34",
    "1:02:03",
    "-",
    "--01:02:03",
    "01:60:00",
    "01:00:60",
    "01:02:03.",
    "01:02:03.1234567",
    "0102:03:04",
    "aa:bb:cc"
  ])('"%s" is none', (text) => {
    expect(thrown(() => of(Temporal.durationFromText, text))).toBe(`"${text}" is not a TIME`)
  })

  it.each([1, 7, 9, 11, 13, 200])("%d bytes are none", (length) => {
    for (const read of [Temporal.durationFromFields, Temporal.timeStringFromFields(6)]) {
      expect(thrown(() => of<unknown>(read, Buffer.alloc(length)))).toBe(`a TIME of ${length} bytes`)
    }
  })
})
