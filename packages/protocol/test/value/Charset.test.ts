/**
 * Text in the character sets of clients. The bytes are those of the manual's tables: cp1252 with its gaps filled.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Charset from "../../src/value/Charset.ts"

const encode = (name: string, text: string): string | undefined => Charset.named(name)!.encode(text)?.toString("hex")

describe("a character set", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, hex: string | undefined]> = [
    ["latin1", "Español", "45737061f16f6c"],
    ["latin1", "€ƒ…Žž“”", "80 83 85 8e 9e 93 94".replaceAll(" ", "")],
    ["latin1", "\x81\x8d\x8f\x90\x9d", "818d8f909d"],
    ["latin1", "'\\\"\0", "275c2200"],
    ["latin1", "\x80", undefined],
    ["latin1", "ā", undefined],
    ["latin1", "😄", undefined],
    ["utf8mb3", "日本ñ", "e697a5e69cacc3b1"],
    ["utf8mb3", "😄", undefined],
    ["ascii", "abc~", "6162637e"],
    ["ascii", "ñ", undefined],
    // Of others only what is the same everywhere.
    ["gbk", "abc'", "61626327"],
    ["gbk", "ñ", undefined]
  ]

  it.each(cases)("%s: %j", (name, text, hex) => {
    expect(encode(name, text)).toBe(hex)
  })

  it.each(["utf8mb4", "binary"])("%s takes every text as UTF-8", (name) => {
    expect(Charset.named(name)).toBeUndefined()
  })
})
