/**
 * Numbers that look random and are the same for the same seed, and bytes that are wrong in the ways in which bytes of a
 * protocol go wrong: other values, other lengths, pieces of something else.
 */
export class Random {
  private state: number

  constructor(seed: number) {
    // Zero is the one state that it never leaves.
    this.state = seed >>> 0 || 0x9e3779b9
    for (let count = 0; count < 8; count++) this.below(2)
  }

  /** From 0 up to but without `limit`. The generator known as xorshift32. */
  below(limit: number): number {
    this.state ^= this.state << 13
    this.state ^= this.state >>> 17
    this.state ^= this.state << 5
    return (this.state >>> 0) % limit
  }

  pick<A>(values: ReadonlyArray<A>): A {
    return values[this.below(values.length)]!
  }
}

/** Markers of lengths, limits of integers, and what stands at the head of packets. */
const telling = [0x00, 0x01, 0x02, 0x03, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]

/** Length-encoded integers that say too much. */
const lengths = [
  "fb",
  "fcffff",
  "fc0000",
  "fdffffff",
  "feffffffffffffffff",
  "fe0000000001000000",
  "fe00000000000000ff"
].map((hex) => Buffer.from(hex, "hex"))

const joined = (...parts: ReadonlyArray<Buffer>): Buffer => Buffer.concat(parts)

type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer

const place = (bytes: Buffer, random: Random): number => random.below(bytes.length + 1)

const noise = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random.below(256)))

const inPlace =
  (change: (bytes: Buffer, at: number, random: Random) => void): Mutation =>
  (bytes, random) => {
    if (bytes.length > 0) change(bytes, random.below(bytes.length), random)
    return bytes
  }

const flipBit = inPlace((bytes, at, random) => {
  bytes[at]! ^= 1 << random.below(8)
})

const setByte = inPlace((bytes, at, random) => {
  bytes[at] = random.pick(telling)
})

const step = inPlace((bytes, at, random) => {
  bytes[at]! += random.below(2) === 0 ? 1 : -1
})

const overwrite = inPlace((bytes, at, random) => {
  random.pick(lengths).copy(bytes, at)
})

const cutOff: Mutation = (bytes, random) => bytes.subarray(0, place(bytes, random))

const remove: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(8)))
}

const insert: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  const added = random.below(2) === 0 ? random.pick(lengths) : noise(random, 1 + random.below(9))
  return joined(bytes.subarray(0, at), added, bytes.subarray(at))
}

const repeat: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  const piece = bytes.subarray(at, at + 1 + random.below(16))
  return joined(bytes.subarray(0, at), piece, piece, bytes.subarray(at))
}

const splice: Mutation = (bytes, random, other) =>
  joined(bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random)))

const mutations: ReadonlyArray<Mutation> = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  step,
  overwrite,
  cutOff,
  remove,
  insert,
  repeat,
  splice
]

/** A copy with one to four things wrong with it. */
export const mutate = (bytes: Buffer, random: Random, other: Buffer): Buffer => {
  let mutated: Buffer = Buffer.from(bytes)
  for (let count = 1 + random.below(4); count > 0; count--) mutated = random.pick(mutations)(mutated, random, other)
  return mutated
}
