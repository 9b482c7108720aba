/**
 * `MYSQL_TEST_URL`: what is read from it, and how it fails without repeating a password.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { format, parse } from "../src/internal/url.ts"

const shown = (text: string) =>
  Result.getOrThrow(parse(text)).map(({ host, password, port, username }) => ({
    host,
    port,
    username,
    password: Redacted.value(password)
  }))

describe("MYSQL_TEST_URL", () => {
  it("holds one URL, or several separated by commas or white space", () => {
    expect(shown("mysql://root:secret@db:3307")).toEqual([
      { host: "db", port: 3307, username: "root", password: "secret" }
    ])
    expect(
      shown(" mysql://a:b@one, mariadb://c@two:1\n mysql://d:e@[::1]:2,").map(({ host, port }) => [host, port])
    ).toEqual([
      ["one", 3306],
      ["two", 1],
      ["::1", 2]
    ])
  })

  it("has names and passwords percent-encoded", () => {
    expect(shown("mysql://a%40b:p%2Cw%20%C3%BC@localhost")[0]).toMatchObject({ username: "a@b", password: "p,w ü" })
  })

  it.each([
    ["", "it holds no URL"],
    [" , ", "it holds no URL"],
    ["mysql://root:hunter2@one http://root:hunter2@two", "URL 2 does not begin with mysql:// or mariadb://"],
    ["root:hunter2@localhost", "URL 1 does not begin with mysql:// or mariadb://"],
    ["hunter2", "URL 1 is not a URL"],
    ["mysql://hunter2@:3306", "URL 1 is not a URL"],
    ["mysql:///hunter2", "URL 1 names no host"],
    ["mysql://localhost/hunter2", "URL 1 names no user"],
    ["mysql://a:hunter2%zz@localhost", "URL 1 has a broken % sequence"]
  ])("%j fails: %s", (text, tried) => {
    const failure = Result.getOrThrow(Result.flip(parse(text)))
    expect(failure.tried).toEqual([tried])
    expect(failure.message).not.toContain("hunter2")
  })

  it("is written the way it is read", () => {
    const address = {
      host: "::1",
      port: 3306,
      socketPath: undefined,
      username: "a@b:c/",
      password: Redacted.make("p, w#%ü")
    }
    const [again] = shown(Redacted.value(format(address)))
    expect(again).toEqual({ host: "::1", port: 3306, username: "a@b:c/", password: "p, w#%ü" })
    expect(String(format(address))).not.toContain("p, w")
  })
})
