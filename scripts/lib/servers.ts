/**
 * What is said at the end of a test run about its database servers: which ran, which could not be had, and why.
 */

/** As the test kit describes a server; only what is shown here. */
export type Server =
  | {
      readonly name: string
      readonly available: true
      readonly provider: string
      readonly host: string
      readonly port: number
    }
  | { readonly name: string; readonly available: false; readonly reason: string }

/** Comes from a distribution that moves every day, and may be missing on one of them. */
const mayBeMissing: ReadonlyArray<string> = ["MySQL 9.7"]

/** Whether the lack of this server fails a run that requires servers. */
export const mustBeThere = (server: Server): boolean => !server.available && !mayBeMissing.includes(server.name)

export const table = (servers: ReadonlyArray<Server>): ReadonlyArray<string> => {
  if (servers.length === 0) return ["Servers: none was asked for"]
  const width = Math.max(...servers.map((server) => server.name.length))
  return [
    "Servers",
    ...servers.map((server) => {
      const what = server.available
        ? `ran      ${server.provider}, ${server.host}:${server.port}`
        : `not run  ${server.reason}`
      return `  ${server.name.padEnd(width)}  ${what}`
    })
  ]
}

/** Among the last lines, so that nobody overlooks it. */
export const notRun = (servers: ReadonlyArray<Server>): ReadonlyArray<string> =>
  servers.filter((server) => !server.available).map((server) => `${server.name}: NOT RUN`)
