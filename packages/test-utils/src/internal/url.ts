/**
 * Server URLs: what `MYSQL_TEST_URL` holds, and how the kit tells where a server of its own is.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { MysqlServerError } from "../MysqlServerError.ts"
import type { Address } from "./provider.ts"

const operation = "read MYSQL_TEST_URL"
const advice = "Write mysql://user:password@host:port, several of them separated by commas or blanks."

const parseOne = (text: string, position: number): Result.Result<Address, MysqlServerError> => {
  // The text may hold a password: it is not repeated.
  const fail = (what: string) =>
    Result.fail(new MysqlServerError({ operation, tried: [`URL ${position} ${what}`], advice }))
  if (!URL.canParse(text)) return fail("is not a URL")
  const url = new URL(text)
  if (url.protocol !== "mysql:" && url.protocol !== "mariadb:")
    return fail("does not begin with mysql:// or mariadb://")
  if (url.hostname === "") return fail("names no host")
  if (url.username === "") return fail("names no user")
  return Result.try({
    try: (): Address => ({
      host: decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, "$1")),
      port: url.port === "" ? 3306 : Number(url.port),
      socketPath: undefined,
      username: decodeURIComponent(url.username),
      password: Redacted.make(decodeURIComponent(url.password))
    }),
    catch: () => new MysqlServerError({ operation, tried: [`URL ${position} has a broken % sequence`], advice })
  })
}

/** The servers that the variable names: one or more URLs, separated by commas or white space. */
export const parse = (text: string): Result.Result<ReadonlyArray<Address>, MysqlServerError> => {
  const addresses: Array<Address> = []
  for (const [index, part] of text
    .split(/[\s,]+/)
    .filter((part) => part !== "")
    .entries()) {
    const address = parseOne(part, index + 1)
    if (Result.isFailure(address)) return Result.fail(address.failure)
    addresses.push(address.success)
  }
  return addresses.length === 0
    ? Result.fail(new MysqlServerError({ operation, tried: ["it holds no URL"], advice }))
    : Result.succeed(addresses)
}

const host = (name: string): string => (name.includes(":") ? `[${name}]` : name)

export const format = (address: Address): Redacted.Redacted =>
  Redacted.make(
    `mysql://${encodeURIComponent(address.username)}:${encodeURIComponent(Redacted.value(address.password))}@${host(
      address.host
    )}:${address.port}`
  )
