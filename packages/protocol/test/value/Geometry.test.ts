import * as Result from "effect/Result"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BadValue } from "../../src/value/DecodeError.ts"
import * as Geometry from "../../src/value/Geometry.ts"
import * as Literal from "../../src/value/Literal.ts"
import * as MysqlTypes from "../../src/value/MysqlTypes.ts"
import { classify } from "../../src/value/Parameter.ts"
import { holds } from "../support/property.ts"

const position = fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
const line = fc.array(position, { maxLength: 4 })
const polygon = fc.array(line, { maxLength: 3 })

const simple = fc.oneof(
  fc.record({ type: fc.constant("Point" as const), coordinates: position }),
  fc.record({ type: fc.constantFrom("LineString" as const, "MultiPoint" as const), coordinates: line }),
  fc.record({ type: fc.constantFrom("Polygon" as const, "MultiLineString" as const), coordinates: polygon }),
  fc.record({ type: fc.constant("MultiPolygon" as const), coordinates: fc.array(polygon, { maxLength: 2 }) })
)

const { shape } = fc.letrec<{ shape: Geometry.Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 4 },
    simple,
    fc.record({
      type: fc.constant("GeometryCollection" as const),
      geometries: fc.array(tie("shape") as fc.Arbitrary<Geometry.Shape>, { maxLength: 3 })
    })
  )
}))

const stored = (value: Geometry.GeoJson | Uint8Array, srid?: number): Buffer => {
  const parameter = classify(MysqlTypes.geometry(value, srid), 0, 0)
  if (parameter._tag !== "Bytes") throw new Error(parameter._tag)
  return Buffer.from(parameter.value)
}

const decode = (hex: string): Geometry.GeoJson => {
  // The bytes around the value are none of its own.
  const bytes = Buffer.from(`0101${hex.replaceAll(" ", "")}0101`, "hex")
  return Geometry.geoJson(bytes, 2, bytes.length - 2)
}

const problem = (hex: string): string | undefined => {
  try {
    decode(hex)
    return undefined
  } catch (error) {
    return error instanceof BadValue ? error.problem : `thrown: ${error}`
  }
}

const one = "000000000000f03f"
const two = "0000000000000040"

describe("geometries", () => {
  it("of every kind come back as they were, in every reference system", () => {
    holds(
      fc.property(shape, fc.constantFrom(0, 4326, 0xffffffff), (value, srid) => {
        const bytes = stored(value, srid)
        const crs = srid === 0 ? {} : { crs: { type: "name", properties: { name: `EPSG:${srid}` } } }
        const decoded = Geometry.geoJson(bytes, 0, bytes.length)
        expect(decoded).toEqual({ ...value, ...crs })
        expect(stored(decoded)).toEqual(bytes)
      })
    )
  })

  it.each<[name: string, hex: string, value: unknown]>([
    ["little endian", `00000000 01 01000000 ${one}${two}`, { type: "Point", coordinates: [1, 2] }],
    ["big endian", "00000000 00 00000001 3ff00000000000004000000000000000", { type: "Point", coordinates: [1, 2] }],
    ["both", `00000000 00 00000004 00000001 01 01000000 ${one}${two}`, { type: "MultiPoint", coordinates: [[1, 2]] }],
    ["empty", "00000000 01 07000000 00000000", { type: "GeometryCollection", geometries: [] }]
  ])("in byte order %s", (_name, hex, value) => {
    expect(decode(hex)).toEqual(value)
  })

  it.each<[name: string, hex: string, problem: RegExp]>([
    ["nothing", "", /ends too early/],
    ["a reference system only", "00000000", /ends too early/],
    ["half a point", `00000000 01 01000000 ${one}`, /ends too early/],
    ["bytes behind", `00000000 01 01000000 ${one}${two} 00`, /1 bytes behind/],
    ["another byte order", `00000000 02 01000000 ${one}${two}`, /2 is not a byte order/],
    ["the kind 0", `00000000 01 00000000 ${one}${two}`, /0 is not a kind/],
    ["a point with a height", `00000000 01 e9030000 ${one}${two}${two}`, /1001 is not a kind/],
    ["a coordinate that is none", `00000000 01 01000000 000000000000f87f${two}`, /not a number/],
    ["four billion points", "00000000 01 02000000 ffffffff", /ends too early/],
    ["four billion rings", "00000000 01 03000000 ffffffff", /ends too early/],
    [
      "a line among points",
      "00000000 01 04000000 01000000 01 02000000 00000000000000000000000000000000",
      /a LineString among/
    ],
    ["50,000 collections", `00000000${"010700000001000000".repeat(50_000)}010700000000000000`, /nested more than 100/]
  ])("that are none: %s", (_name, hex, expected) => {
    expect(problem(hex)).toMatch(expected)
  })

  const nested = (depth: number): Geometry.Shape => {
    let value: Geometry.Shape = { type: "GeometryCollection", geometries: [] }
    for (let count = 0; count < depth; count++) value = { type: "GeometryCollection", geometries: [value] }
    return value
  }

  const cyclic: { type: "GeometryCollection"; geometries: Array<unknown> } = {
    type: "GeometryCollection",
    geometries: []
  }
  cyclic.geometries.push(cyclic)

  const crs = (name: unknown): unknown => ({
    type: "Point",
    coordinates: [1, 2],
    crs: { type: "name", properties: { name } }
  })

  it.each<[name: string, value: unknown, srid: number | undefined, message: RegExp]>([
    ["a feature", { type: "Feature", geometry: null }, undefined, /Feature is not a kind of geometry/],
    ["no object", 5, undefined, /an object with a type/],
    ["no coordinates", { type: "Point" }, undefined, /coordinates of a geometry are arrays/],
    ["one coordinate", { type: "Point", coordinates: [1] }, undefined, /a position is two numbers/],
    ["a height", { type: "Point", coordinates: [1, 2, 3] }, undefined, /no third dimension/],
    ["text", { type: "Point", coordinates: ["1", "2"] }, undefined, /a position is two numbers/],
    ["infinity", { type: "Point", coordinates: [1, Number.POSITIVE_INFINITY] }, undefined, /a position is two numbers/],
    ["too deep", nested(101), undefined, /nested more than 100/],
    ["a cycle", cyclic, undefined, /nested more than 100/],
    ["another crs", crs("CRS84"), undefined, /crs of a geometry is not a name/],
    ["a crs without a name", { ...nested(0), crs: 5 }, undefined, /crs of a geometry is not a name/],
    ["two reference systems", crs("EPSG:4326"), 0, /crs is EPSG:4326, and the reference system 0/],
    ["a reference system that is none", nested(0), -1, /-1 is not a number of a reference system/],
    ["a reference system of 33 bits", crs("EPSG:4294967296"), undefined, /is not a number of a reference system/],
    ["no well-known binary", Uint8Array.of(1, 2), undefined, /no well-known binary: the geometry ends too early/]
  ])("that cannot be sent: %s", (_name, value, srid, message) => {
    const result = Literal.encode(MysqlTypes.geometry(value as Geometry.GeoJson, srid), {
      sqlMode: { noBackslashEscapes: false, ansiQuotes: false },
      offsetMinutes: 0
    })
    expect(Result.isFailure(result) && result.failure.message).toMatch(message)
  })

  it("keep what is at the limit", () => {
    const bytes = stored(nested(100))
    expect(Geometry.geoJson(bytes, 0, bytes.length)).toEqual(nested(100))
  })

  it.each(["EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "urn:ogc:def:crs:EPSG:9.8.1:4326"])("in %s", (name) => {
    expect(stored(crs(name) as Geometry.GeoJson).readUInt32LE(0)).toBe(4326)
  })

  it("of well-known binary get their reference system in front", () => {
    const wkb = Buffer.from(`0101000000${one}${two}`, "hex")
    expect(stored(wkb, 4326)).toEqual(Buffer.concat([Buffer.from("e6100000", "hex"), wkb]))
  })
})
