/**
 * What is said at the end of a test run about its database servers: which ran, which could not be had, and why.
 */
import * as Flavour from "../../packages/test-utils/src/Flavour.ts"
import type { Description } from "../../packages/test-utils/src/SharedServers.ts"

/** Comes from a distribution that moves every day, and cannot be had on some of them. */
const mayBeMissing: Flavour.Flavour = "mysql-9.7"

export const title = ({ flavour, name }: Description): string =>
  flavour !== "url" && flavour === name ? Flavour.details[flavour].title : name

/** Those whose lack fails a run that requires servers. */
export const missedBy = (servers: ReadonlyArray<Description>): ReadonlyArray<Description> =>
  servers.filter((server) => !server.available && server.flavour !== mayBeMissing)

export const table = (servers: ReadonlyArray<Description>): ReadonlyArray<string> => {
  if (servers.length === 0) return ["Servers: none was asked for"]
  const width = Math.max(...servers.map((server) => title(server).length))
  return [
    "Servers",
    ...servers.map((server) => {
      const what = server.available
        ? `ran      ${server.provider}, ${server.host}:${server.port}`
        : `not run  ${server.reason}`
      return `  ${title(server).padEnd(width)}  ${what}`
    })
  ]
}

/** Among the last lines, so that nobody overlooks it. */
export const notRun = (servers: ReadonlyArray<Description>): ReadonlyArray<string> =>
  servers.filter((server) => !server.available).map((server) => `${title(server)}: NOT RUN`)
