/**
 * Geometries: as servers store them (the number of the spatial reference system, then well-known binary), and as GeoJSON.
 * All seven kinds, in two dimensions: the servers have no third.
 *
 * A reference system other than 0 stands in a `crs` member, as MySQL's `ST_AsGeoJSON` writes it. Coordinates keep the
 * order in which they are stored, which is longitude before latitude on MySQL.
 *
 * Manual: "Internal Geometry Storage Format", "Well-Known Binary (WKB) Format"; RFC 7946 "The GeoJSON Format".
 *
 * @since 0.1.0
 */
import { Writer } from "../Bytes.ts"
import { BadValue } from "./DecodeError.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Position = readonly [x: number, y: number]

/**
 * A geometry of GeoJSON.
 *
 * @since 0.1.0
 * @category models
 */
export type GeoJson = Shape & {
  /** The spatial reference system, e.g. `EPSG:4326`. Only on the outermost geometry, and only where it is not 0. */
  readonly crs?:
    | { readonly type: "name"; readonly properties: { readonly name: `EPSG:${number}` | (string & {}) } }
    | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Shape =
  | { readonly type: "Point"; readonly coordinates: Position }
  | { readonly type: "LineString" | "MultiPoint"; readonly coordinates: ReadonlyArray<Position> }
  | { readonly type: "Polygon" | "MultiLineString"; readonly coordinates: ReadonlyArray<ReadonlyArray<Position>> }
  | { readonly type: "MultiPolygon"; readonly coordinates: ReadonlyArray<ReadonlyArray<ReadonlyArray<Position>>> }
  | { readonly type: "GeometryCollection"; readonly geometries: ReadonlyArray<Shape> }

type Kind = Shape["type"]

/** By their numbers in WKB, from 1 on. */
const kinds: ReadonlyArray<Kind> = [
  "Point",
  "LineString",
  "Polygon",
  "MultiPoint",
  "MultiLineString",
  "MultiPolygon",
  "GeometryCollection"
]

/** Collections may hold collections; so deep is not meant seriously. */
const maxDepth = 100
const maxSrid = 0xffffffff
/** Byte order, kind, and the count of what follows or two coordinates. */
const headerBytes = 5
const positionBytes = 16
const countBytes = 4

// ---- from the server -----------------------------------------------------------------------------------------------

/** Reads well-known binary and never past `end`. */
class Cursor {
  private readonly bytes: Buffer
  private readonly end: number
  private position: number
  private littleEndian = true

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  private take(length: number): number {
    const at = this.position
    if (length > this.end - at) throw new BadValue("the geometry ends too early")
    this.position = at + length
    return at
  }

  /** Also sets the byte order of what follows. */
  kind(): Kind {
    const at = this.take(headerBytes)
    const order = this.bytes[at]!
    if (order > 1) throw new BadValue(`${order} is not a byte order of a geometry`)
    this.littleEndian = order === 1
    const number = this.littleEndian ? this.bytes.readUInt32LE(at + 1) : this.bytes.readUInt32BE(at + 1)
    const kind = kinds[number - 1]
    if (kind === undefined) throw new BadValue(`${number} is not a kind of geometry`)
    return kind
  }

  u32(): number {
    const at = this.take(4)
    return this.littleEndian ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at)
  }

  /** How many parts follow, each of which takes at least so many bytes. */
  count(leastBytes: number): number {
    const count = this.u32()
    if (count * leastBytes > this.end - this.position) throw new BadValue("the geometry ends too early")
    return count
  }

  point(): Position {
    const at = this.take(positionBytes)
    const x = this.littleEndian ? this.bytes.readDoubleLE(at) : this.bytes.readDoubleBE(at)
    const y = this.littleEndian ? this.bytes.readDoubleLE(at + 8) : this.bytes.readDoubleBE(at + 8)
    if (!Number.isFinite(x) || !Number.isFinite(y)) throw new BadValue("a coordinate that is not a number")
    return [x, y]
  }

  finish(): void {
    if (this.position !== this.end) throw new BadValue(`${this.end - this.position} bytes behind the geometry`)
  }
}

const several = <A>(cursor: Cursor, leastBytes: number, read: () => A): Array<A> => {
  const count = cursor.count(leastBytes)
  const parts: Array<A> = []
  for (let index = 0; index < count; index++) parts.push(read())
  return parts
}

const readLine = (cursor: Cursor): Array<Position> => several(cursor, positionBytes, () => cursor.point())

const readPolygon = (cursor: Cursor): Array<Array<Position>> => several(cursor, countBytes, () => readLine(cursor))

/** The parts of a multi-geometry are geometries of their own, all of one kind. */
const readParts = <A>(cursor: Cursor, kind: Kind, leastBytes: number, read: (cursor: Cursor) => A): Array<A> =>
  several(cursor, headerBytes + leastBytes, () => {
    const found = cursor.kind()
    if (found !== kind) throw new BadValue(`a ${found} among geometries of kind ${kind}`)
    return read(cursor)
  })

const readShape = (cursor: Cursor, depth: number): Shape => {
  if (depth > maxDepth) throw new BadValue(`geometries nested more than ${maxDepth} deep`)
  const type = cursor.kind()
  switch (type) {
    case "Point":
      return { type, coordinates: cursor.point() }
    case "LineString":
      return { type, coordinates: readLine(cursor) }
    case "Polygon":
      return { type, coordinates: readPolygon(cursor) }
    case "MultiPoint":
      return { type, coordinates: readParts(cursor, "Point", positionBytes, (part) => part.point()) }
    case "MultiLineString":
      return { type, coordinates: readParts(cursor, "LineString", countBytes, readLine) }
    case "MultiPolygon":
      return { type, coordinates: readParts(cursor, "Polygon", countBytes, readPolygon) }
    case "GeometryCollection":
      return { type, geometries: several(cursor, headerBytes + countBytes, () => readShape(cursor, depth + 1)) }
  }
}

/** Throws `BadValue`. */
export const geoJson = (bytes: Buffer, start: number, end: number): GeoJson => {
  const cursor = new Cursor(bytes, start, end)
  const srid = cursor.u32()
  const shape = readShape(cursor, 0)
  cursor.finish()
  return srid === 0 ? shape : { ...shape, crs: { type: "name", properties: { name: `EPSG:${srid}` } } }
}

// ---- to the server -------------------------------------------------------------------------------------------------

/** Leaves by an exception. */
type Fail = (message: string) => never

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

const elements = (value: unknown, fail: Fail): ReadonlyArray<unknown> =>
  Array.isArray(value) ? value : fail("coordinates of a geometry are arrays")

const writePosition = (writer: Writer, value: unknown, fail: Fail): void => {
  const [x, y, ...more] = elements(value, fail)
  if (!Number.isFinite(x) || !Number.isFinite(y)) return fail("a position is two numbers")
  if (more.length > 0) return fail("a position is two numbers: servers have no third dimension")
  writer.f64(x as number).f64(y as number)
}

const writeSeveral = (writer: Writer, value: unknown, fail: Fail, write: (part: unknown) => void): void => {
  const parts = elements(value, fail)
  writer.u32(parts.length)
  for (const part of parts) write(part)
}

const writeHeader = (writer: Writer, kind: Kind): void => {
  writer.u8(1).u32(kinds.indexOf(kind) + 1)
}

type Write = (writer: Writer, coordinates: unknown, fail: Fail) => void

const line: Write = (writer, coordinates, fail) =>
  writeSeveral(writer, coordinates, fail, (part) => writePosition(writer, part, fail))

const polygon: Write = (writer, coordinates, fail) =>
  writeSeveral(writer, coordinates, fail, (ring) => line(writer, ring, fail))

const partsOf =
  (kind: Kind, write: Write): Write =>
  (writer, coordinates, fail) =>
    writeSeveral(writer, coordinates, fail, (part) => {
      writeHeader(writer, kind)
      write(writer, part, fail)
    })

const writers: ReadonlyMap<unknown, Write> = new Map([
  ["Point", writePosition],
  ["LineString", line],
  ["Polygon", polygon],
  ["MultiPoint", partsOf("Point", writePosition)],
  ["MultiLineString", partsOf("LineString", line)],
  ["MultiPolygon", partsOf("Polygon", polygon)]
] satisfies ReadonlyArray<[Kind, Write]>)

const writeShape = (writer: Writer, value: unknown, fail: Fail, depth: number): void => {
  if (depth > maxDepth) return fail(`geometries nested more than ${maxDepth} deep`)
  if (!isObject(value)) return fail("a geometry is an object with a type")
  if (value.type === "GeometryCollection") {
    writeHeader(writer, value.type)
    return writeSeveral(writer, value.geometries, fail, (part) => writeShape(writer, part, fail, depth + 1))
  }
  const write = writers.get(value.type)
  if (write === undefined) return fail(`${String(value.type)} is not a kind of geometry`)
  writeHeader(writer, value.type as Kind)
  write(writer, value.coordinates, fail)
}

const systemNames = /^(?:urn:ogc:def:crs:)?EPSG:(?:[\w.]*:)?(\d{1,10})$/

const sridOf = (crs: unknown, fail: Fail): number | undefined => {
  if (crs === undefined) return undefined
  const name = isObject(crs) && isObject(crs.properties) ? crs.properties.name : undefined
  const match = typeof name === "string" ? systemNames.exec(name) : null
  return match === null ? fail("the crs of a geometry is not a name such as EPSG:4326") : Number(match[1])
}

const checkedSrid = (srid: number, fail: Fail): number =>
  Number.isInteger(srid) && srid >= 0 && srid <= maxSrid ? srid : fail(`${srid} is not a number of a reference system`)

/** The form that servers store, of GeoJSON. `srid` and a `crs` member must not contradict each other. */
export const fromGeoJson = (value: unknown, srid: number | undefined, fail: Fail): Uint8Array => {
  const named = sridOf(isObject(value) ? value.crs : undefined, fail)
  if (named !== undefined && srid !== undefined && named !== srid) {
    return fail(`the geometry's crs is EPSG:${named}, and the reference system ${srid} was given`)
  }
  const writer = new Writer().u32(checkedSrid(srid ?? named ?? 0, fail))
  writeShape(writer, value, fail, 0)
  return writer.payload()
}

/** The form that servers store, of well-known binary. */
export const fromWkb = (wkb: Uint8Array, srid: number | undefined, fail: Fail): Uint8Array => {
  const bytes = new Writer(wkb.length + 4)
    .u32(checkedSrid(srid ?? 0, fail))
    .bytes(wkb)
    .payload()
  try {
    geoJson(bytes, 0, bytes.length)
  } catch (error) {
    return fail(`no well-known binary: ${(error as BadValue).problem}`)
  }
  return bytes
}
